import type { Element } from 'ltx';
import t from 'tap';
import { type Client, conditionOf, nextId } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';
import { administer, archiveOf, create, enter, roomJid, say } from '../harness/rooms.ts';

const node = await startTestNode(t, { archive: { pageDefault: 5, pageMax: 10 } });
const MAM = 'urn:xmpp:mam:2';
const NS = 'urn:xmpp:fulltext:0';
const FIELD = `{${NS}}fulltext`;
const RSM = 'http://jabber.org/protocol/rsm';

interface Found {
  readonly bodies: string[];
  readonly messages: Element[];
  readonly ids: string[];
  readonly complete: boolean;
  readonly first: string;
  readonly last: string;
  readonly refused: string;
}

/** One page, the newest unless told otherwise, in the order of the archive. */
async function search(
  client: Client,
  text: string,
  fields: Readonly<Record<string, string>> = {},
  rsm = '<before/>',
): Promise<Found> {
  const queryid = nextId('q');
  const form = Object.entries({ FORM_TYPE: MAM, [FIELD]: text, ...fields }).map(
    ([name, value]) => `<field var='${name}'><value>${value}</value></field>`,
  );
  const x = `<x xmlns='jabber:x:data' type='submit'>${form.join('')}</x>`;
  const set = `<set xmlns='${RSM}'>${rsm}</set>`;
  const answer = await client.iq('set', `<query xmlns='${MAM}' queryid='${queryid}'>${x}${set}</query>`);
  const results = client
    .pending((el) => el.getChild('result', MAM)?.attrs['queryid'] === queryid)
    .map(({ el }) => el.getChild('result', MAM) as Element);
  client.forget();
  const messages = results.map(
    (result) => result.getChild('forwarded', 'urn:xmpp:forward:0')?.getChild('message') as Element,
  );
  const fin = answer.getChild('fin', MAM);
  const page = fin?.getChild('set', RSM);
  return {
    bodies: messages.map((message) => message.getChildText('body') ?? ''),
    messages,
    ids: results.map((result) => result.attrs['id'] ?? ''),
    complete: fin?.attrs['complete'] === 'true',
    first: page?.getChildText('first') ?? '',
    last: page?.getChildText('last') ?? '',
    refused: conditionOf(answer),
  };
}

async function write(client: Client, to: string, body: string, more = ''): Promise<void> {
  client.send(`<message xmlns='jabber:client' to='${to}' type='chat'><body>${body}</body>${more}</message>`);
  await client.ack();
  await node.settle();
}

const romeo = await node.online('romeo', 'orchard');
const juliet = await node.online('juliet', 'balcony');
const nurse = await node.online('nurse', 'house');
const everybody = [romeo, juliet, nurse];
for (const client of everybody) await client.enable();

t.afterEach(() => {
  for (const client of everybody) client.forget();
});

t.test('the field is in the form, the feature on accounts and rooms', async (t) => {
  const form = await romeo.iq('get', `<query xmlns='${MAM}'/>`);
  const fields = form.getChild('query', MAM)?.getChild('x', 'jabber:x:data')?.getChildren('field') ?? [];
  t.equal(fields.find(({ attrs }) => attrs['var'] === FIELD)?.attrs['type'], 'text-single');
  const room = roomJid('features');
  await create(romeo, room, 'r');
  for (const to of [romeo.bare, room]) {
    const info = await romeo.iq('get', `<query xmlns='http://jabber.org/protocol/disco#info'/>`, to);
    const features = info.getChild('query')?.getChildren('feature') ?? [];
    t.ok(
      features.some(({ attrs }) => attrs['var'] === NS),
      to,
    );
  }
});

t.test('words in any script, without case and accents, and phrases', async (t) => {
  for (const body of [
    'Good night, good night! Parting is such sweet sorrow',
    'Crème brûlée at the Café Straße',
    'Увидимся завтра у фонтана',
    '我们明天一起去北京大学吃午饭',
    'สวัสดีครับ วันนี้อากาศดีมาก',
    'مَرْحَبًا يا صديقي',
  ])
    await write(juliet, romeo.bare, body);
  const table: [text: string, found: RegExp | undefined][] = [
    ['SORROW', /^Good night/],
    ['sweet parting', /^Good night/],
    ['"such sweet"', /^Good night/],
    ['"sweet such"', undefined],
    ['creme brulee', /^Crème/],
    ['CAFÉ STRASSE', /^Crème/],
    ['ЗАВТРА', /^Увидимся/],
    ['北京大学', /^我们/],
    ['อากาศ', /^สวัสดี/],
    ['مرحبا', /^مَرْحَبًا/],
    ['sorrows', undefined],
  ];
  for (const [text, found] of table) {
    for (const client of [juliet, romeo]) {
      const { bodies, complete } = await search(client, text);
      if (found === undefined) t.strictSame([bodies, complete], [[], true], text);
      else t.match(bodies, [found], text);
    }
  }
  t.strictSame((await search(nurse, 'sorrow')).bodies, [], 'it is not the nurse who was told');
});

t.test('pages go both ways, narrowed as any archive query', async (t) => {
  const all: string[] = [];
  for (let i = 1; i <= 12; i += 1) {
    await write(juliet, romeo.bare, `ladder ${i}`);
    if (i % 4 === 0) await write(nurse, romeo.bare, `ladder of the nurse ${i}`);
    all.push(`ladder ${i}`, ...(i % 4 === 0 ? [`ladder of the nurse ${i}`] : []));
  }
  romeo.forget();
  const seen: string[] = [];
  const ids: string[] = [];
  for (let before = '<before/>'; ; ) {
    const page = await search(romeo, 'ladder', {}, before);
    t.strictSame([page.first, page.last], [page.ids[0], page.ids.at(-1)]);
    seen.unshift(...page.bodies);
    ids.unshift(...page.ids);
    if (page.complete) break;
    before = `<before>${page.first}</before>`;
  }
  t.strictSame(seen, all, 'newest first');
  const forth: string[] = [];
  for (let after = ''; ; ) {
    const page = await search(romeo, 'ladder', {}, `<max>4</max>${after}`);
    forth.push(...page.bodies);
    if (page.complete) break;
    after = `<after>${page.last}</after>`;
  }
  t.strictSame(forth, all, 'oldest first');
  t.strictSame(
    (await search(romeo, 'ladder', { with: nurse.bare })).bodies,
    all.filter((body) => /nurse/.test(body)),
  );
  t.strictSame((await search(romeo, 'ladder', { with: `${nurse.bare}/house` })).bodies.length, 3);
  t.strictSame((await search(romeo, 'ladder', { with: `${nurse.bare}/elsewhere` })).bodies, []);
  const between = { 'after-id': ids[2] as string, 'before-id': ids[5] as string };
  t.strictSame((await search(romeo, 'ladder', between)).bodies, all.slice(3, 5));
  t.strictSame((await search(romeo, 'ladder', { start: '2099-01-01T00:00:00Z' })).bodies, []);
  t.strictSame((await search(romeo, 'ladder', { end: '2099-01-01T00:00:00Z' })).bodies, all.slice(-5));
  t.strictSame((await search(romeo, 'ladder', {}, '<max>0</max>')).bodies, []);
});

t.test('what cannot be searched', async (t) => {
  t.equal((await search(romeo, '?!')).refused, 'bad-request');
  t.equal((await search(romeo, 'word '.repeat(50))).refused, 'bad-request');
  t.equal((await search(romeo, 'ladder', { ids: '1' })).refused, 'bad-request');
  t.equal((await search(romeo, 'ladder', {}, '<index>1</index>')).refused, 'feature-not-implemented');
  t.equal((await search(romeo, 'ladder', {}, '<before>999999</before>')).refused, 'item-not-found');
});

t.test('what is encrypted, or hidden from the archive, is not found', async (t) => {
  const omemo = `<encrypted xmlns='eu.siacs.conversations.axolotl'/><store xmlns='urn:xmpp:hints'/>`;
  await write(juliet, romeo.bare, 'potion that you cannot read', omemo);
  await write(juliet, romeo.bare, 'potion not to keep', `<no-permanent-store xmlns='urn:xmpp:hints'/>`);
  t.strictSame((await search(romeo, 'potion')).bodies, []);
  await write(juliet, romeo.bare, 'potion to keep');
  t.strictSame((await search(romeo, 'potion')).bodies, ['potion to keep']);
});

t.test('what is taken back is not found any more', async (t) => {
  const body = `<body>poison</body>`;
  juliet.send(`<message xmlns='jabber:client' to='${romeo.bare}' type='chat' id='p1'>${body}</message>`);
  await juliet.ack();
  await node.settle();
  t.strictSame((await search(romeo, 'poison')).bodies, ['poison']);
  const retract = `<retract xmlns='urn:xmpp:message-retract:1' id='p1'/>`;
  juliet.send(`<message xmlns='jabber:client' to='${romeo.bare}' type='chat' id='p2'>${retract}</message>`);
  await juliet.ack();
  await node.settle();
  for (const client of [romeo, juliet]) t.strictSame((await search(client, 'poison')).bodies, []);
});

t.test('a client finds what it has just said', async (t) => {
  romeo.send(`<message xmlns='jabber:client' to='${juliet.bare}' type='chat'><body>apothecary</body></message>`);
  t.strictSame((await search(romeo, 'apothecary')).bodies, ['apothecary']);
});

t.test('a room: its members find what they may read there, and in their own archive what they got', async (t) => {
  const room = roomJid('verona');
  await create(romeo, room, 'r', { membersonly: '1', allowinvites: '0' });
  const item = (jid: string, affiliation: string) => `<item jid='${jid}' affiliation='${affiliation}'/>`;
  await say(romeo, room, 'a feud before she came');
  await administer(romeo, room, item(juliet.bare, 'member'));
  await enter(juliet, room, 'j');
  await say(romeo, room, 'the feud while she was there');
  await node.settle();
  const inRoom = async (client: Client, text: string, set = '') => {
    const { answer, bodies } = await archiveOf(client, room, { [FIELD]: text }, set);
    return answer.attrs['type'] === 'result' ? bodies : conditionOf(answer);
  };
  t.strictSame(await inRoom(romeo, 'FEUD'), ['a feud before she came', 'the feud while she was there']);
  t.strictSame(await inRoom(romeo, 'feud', `<set xmlns='${RSM}'><before/><max>1</max></set>`), [
    'the feud while she was there',
  ]);
  t.strictSame(await inRoom(romeo, '"while she" there'), ['the feud while she was there']);
  t.strictSame(await inRoom(juliet, 'feud'), ['the feud while she was there']);
  t.equal(await inRoom(nurse, 'feud'), 'forbidden');
  t.equal(await inRoom(romeo, '?'), 'bad-request');

  const own = await search(juliet, 'feud');
  t.strictSame(own.bodies, ['the feud while she was there']);
  t.equal(own.messages[0]?.attrs['from'], `${room}/r`);
  t.equal(own.messages[0]?.getChild('stanza-id', 'urn:xmpp:sid:0')?.attrs['by'], room);
  t.strictSame((await search(juliet, 'feud', { with: room })).bodies, own.bodies);
  t.strictSame((await search(juliet, 'feud', { with: `${room}/r` })).bodies, own.bodies);
  t.strictSame((await search(juliet, 'feud', { with: `${room}/x` })).bodies, []);
  t.strictSame((await search(juliet, 'feud', { with: romeo.bare })).bodies, []);
  t.strictSame(
    (await search(juliet, 'feud', {}, `<before>${own.first}</before>`)).bodies,
    [],
    'its id is one to page by',
  );

  await administer(romeo, room, item(juliet.bare, 'none'));
  await say(romeo, room, 'the feud after she went');
  await node.settle();
  juliet.forget();
  t.equal(await inRoom(juliet, 'feud'), 'forbidden');
  t.strictSame((await search(juliet, 'feud')).bodies, ['the feud while she was there'], 'what she got stays hers');
  t.strictSame((await search(nurse, 'feud')).bodies, []);
});
