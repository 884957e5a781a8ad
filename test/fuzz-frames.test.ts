/**
 * Damaged frames at the parser. 120,000 mutations of real frames: each either parses within its limits or throws a
 * FrameError, and nothing stays behind. A run prints its seed; replay it with SEED=n.
 */
import { randomInt } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Element } from 'ltx';
import t from 'tap';
import { FRAME_LIMITS, FrameError, parseFrame } from '../src/xmpp/xml.ts';

const FRAMES = 120_000;
const HEAP_GROWTH_BYTES_MAX = 8 * 1024 * 1024;
const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31));

const CORPUS = [
  "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0' xml:lang='en'/>",
  "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing' />",
  "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=</auth>",
  "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8=</response>",
  "<iq xmlns='jabber:client' type='set' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>phone</resource></bind></iq>",
  "<iq xmlns='jabber:client' type='get' id='r1'><query xmlns='jabber:iq:roster' ver=''/></iq>",
  "<iq xmlns='jabber:client' type='set' id='m1'><query xmlns='urn:xmpp:mam:2' queryid='q'><x xmlns='jabber:x:data' type='submit'>" +
    "<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field><field var='with'><value>bob@localhost</value></field>" +
    "</x><set xmlns='http://jabber.org/protocol/rsm'><max>50</max><before/></set></query></iq>",
  "<message xmlns='jabber:client' to='bob@localhost' type='chat' id='0190c2f4-7b3e-7aaa' xml:lang='en'><body>Art thou not Romeo, " +
    "&amp; a Montague? \u{1f339} &#x1F339;</body><active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/>" +
    "<origin-id xmlns='urn:xmpp:sid:0' id='0190c2f4'/><markable xmlns='urn:xmpp:chat-markers:0'/><html xmlns='http://jabber.org/protocol/xhtml-im'>" +
    "<body xmlns='http://www.w3.org/1999/xhtml'><p style='color:red'>Art <b>thou</b></p></body></html></message>",
  "<message xmlns='jabber:client' xmlns:e='urn:e' type='groupchat' to='room@chat'><body><![CDATA[a < b && c]]></body><e:x e:y='1'><e:z/></e:x></message>",
  "<presence xmlns='jabber:client'><show>away</show><status>\u00e9t\u00e9</status><priority>5</priority><c xmlns='http://jabber.org/protocol/caps' " +
    "hash='sha-1' node='https://example.org/' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/></presence>",
  "<c:presence xmlns:c='jabber:client' type='subscribe' to='bob@localhost'><c:status>hi</c:status><nick>x</nick></c:presence>",
  "<r xmlns='urn:xmpp:sm:3'/>",
  "<resume xmlns='urn:xmpp:sm:3' h='12' previd='some-long-sm-id'/>",
];

const CRUMBS = [
  '<',
  '>',
  '/>',
  '</',
  '<!',
  '<!--',
  '-->',
  '<?xml ?>',
  '<![CDATA[',
  ']]>',
  '<!DOCTYPE a [',
  '&',
  ';',
  '&#0;',
  '&#x1F600;',
  '&#xD800;',
  '&lol;',
  '&amp;',
  "'",
  '"',
  '=',
  ' ',
  '\n',
  '\r',
  '\t',
  ':',
  'xmlns',
  " xmlns:p='u'",
  " xmlns=''",
  'p:',
  'xml:',
  '\u0000',
  '\u0085',
  '\ud800',
  '\udfff',
  '\ufffe',
  '\ufeff',
  '\u202e',
  '\u{1f600}',
  '\u0301',
  '__proto__',
  'constructor',
  '<a>',
  '</a>',
  '<a/>',
  '\u00d7',
  '0',
  '-',
];

/** mulberry32 */
function generator(from: number): (below: number) => number {
  let state = from | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

type Random = (below: number) => number;

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random(from.length)] as T;
}

/** One damage: cut, insert, repeat, swap in a piece of another frame, change a character, or end the frame early. */
function damage(random: Random, text: string): string {
  const at = random(text.length + 1);
  const to = Math.min(text.length, at + random(20));
  const head = text.slice(0, at);
  const piece = text.slice(at, to);
  const tail = text.slice(to);
  switch (random(8)) {
    case 0:
      return head + tail;
    case 1:
      return head + pick(random, CRUMBS) + piece + tail;
    case 2:
      return head + piece.repeat(1 + random(40)) + tail;
    case 3: {
      const other = pick(random, CORPUS);
      const from = random(other.length);
      return head + other.slice(from, from + random(80)) + tail;
    }
    case 4:
      return head + String.fromCharCode(random(random(2) === 0 ? 128 : 0x10000)) + tail;
    case 5:
      return random(8) === 0 ? head : head + pick(random, CRUMBS).repeat(1 + random(80)) + piece + tail;
    case 6:
      return head + tail + piece;
    default:
      return head + pick(random, CRUMBS) + tail;
  }
}

function withinLimits(el: Element): boolean {
  let count = 0;
  const open: [el: Element, depth: number][] = [[el, 1]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [at, depth] = next;
    const names = Object.keys(at.attrs);
    count += 1;
    if (depth > FRAME_LIMITS.depthMax || names.length > FRAME_LIMITS.attrsMax) return false;
    if ([at.name, ...names].some((name) => name.length > FRAME_LIMITS.nameLengthMax)) return false;
    for (const child of at.children) if (typeof child !== 'string') open.push([child, depth + 1]);
  }
  return count <= FRAME_LIMITS.elementsMax;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heapBytes(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

/** How a frame ended: accepted, or the condition of its FrameError. Broken: any other throw, or a result it may not have. */
function judge(text: string): string {
  let inner: string;
  try {
    const frame = parseFrame(text);
    if (!withinLimits(frame.el)) return 'broken';
    inner = frame.inner;
  } catch (error) {
    return error instanceof FrameError ? error.condition : 'broken';
  }
  try {
    // What is accepted must stand alone under the outer tag that other clients will see.
    parseFrame(`<message xmlns='jabber:client'>${inner}</message>`);
    return 'accepted';
  } catch {
    return 'broken';
  }
}

/** Throws damaged frames at the parser; gives how many ended how. A frame that breaks a promise is returned. */
function barrage(random: Random, frames: number): { ends: Map<string, number>; broken: string | undefined } {
  const ends = new Map<string, number>();
  for (let i = 0; i < frames; i += 1) {
    let text = pick(random, CORPUS);
    for (let left = 1 + random(4); left > 0; left -= 1) text = damage(random, text);
    const end = judge(text);
    if (end === 'broken') return { ends, broken: text };
    ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  return { ends, broken: undefined };
}

t.test(
  `damaged frames end in a FrameError or within the limits, and leave no memory behind (SEED=${seed})`,
  async (t) => {
    for (const xml of CORPUS) t.doesNotThrow(() => parseFrame(xml), 'the corpus itself is sound');
    const random = generator(seed);
    t.equal(barrage(random, FRAMES / 6).broken, undefined);
    const before = heapBytes();
    const { ends, broken } = barrage(random, (FRAMES / 6) * 5);
    t.equal(broken, undefined);
    const growth = heapBytes() - before;
    t.ok(growth < HEAP_GROWTH_BYTES_MAX, `the heap grew by ${growth} bytes`);
    t.comment(JSON.stringify(Object.fromEntries(ends)));
    for (const end of ['accepted', 'not-well-formed', 'restricted-xml'])
      t.ok((ends.get(end) ?? 0) > 0, `some ended ${end}`);
  },
);

t.test('frames made to be costly are refused or parsed, in work linear in their length', async (t) => {
  const n = 60_000;
  const costly: [what: string, xml: string][] = [
    ['open tags', '<a>'.repeat(n)],
    ['unclosed attribute', `<a b='${'x'.repeat(n)}`],
    ['lone ampersands', `<a>${'&'.repeat(n)}</a>`],
    ['references', `<a>${'&amp;'.repeat(n / 4)}</a>`],
    ['CDATA', `<a>${'<![CDATA[x]]>'.repeat(n / 8)}</a>`],
    ['brackets', `<a>${']'.repeat(n)}</a>`],
    ['attributes', `<a ${'b="" '.repeat(n)}/>`],
    ['elements', `<a>${'<b/>'.repeat(n)}</a>`],
    ['white space', `${' '.repeat(n)}<a${' '.repeat(n)}/>${' '.repeat(n)}`],
    ['a long name', `<${'a'.repeat(n)}/>`],
    ['leading zeros', `<a>&#${'0'.repeat(n)}65;</a>`],
    [
      'prefixes',
      `<a ${Array.from({ length: 60 }, (_, i) => `xmlns:p${i}='u'`).join(' ')}>${'<p0:b/>'.repeat(9_000)}</a>`,
    ],
    ['declarations', `<a>${'<b xmlns:p="u"><p:c/></b>'.repeat(3_000)}</a>`],
  ];
  for (const [what, xml] of costly) {
    try {
      parseFrame(xml);
      t.pass(`${what}: parsed`);
    } catch (error) {
      t.ok(error instanceof FrameError, `${what}: refused`);
    }
  }
});
