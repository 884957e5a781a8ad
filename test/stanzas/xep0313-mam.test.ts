import type { Element } from 'ltx';
import t from 'tap';
import { type Client, conditionOf, nextId } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';

const node = await startTestNode(t, { archive: { pageDefault: 5, pageMax: 10 } });
const NS = 'urn:xmpp:mam:2';
const RSM = 'http://jabber.org/protocol/rsm';

interface Query {
  readonly fields?: Readonly<Record<string, string | readonly string[]>>;
  /** inner XML of the RSM set */
  readonly rsm?: string;
  readonly flip?: boolean;
}

interface Page {
  readonly ids: string[];
  readonly bodies: string[];
  readonly results: Element[];
  readonly complete: boolean;
  readonly first: string;
  readonly last: string;
  readonly count: string;
  readonly index: string;
  /** condition when the query was refused */
  readonly refused: string;
}

function queryXml({ fields = {}, rsm, flip }: Query, queryid: string): string {
  const form = Object.entries({ FORM_TYPE: NS, ...fields }).map(
    ([name, value]) =>
      `<field var='${name}'>${[value]
        .flat()
        .map((one) => `<value>${one}</value>`)
        .join('')}</field>`,
  );
  const set = rsm === undefined ? '' : `<set xmlns='${RSM}'>${rsm}</set>`;
  const x = Object.keys(fields).length === 0 ? '' : `<x xmlns='jabber:x:data' type='submit'>${form.join('')}</x>`;
  return `<query xmlns='${NS}' queryid='${queryid}'>${x}${set}${flip ? '<flip-page/>' : ''}</query>`;
}

/** One page, its results checked for what every result must be. */
async function page(client: Client, query: Query = {}): Promise<Page> {
  const queryid = nextId('q');
  const answer = await client.iq('set', queryXml(query, queryid));
  const results = client
    .pending((el) => el.getChild('result', NS)?.attrs['queryid'] === queryid)
    .map(({ el }) => el.getChild('result', NS) as Element);
  client.forget();
  const fin = answer.getChild('fin', NS);
  const set = fin?.getChild('set', RSM);
  const forwarded = results.map((result) => result.getChild('forwarded', 'urn:xmpp:forward:0'));
  for (const one of forwarded) if (!one?.getChild('delay', 'urn:xmpp:delay')) throw new Error('a result without delay');
  return {
    ids: results.map((result) => result.attrs['id'] ?? ''),
    bodies: forwarded.map((one) => one?.getChild('message')?.getChildText('body') ?? ''),
    results,
    complete: fin?.attrs['complete'] === 'true',
    first: set?.getChildText('first') ?? '',
    last: set?.getChildText('last') ?? '',
    count: set?.getChildText('count') ?? '',
    index: set?.getChild('first')?.attrs['index'] ?? '',
    refused: conditionOf(answer),
  };
}

const chat = (to: string, body: string): string =>
  `<message xmlns='jabber:client' to='${to}@localhost' type='chat'><body>${body}</body></message>`;

const romeo = await node.login('romeo', 'orchard');
const juliet = await node.login('juliet', 'balcony');
const nurse = await node.login('nurse', 'house');
await node.users('benvolio');
const stamps: number[] = [];
for (const client of [romeo, juliet, nurse]) await client.enable();
/** Juliet's archive: m1 … m12, of them every third to or from the nurse; one at a time, so the order is certain. */
const script = Array.from({ length: 12 }, (_, at) => at + 1);
for (const n of script) {
  const [sender, to] =
    n % 3 === 0
      ? n % 2 === 0
        ? [nurse, 'juliet']
        : [juliet, 'nurse']
      : n % 2 === 0
        ? [romeo, 'juliet']
        : [juliet, 'romeo'];
  sender.send(chat(to as string, `m${n}`));
  await (sender as Client).ack();
  await node.settle();
  stamps.push(Date.now());
  while (Date.now() <= (stamps.at(-1) ?? 0)) await new Promise((resolve) => setImmediate(resolve));
}
juliet.forget();
const all = script.map((n) => `m${n}`);

t.test('the archive is paged forwards, with count, index and the end said', async (t) => {
  const seen: string[] = [];
  let after = '';
  const pages: string[] = [];
  for (let i = 0; i < 3; i++) {
    const one = await page(juliet, { rsm: `<max>5</max>${after === '' ? '' : `<after>${after}</after>`}` });
    t.strictSame([one.first, one.last], [one.ids[0], one.ids.at(-1)]);
    t.equal(one.count, '12');
    t.equal(one.index, String(seen.length));
    seen.push(...one.bodies);
    pages.push(`${one.bodies.length} ${one.complete}`);
    after = one.last;
  }
  t.strictSame(seen, all);
  t.strictSame(pages, ['5 false', '5 false', '2 true']);
  const beyond = await page(juliet, { rsm: `<after>${after}</after>` });
  t.strictSame([beyond.bodies, beyond.complete], [[], true]);
});

t.test('and backwards from the end', async (t) => {
  const seen: string[] = [];
  let before = '';
  for (let i = 0; i < 3; i++) {
    const one = await page(juliet, { rsm: `<max>5</max><before>${before}</before>` });
    seen.unshift(...one.bodies);
    t.equal(one.complete, i === 2);
    before = one.first;
  }
  t.strictSame(seen, all);
});

t.test('a page has the default size, at most the largest, and may be empty to count only', async (t) => {
  t.equal((await page(juliet)).bodies.length, 5);
  t.equal((await page(juliet, { rsm: '<max>1000</max>' })).bodies.length, 10);
  const counted = await page(juliet, { rsm: '<max>0</max>' });
  t.strictSame([counted.bodies, counted.count], [[], '12']);
});

t.test('a flipped page is the same page, newest first', async (t) => {
  const plain = await page(juliet, { rsm: '<max>4</max><before/>' });
  const flipped = await page(juliet, { rsm: '<max>4</max><before/>', flip: true });
  t.strictSame(flipped.bodies, ['m12', 'm11', 'm10', 'm9']);
  t.strictSame([...flipped.bodies].reverse(), plain.bodies);
});

t.test('the archive is asked by partner, time and ids', async (t) => {
  const whole = { rsm: '<max>10</max>' };
  const ids = [...(await page(juliet, whole)).ids, ...(await page(juliet, { rsm: '<max>2</max><before/>' })).ids];
  const id = (n: number): string => ids[n - 1] ?? '';
  const stamp = (n: number): string => new Date(stamps[n - 1] ?? 0).toISOString();
  const cases: readonly [what: string, fields: Query['fields'], bodies: string[]][] = [
    ['with the nurse', { with: 'nurse@localhost' }, ['m3', 'm6', 'm9', 'm12']],
    ['with an address of the nurse in capitals', { with: 'NURSE@LocalHost' }, ['m3', 'm6', 'm9', 'm12']],
    ['with one device of the nurse', { with: 'nurse@localhost/house' }, ['m6', 'm12']],
    ['with nobody', { with: 'nobody@localhost' }, []],
    ['from m8 on', { start: stamp(7) }, ['m8', 'm9', 'm10', 'm11', 'm12']],
    ['up to m3', { end: stamp(3) }, ['m1', 'm2', 'm3']],
    ['m5 to m7', { start: stamp(4), end: stamp(7) }, ['m5', 'm6', 'm7']],
    ['m5 to m7 of the nurse', { start: stamp(4), end: stamp(7), with: 'nurse@localhost' }, ['m6']],
    ['after m9', { 'after-id': id(9) }, ['m10', 'm11', 'm12']],
    ['before m3', { 'before-id': id(3) }, ['m1', 'm2']],
    ['between m2 and m5', { 'after-id': id(2), 'before-id': id(5) }, ['m3', 'm4']],
    ['after m5, of the nurse', { 'after-id': id(5), with: 'nurse@localhost' }, ['m6', 'm9', 'm12']],
    ['by ids', { ids: [id(11), id(2)] }, ['m2', 'm11']],
    ['from the future', { start: '2999-01-01T00:00:00Z' }, []],
  ];
  for (const [what, fields, bodies] of cases) {
    const got = await page(juliet, { fields, rsm: '<max>10</max>' });
    t.strictSame([got.refused, got.bodies], ['', bodies], what);
  }
});

t.test('what is no valid query is refused for what it is', async (t) => {
  const cases: readonly [what: string, query: Query, condition: string][] = [
    ['an unknown field', { fields: { colour: 'red' } }, 'feature-not-implemented'],
    ['a partner who is none', { fields: { with: 'a@b@c' } }, 'jid-malformed'],
    ['a time that is none', { fields: { start: 'yesterday' } }, 'bad-request'],
    ['an id that is not there', { rsm: '<after>999999</after>' }, 'item-not-found'],
    ['an id that is none', { rsm: '<before>x</before>' }, 'item-not-found'],
    ['an id among ids', { fields: { ids: ['999999'] } }, 'item-not-found'],
    ['a max that is none', { rsm: '<max>many</max>' }, 'bad-request'],
  ];
  for (const [what, query, condition] of cases) t.equal((await page(juliet, query)).refused, condition, what);
  t.equal((await page(juliet)).refused, '', 'and the next one is answered');
});

t.test('the form and the ends of the archive can be asked for', async (t) => {
  const form = await juliet.iq('get', `<query xmlns='${NS}'/>`);
  const fields = form.getChild('query', NS)?.getChild('x')?.getChildren('field') ?? [];
  for (const name of ['with', 'start', 'end', 'before-id', 'after-id', 'ids'])
    t.ok(
      fields.some((field) => field.attrs['var'] === name),
      name,
    );
  const metadata = (await juliet.iq('get', `<metadata xmlns='${NS}'/>`)).getChild('metadata', NS);
  const first = await page(juliet, { rsm: '<max>1</max>' });
  const last = await page(juliet, { rsm: '<max>1</max><before/>' });
  t.strictSame(
    [metadata?.getChild('start')?.attrs['id'], metadata?.getChild('end')?.attrs['id']],
    [first.first, last.first],
  );
  const empty = await node.login('paris');
  const none = (await empty.iq('get', `<metadata xmlns='${NS}'/>`)).getChild('metadata', NS);
  t.strictSame(none?.getChildElements(), []);
});

t.test('both sides have the same messages in the same order, whatever happened in between', async (t) => {
  const fields = { with: 'juliet@localhost' };
  const mine = await page(romeo, { fields, rsm: '<max>10</max>' });
  t.strictSame(
    mine.bodies,
    all.filter((_, at) => (at + 1) % 3 !== 0),
  );
  t.strictSame(
    mine.results.map((result) => result.getChild('forwarded')?.getChild('message')?.attrs['from']),
    script.filter((n) => n % 3 !== 0).map((n) => (n % 2 === 0 ? romeo.jid : juliet.jid)),
  );
});

t.test('what is acknowledged is in the archive the moment after: two hundred times', async (t) => {
  const writer = await node.login('mercutio', 'street');
  await writer.enable();
  let missing = 0;
  for (let i = 0; i < 200; i++) {
    writer.send(chat('benvolio', `w${i}`));
    await writer.ack();
    const got = await page(writer, { rsm: '<max>1</max><before/>' });
    if (got.bodies[0] !== `w${i}`) missing += 1;
    writer.send(`<a xmlns='urn:xmpp:sm:3' h='${2 * (i + 1)}'/>`);
  }
  t.equal(missing, 0);
});

t.test('what was sent is in the answer to a query that follows it, acknowledged or not', async (t) => {
  const writer = await node.login('mercutio', 'breathless');
  let missing = 0;
  for (let i = 0; i < 100; i++) {
    writer.send(
      chat('benvolio', `b${i}a`),
      chat('nobody', 'bounced'),
      chat(i % 2 === 0 ? 'juliet' : 'mercutio', `b${i}b`),
    );
    const got = await page(writer, { rsm: '<max>2</max><before/>' });
    if (got.bodies.join() !== `b${i}a,b${i}b`) missing += 1;
  }
  t.equal(missing, 0);
});

t.test('and in the archive of who received it, when it arrives', async (t) => {
  const reader = await node.online('benvolio', 'square');
  const writer = await node.login('mercutio', 'square');
  for (let i = 0; i < 50; i++) {
    writer.send(chat('benvolio', `r${i}`));
    await reader.expect(`<body>r${i}</body>`);
    t.strictSame((await page(reader, { rsm: '<max>1</max><before/>' })).bodies, [`r${i}`]);
  }
});

t.test('preferences keep messages out of the archive and never from the devices', async (t) => {
  const prefs = (fallback: string, always = '', never = ''): string =>
    `<prefs xmlns='${NS}' default='${fallback}'><always>${always}</always><never>${never}</never></prefs>`;
  const friar = await node.online('friar', 'cell');
  const john = await node.login('john', 'road');
  const peter = await node.login('peter', 'road');
  t.equal((await friar.iq('get', `<prefs xmlns='${NS}'/>`)).getChild('prefs')?.attrs['default'], 'always');
  t.equal(conditionOf(await friar.iq('set', prefs('sometimes'))), 'bad-request');
  const set = await friar.iq('set', prefs('never', '<jid>john@localhost</jid>'));
  t.match(set.getChild('prefs')?.attrs, { default: 'never' });
  john.send(chat('friar', 'kept'));
  await friar.expect('kept');
  peter.send(chat('friar', 'not kept'));
  const got = await friar.expect('not kept');
  t.equal(got.getChild('stanza-id', 'urn:xmpp:sid:0'), undefined, 'no archive, no archive id');
  t.strictSame((await page(friar)).bodies, ['kept']);
  t.strictSame((await page(peter)).bodies, ['not kept'], 'each side has its own');
  await friar.iq('set', prefs('roster'));
  await friar.iq('set', `<query xmlns='jabber:iq:roster'><item jid='peter@localhost'/></query>`);
  peter.send(chat('friar', 'now kept'));
  await friar.expect('now kept');
  t.strictSame((await page(friar)).bodies, ['kept', 'now kept']);
});

t.test('the archive survives a restart, ids and all', async (t) => {
  const before = await page(juliet, { rsm: '<max>10</max>' });
  await node.restart();
  const again = await node.login('juliet', 'again');
  const after = await page(again, { rsm: '<max>10</max>' });
  t.strictSame([after.ids, after.bodies, after.count], [before.ids, before.bodies, before.count]);
});
