import t from 'tap';
import { type Client, nextId } from './harness/client.ts';
import { PASSWORD, startTestNode, type TestNode, until } from './harness/node.ts';
import { base64 } from './harness/sasl.ts';

/**
 * Damaged and misplaced frames at live streams in every state: each stream answers or ends, the node goes on, and
 * nothing stays behind. `SEED=n` runs another sequence, `FRAMES=n` a longer one; a failure names its seed.
 */
const seed = Number(process.env['SEED'] ?? 20_261);
const FRAMES = Number(process.env['FRAMES'] ?? 3000);
/** most frames thrown at one stream before it is asked whether it lives */
const VOLLEY_MAX = 12;

t.setTimeout(60_000 + FRAMES * 20);

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

type Random = ReturnType<typeof generator>;

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random(from.length)] as T;
}

const NS = `xmlns='jabber:client'`;
const MAM = 'urn:xmpp:mam:2';
const field = (name: string, value: string): string => `<field var='${name}'><value>${value}</value></field>`;
const iq = (type: string, payload: string, attrs = ''): string =>
  `<iq ${NS} type='${type}' id='q' ${attrs}>${payload}</iq>`;

/** Lawful frames of the time before a stream is bound. */
const BEGINNING: readonly string[] = [
  `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>`,
  `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${base64(`\0fuzz\0${PASSWORD}`)}</auth>`,
  `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>${base64('n,,n=fuzz,r=abcdef')}</auth>`,
  `<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>${base64('c=biws,r=abcdef,p=AAAA')}</response>`,
  `<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`,
  iq('get', `<query xmlns='jabber:iq:register'/>`),
  iq('set', `<query xmlns='jabber:iq:register'><username>fuzzy</username><password>${PASSWORD}</password></query>`),
  iq('set', `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind>`),
  iq('set', `<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>`),
];

/** … and of a bound one. */
const BOUND: readonly string[] = [
  `<enable xmlns='urn:xmpp:sm:3' resume='true' max='60'/>`,
  `<resume xmlns='urn:xmpp:sm:3' h='1' previd='x'/>`,
  `<r xmlns='urn:xmpp:sm:3'/>`,
  `<a xmlns='urn:xmpp:sm:3' h='0'/>`,
  `<inactive xmlns='urn:xmpp:csi:0'/>`,
  `<active xmlns='urn:xmpp:csi:0'/>`,
  `<presence ${NS}><show>away</show><status>x</status><priority>5</priority></presence>`,
  `<presence ${NS} type='unavailable'/>`,
  ...['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed', 'probe', 'unavailable'].map(
    (type) => `<presence ${NS} type='${type}' to='other@localhost'/>`,
  ),
  `<presence ${NS} to='other@localhost/there'/>`,
  ...['chat', 'normal', 'headline', 'error', 'groupchat'].map(
    (type) => `<message ${NS} type='${type}' to='other@localhost' id='m'><body>Art thou not Romeo?</body></message>`,
  ),
  `<message ${NS} type='chat' to='fuzz@localhost'><body>self</body><origin-id xmlns='urn:xmpp:sid:0' id='o1'/></message>`,
  `<message ${NS} type='chat' to='other@localhost/there'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>`,
  `<message ${NS} to='other@localhost'><stanza-id xmlns='urn:xmpp:sid:0' by='localhost' id='1'/><body><![CDATA[<x>]]></body></message>`,
  `<message ${NS} xmlns:p='u' to='nobody@localhost'><p:x p:y='1'/><no-store xmlns='urn:xmpp:hints'/></message>`,
  iq('get', `<query xmlns='jabber:iq:roster' ver='1-1'/>`),
  iq('set', `<query xmlns='jabber:iq:roster'><item jid='other@localhost' name='o'><group>g</group></item></query>`),
  iq('set', `<query xmlns='jabber:iq:roster'><item jid='other@localhost' subscription='remove'/></query>`),
  iq('get', `<query xmlns='http://jabber.org/protocol/disco#info'/>`, `to='localhost'`),
  iq('get', `<query xmlns='http://jabber.org/protocol/disco#items' node='n'/>`, `to='fuzz@localhost'`),
  iq('get', `<ping xmlns='urn:xmpp:ping'/>`, `to='other@localhost'`),
  iq('get', `<query xmlns='jabber:iq:last'/>`, `to='other@localhost/there'`),
  iq('get', `<query xmlns='jabber:iq:version'/>`, `to='localhost'`),
  iq('get', `<time xmlns='urn:xmpp:time'/>`),
  iq('result', `<query xmlns='jabber:iq:version'/>`, `to='other@localhost/there'`),
  iq('set', `<enable xmlns='urn:xmpp:carbons:2'/>`),
  iq('set', `<disable xmlns='urn:xmpp:carbons:2'/>`),
  iq('get', `<query xmlns='${MAM}'/>`),
  iq('get', `<metadata xmlns='${MAM}'/>`),
  iq(
    'set',
    `<query xmlns='${MAM}' queryid='q'><x xmlns='jabber:x:data' type='submit'>${field('FORM_TYPE', MAM)}` +
      `${field('with', 'other@localhost')}${field('start', '2020-01-01T00:00:00Z')}${field('after-id', '1')}</x>` +
      `<set xmlns='http://jabber.org/protocol/rsm'><max>3</max><before>2</before></set><flip-page/></query>`,
  ),
  iq('set', `<prefs xmlns='${MAM}' default='roster'><always><jid>other@localhost</jid></always><never/></prefs>`),
  iq('set', `<query xmlns='urn:example:unknown'><a b='c'>d</a></query>`, `to='other@localhost/there'`),
];

const CORPUS: readonly string[] = [...BEGINNING, ...BOUND];

/** Values that have surprised parsers of numbers, addresses and names. */
const VALUES: readonly string[] = [
  '',
  ' ',
  '0',
  '-1',
  '1e9',
  '4294967295',
  '4294967296',
  '99999999999999999999',
  'NaN',
  '__proto__',
  'constructor',
  'toString',
  '@',
  '/',
  'a@b@c/d',
  'localhost',
  '@localhost',
  'fuzz@localhost',
  'fuzz@localhost/',
  'fuzz@localhost/r',
  'other@localhost/there',
  'nobody@localhost',
  'x'.repeat(1100),
  '\u00ad',
  '\u202e',
  '\u{1f339}',
  '&amp;&lt;&#x1F600;',
  'get',
  'set',
  'result',
  'error',
  'jabber:client',
  'urn:xmpp:sm:3',
];

const CRUMBS: readonly string[] = [
  '<',
  '>',
  '/>',
  '&',
  ';',
  "'",
  '"',
  ' ',
  'xmlns',
  ':',
  '<a/>',
  '\u0000',
  '\ud800',
  '<!',
  '<?',
  ']]>',
];

/** Well-formed mostly: other values, elements left out, doubled, put into another. Finds what lies behind the parser. */
function bend(random: Random, text: string): string {
  const tags = text.match(/<[^>]*>/g) ?? [];
  switch (random(6)) {
    case 0:
    case 1: {
      // The root's namespace is the first value, and without it there is nothing behind the parser to be found.
      const values = [...text.matchAll(/'[^']*'/g)].slice(random(50) === 0 ? 0 : 1);
      const value = values[random(Math.max(1, values.length))];
      if (value === undefined) return text;
      return `${text.slice(0, value.index)}'${pick(random, VALUES)}'${text.slice(value.index + value[0].length)}`;
    }
    case 2:
      return text.replace(/>[^<]+</, `>${pick(random, VALUES)}<`);
    case 3: {
      const empty = tags.filter((tag) => tag.endsWith('/>'));
      return empty.length === 0 ? text : text.replace(pick(random, empty), random(2) === 0 ? '' : pick(random, CORPUS));
    }
    case 4:
      return text.replace(/^(<[^>]*[^/])>/, (open) => open + pick(random, CORPUS));
    default:
      return text.replace(pick(random, [/ type='[^']*'/, / id='[^']*'/, / to='[^']*'/, / var='[^']*'/]), '');
  }
}

/** Not well-formed mostly. */
function tear(random: Random, text: string): string {
  const at = random(text.length + 1);
  const to = Math.min(text.length, at + random(20));
  switch (random(4)) {
    case 0:
      return text.slice(0, at) + text.slice(to);
    case 1:
      return text.slice(0, at) + pick(random, CRUMBS) + text.slice(at);
    case 2:
      return text.slice(0, at) + text.slice(at, to).repeat(1 + random(30)) + text.slice(to);
    default:
      return text.slice(0, at);
  }
}

const STATES: readonly ((node: TestNode) => Promise<Client>)[] = [
  (node) => node.connect(),
  async (node) => {
    const client = await node.connect();
    await client.open();
    return client;
  },
  (node) => node.authenticated('fuzz'),
  (node) => node.login('fuzz', 'r'),
  (node) => node.online('fuzz'),
  async (node) => {
    const client = await node.login('fuzz');
    await client.enable();
    await client.available();
    return client;
  },
];

/**
 * A frame, or one as bytes: text that is no UTF-8, or binary. A bound stream gets mostly what does not end it at once,
 * so that what follows meets a stream with a history.
 */
function throwOne(random: Random, client: Client, bound: boolean): void {
  let text = pick(random, bound && random(40) > 0 ? BOUND : CORPUS);
  const roll = random(bound ? 1000 : 100);
  if (roll < 10) for (let left = random(2); left >= 0; left--) text = tear(random, text);
  else if (roll > 13) for (let left = random(3); left >= 0; left--) text = bend(random, text);
  const bytes = Buffer.from(text);
  if (roll === 11) client.ws.send(bytes, { binary: true });
  else if (roll === 12 && bytes.length > 0) {
    bytes[random(bytes.length)] = 0xff;
    client.ws.send(bytes, { binary: false });
  } else client.send(text);
}

/** It answers, or it is closed: a stream that does neither hangs. */
async function answersOrEnds(client: Client): Promise<void> {
  const id = nextId('alive');
  client.send(`<iq ${NS} type='get' id='${id}' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>`);
  await until(
    'the stream answers or ends',
    () => client.isClosed || client.pending((el) => el.name === 'iq' && el.attrs['id'] === id).length > 0,
  );
}

t.test(`damaged frames in every state are answered or end the stream (SEED=${seed})`, async (t) => {
  const node = await startTestNode(t, { limits: { resumeSeconds: 0, sendsPerSecond: 100, sendsBurst: 100 } });
  const rejections: unknown[] = [];
  const note = (reason: unknown): void => void rejections.push(reason);
  process.on('unhandledRejection', note);
  t.teardown(() => void process.off('unhandledRejection', note));
  const other = await node.online('other', 'there');
  const random = generator(seed);

  let thrown = 0;
  let ended = 0;
  let streams = 0;
  while (thrown < FRAMES) {
    const client = await pick(random, STATES)(node);
    streams += 1;
    for (let volleys = 1 + random(4); volleys > 0 && !client.isClosed; volleys--) {
      const bound = client.jid !== '';
      for (let left = 1 + random(VOLLEY_MAX); left > 0; left--, thrown++) throwOne(random, client, bound);
      await answersOrEnds(client);
    }
    if (client.isClosed) ended += 1;
    else await (random(2) === 0 ? client.cut() : client.close());
    other.forget();
    if (node.node.runtime.stats().actors.crashes > 0) break;
  }
  t.comment(`${thrown} frames at ${streams} streams, ${ended} of them ended`);
  t.equal(node.node.runtime.stats().actors.crashes, 0, 'no actor crashed');
  t.ok(ended > 0 && ended < streams, 'some streams ended, some went on');
  await other.sync();
  await other.close();
  await until('no socket is left', () => node.counts().connections === 0);
  await until('no stream is left', () => node.counts().streams === 0);
  t.strictSame(rejections, []);

  const [romeo, juliet] = [await node.online('romeo', 'r'), await node.online('juliet', 'j')];
  romeo.send(`<message ${NS} to='juliet@localhost' type='chat'><body>still here</body></message>`);
  t.ok(await juliet.expect('still here'), 'and the node serves on');
});
