import t from 'tap';
import { parse } from './extensions.fixture.ts';
import {
  AckQueue,
  ackXml,
  enabledXml,
  failedXml,
  InboundWindow,
  parseSm,
  resumedXml,
  tooHighXml,
} from './xep0198-stream-management.ts';

const LAST = 2 ** 32 - 1;
const queue = (stanzasMax = 100, bytesMax = 10_000) => new AckQueue({ stanzasMax, bytesMax });

t.test('nonzas are read as the XEP writes them', async (t) => {
  const table: [string, unknown][] = [
    ['<enable xmlns="urn:xmpp:sm:3"/>', { t: 'enable', resume: false, maxSeconds: undefined }],
    ['<enable xmlns="urn:xmpp:sm:3" resume="true" max="60"/>', { t: 'enable', resume: true, maxSeconds: 60 }],
    ['<enable xmlns="urn:xmpp:sm:3" resume="1"/>', { t: 'enable', resume: true, maxSeconds: undefined }],
    ['<enable xmlns="urn:xmpp:sm:3" resume="yes"/>', { t: 'enable', resume: false, maxSeconds: undefined }],
    [
      '<resume xmlns="urn:xmpp:sm:3" h="0" previd="some-long-sm-id"/>',
      { t: 'resume', h: 0, previd: 'some-long-sm-id' },
    ],
    ['<r xmlns="urn:xmpp:sm:3"/>', { t: 'r' }],
    [`<a xmlns="urn:xmpp:sm:3" h="${LAST}"/>`, { t: 'a', h: LAST }],
  ];
  for (const [xml, expected] of table) t.strictSame(parseSm(parse(xml)), expected, xml);
  t.equal(parseSm(parse('<a xmlns="urn:xmpp:sm:2" h="1"/>')), undefined, 'another namespace is not ours');
  const invalid = [
    '<a xmlns="urn:xmpp:sm:3"/>',
    '<a xmlns="urn:xmpp:sm:3" h="-1"/>',
    '<a xmlns="urn:xmpp:sm:3" h="4294967296"/>',
    '<a xmlns="urn:xmpp:sm:3" h="1e3"/>',
    '<resume xmlns="urn:xmpp:sm:3" previd="x"/>',
    '<resume xmlns="urn:xmpp:sm:3" h="1"/>',
    '<resume xmlns="urn:xmpp:sm:3" h="1" previd=""/>',
    `<resume xmlns="urn:xmpp:sm:3" h="1" previd="${'x'.repeat(4001)}"/>`,
    '<enabled xmlns="urn:xmpp:sm:3"/>',
  ];
  for (const xml of invalid) t.match(parseSm(parse(xml)), { t: 'invalid' }, xml.slice(0, 80));
});

t.test('nonzas are written as the XEP reads them', async (t) => {
  const ns = `xmlns='urn:xmpp:sm:3'`;
  const stanzas = `xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'`;
  t.equal(enabledXml(), `<enabled ${ns}/>`);
  t.equal(
    enabledXml({ resume: { id: 'a"b', maxSeconds: 300 }, location: '[2001:db8::1]:9222' }),
    `<enabled ${ns} id='a&quot;b' resume='true' max='300' location='[2001:db8::1]:9222'/>`,
  );
  t.equal(resumedXml('some-long-sm-id', 7), `<resumed ${ns} h='7' previd='some-long-sm-id'/>`);
  t.equal(failedXml('unexpected-request'), `<failed ${ns}><unexpected-request ${stanzas}/></failed>`);
  t.equal(failedXml('item-not-found', 5), `<failed ${ns} h='5'><item-not-found ${stanzas}/></failed>`);
  t.equal(ackXml(1), `<a ${ns} h='1'/>`);
  t.equal(tooHighXml(10, 8), `<handled-count-too-high ${ns} h='10' send-count='8'/>`);
});

const xmlOf = (out: AckQueue): string[] => [...out.entries()].map(([xml]) => xml);

t.test('an ack takes off what the client handled and tells its highest tag', async (t) => {
  const out = queue();
  for (const [xml, tag] of [
    ['a', 0],
    ['b', 41],
    ['c', 40],
    ['d', 0],
  ] as const)
    t.equal(out.push(xml, tag), 'ok');
  t.equal(out.sent, 4);
  t.strictSame(out.ack(3), { count: 3, lastTag: 41 });
  t.strictSame(xmlOf(out), ['d']);
  t.strictSame(out.ack(3), { count: 0, lastTag: 0 }, 'the same again');
  t.strictSame(out.ack(1), { count: 0, lastTag: 0 }, 'an older one');
  t.strictSame(xmlOf(out), ['d'], 'changes nothing');
  t.strictSame(out.ack(4), { count: 1, lastTag: 0 });
  t.equal(out.size, 0);
  t.equal(out.bytes, 0);
});

t.test('more handled than sent is an error and changes nothing', async (t) => {
  const out = queue();
  for (let i = 0; i < 8; i++) out.push('x');
  t.match(out.ack(10), { h: 10, sendCount: 8, error: '10 handled of 8 sent' });
  t.equal(out.size, 8);
  t.match(queue().ack(1), { h: 1, sendCount: 0 });
});

t.test('counts go on from 2^32 - 1 to 0', async (t) => {
  const out = new AckQueue({ stanzasMax: 10, bytesMax: 100 }, LAST - 1);
  for (const xml of ['a', 'b', 'c', 'd']) out.push(xml, 1);
  t.equal(out.sent, 2);
  t.match(out.ack(LAST), { count: 1 });
  t.match(out.ack(1), { count: 2 });
  t.match(out.ack(LAST), { count: 0, lastTag: 0 }, 'behind, over the wrap');
  t.match(out.ack(3), { h: 3, sendCount: 2 }, 'ahead');
  t.strictSame(xmlOf(out), ['d']);
  t.match(out.ack(2), { count: 1 });

  const inbound = new InboundWindow(10, LAST);
  t.equal(inbound.h, LAST);
  inbound.done(inbound.begin());
  t.equal(inbound.h, 0);
});

t.test('a full queue says so and counts nothing', async (t) => {
  const few = queue(2);
  t.strictSame([few.push('a'), few.push('b'), few.push('c')], ['ok', 'ok', 'full']);
  t.equal(few.sent, 2);
  few.ack(1);
  t.equal(few.push('c'), 'ok');
  const small = queue(100, 10);
  t.strictSame([small.push('123456'), small.push('12345'), small.push('1234')], ['ok', 'full', 'ok']);
  t.equal(small.bytes, 10);
});

t.test('h is the length of the completed prefix, whatever the order of completion', async (t) => {
  const orders = [
    [1, 2, 3, 4, 5],
    [5, 4, 3, 2, 1],
    [2, 1, 4, 3, 5],
    [3, 5, 1, 2, 4],
  ];
  for (const order of orders) {
    const inbound = new InboundWindow();
    for (const n of [1, 2, 3, 4, 5]) t.equal(inbound.begin(), n);
    const done = new Set<number>();
    for (const n of order) {
      inbound.done(n);
      done.add(n);
      let prefix = 0;
      while (done.has(prefix + 1)) prefix++;
      t.equal(inbound.h, prefix, `${order}: after ${n}`);
      t.equal(inbound.open, 5 - prefix);
    }
    t.equal(inbound.begun, 5);
  }
});

t.test('a window has an end, and numbers that are not open are refused', async (t) => {
  const inbound = new InboundWindow(2);
  inbound.begin();
  inbound.begin();
  t.ok(inbound.full);
  t.throws(() => inbound.begin(), /full window/);
  inbound.done(2);
  t.ok(inbound.full, 'what is complete behind a gap still counts');
  t.throws(() => inbound.done(2), /not open/);
  inbound.done(1);
  t.equal(inbound.h, 2);
  t.notOk(inbound.full);
  t.throws(() => inbound.done(1), /not open/);
  t.throws(() => inbound.done(3), /not open/);
});
