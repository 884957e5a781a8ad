import t from 'tap';
import { type Client, conditionOf, nextId } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';

const node = await startTestNode(t);

const message = (to: string, type: string, body: string, id = ''): string =>
  `<message xmlns='jabber:client' to='${to}'${type === '' ? '' : ` type='${type}'`}${id === '' ? '' : ` id='${id}'`}>` +
  `<body>${body}</body></message>`;
const priority = (value: number): string => `<priority>${value}</priority>`;

/** Which of the clients get it, by resource. */
async function receivers(sender: Client, clients: readonly Client[], xml: string, body: string): Promise<string[]> {
  sender.send(xml);
  await node.settle(sender, ...clients);
  const got = clients.filter((client) => client.pending(`<body>${body}</body>`).length > 0);
  for (const client of clients) client.forget();
  return got.map((client) => client.resource);
}

t.test('by section 8.5.4: who gets a message, by its type and address', async (t) => {
  const romeo = await node.online('romeo', 'orchard');
  const high = await node.login('juliet', 'high');
  const equal = await node.login('juliet', 'equal');
  const low = await node.login('juliet', 'low');
  const negative = await node.login('juliet', 'negative');
  const silent = await node.login('juliet', 'silent');
  for (const [client, value] of [
    [high, 5],
    [equal, 5],
    [low, 1],
    [negative, -1],
  ] as const)
    await client.available(priority(value));
  const all = [high, equal, low, negative, silent];
  for (const client of all) await client.sync();
  for (const client of all) client.forget();

  const cases: readonly [to: string, type: string, gets: string[]][] = [
    ['juliet@localhost', 'chat', ['high', 'equal']],
    ['juliet@localhost', 'normal', ['high', 'equal', 'low']],
    ['juliet@localhost', '', ['high', 'equal', 'low']],
    ['juliet@localhost', 'headline', ['high', 'equal', 'low']],
    ['juliet@localhost', 'nonsense', ['high', 'equal', 'low']],
    ['juliet@localhost', 'error', []],
    ['juliet@localhost/low', 'chat', ['low']],
    ['juliet@localhost/low', 'normal', ['low']],
    ['juliet@localhost/low', 'headline', ['low']],
    ['juliet@localhost/low', 'error', ['low']],
    ['juliet@localhost/negative', 'chat', ['negative']],
    ['juliet@localhost/silent', 'chat', ['silent']],
    ['JULIET@LocalHost/low', 'chat', ['low']],
    ['juliet@localhost/gone', 'chat', ['high', 'equal']],
    ['juliet@localhost/gone', 'headline', []],
    ['juliet@localhost/gone', 'error', []],
  ];
  for (const [to, type, gets] of cases) {
    const body = nextId('body');
    t.strictSame(await receivers(romeo, all, message(to, type, body), body), gets, `${type || 'no type'} to ${to}`);
  }
  t.strictSame(romeo.pending('<error'), [], 'none of it bounced');
  for (const client of [...all, romeo]) await client.close();
});

t.test('messages come with the full JID they were sent from, their id, type, language and content', async (t) => {
  const romeo = await node.online('romeo', 'orchard');
  const juliet = await node.online('juliet', 'balcony');
  const inner =
    `<body>"love" &amp; 'hate' &lt;3 \u{1f339}</body><thread>t</thread>` +
    `<x xmlns='urn:example:x' xmlns:y='urn:example:y' y:a='1'><y:z/><![CDATA[<raw>]]></x>`;
  romeo.send(
    `<message xmlns='jabber:client' to='juliet@localhost' type='chat' id='m1' xml:lang='en-GB'>${inner}</message>`,
  );
  const got = await juliet.expect((el) => el.attrs['id'] === 'm1');
  t.match(got.attrs, { from: romeo.jid, to: 'juliet@localhost', type: 'chat', id: 'm1', 'xml:lang': 'en-GB' });
  t.equal(got.getChildText('body'), `"love" & 'hate' <3 \u{1f339}`);
  const x = got.getChild('x', 'urn:example:x');
  t.equal(x?.getText(), '<raw>');
  t.equal(x?.getChild('z', 'urn:example:y')?.name, 'y:z');
  await romeo.close();
  await juliet.close();
});

t.test('what cannot be delivered comes back with its reason', async (t) => {
  const romeo = await node.online('romeo', 'orchard');
  await node.users('juliet');
  const cases: readonly [what: string, to: string, type: string, condition: string][] = [
    ['nobody', 'rosaline@localhost', 'chat', 'service-unavailable'],
    ['nobody at a resource', 'rosaline@localhost/x', 'normal', 'service-unavailable'],
    ['another server', 'juliet@example.org', 'chat', 'remote-server-not-found'],
    ['an address that is none', 'a@b@c', 'chat', 'jid-malformed'],
    ['an overlong address', `${'x'.repeat(1024)}@localhost`, 'chat', 'jid-malformed'],
    ['a room that is none', 'juliet@localhost', 'groupchat', 'service-unavailable'],
    ['the server', 'localhost', 'chat', 'service-unavailable'],
  ];
  for (const [what, to, type, condition] of cases) {
    const id = nextId('m');
    romeo.send(message(to, type, 'hello', id));
    const answer = await romeo.expect((el) => el.attrs['id'] === id);
    t.strictSame([answer.name, answer.attrs['type'], conditionOf(answer)], ['message', 'error', condition], what);
    t.equal(answer.attrs['from'], to, 'it comes from where it was sent');
  }
  await romeo.close();
});

t.test('errors and headlines to nobody are not answered', async (t) => {
  const romeo = await node.online('romeo', 'orchard');
  for (const kind of ['error', 'headline']) romeo.send(message('rosaline@localhost', kind, 'hello', kind));
  await node.settle(romeo);
  t.strictSame(romeo.pending('<message'), []);
  await romeo.close();
});

t.test('one may write to oneself', async (t) => {
  const phone = await node.online('romeo', 'phone');
  const laptop = await node.online('romeo', 'laptop');
  phone.send(message('romeo@localhost', 'chat', 'note to self'));
  for (const client of [phone, laptop]) {
    const got = await client.expect('note to self');
    t.match(got.attrs, { from: phone.jid });
  }
  await node.settle(phone, laptop);
  t.strictSame([...phone.pending('note to self'), ...laptop.pending('note to self')], [], 'once each');
  phone.send(message(laptop.jid, 'chat', 'across'));
  await laptop.expect('across');
  await node.settle(phone);
  t.strictSame(phone.pending('across'), []);
  await phone.close();
  await laptop.close();
});

t.test(
  'an iq to a device of a contact is handed over and its answer comes back; a stranger learns nothing',
  async (t) => {
    const romeo = await node.online('romeo', 'orchard');
    const juliet = await node.online('juliet', 'balcony');
    const stranger = await node.online('tybalt', 'street');
    juliet.send(`<presence xmlns='jabber:client' to='${romeo.jid}'/>`);
    await romeo.expect('<presence');

    romeo.send(
      `<iq xmlns='jabber:client' type='get' id='q1' to='${juliet.jid}'><query xmlns='jabber:iq:version'/></iq>`,
    );
    const asked = await juliet.expect((el) => el.name === 'iq' && el.attrs['id'] === 'q1');
    t.match(asked.attrs, { from: romeo.jid, to: juliet.jid, type: 'get' });
    juliet.send(
      `<iq xmlns='jabber:client' type='result' id='q1' to='${romeo.jid}'><query xmlns='jabber:iq:version'><name>Balcony</name></query></iq>`,
    );
    const answer = await romeo.expect((el) => el.name === 'iq' && el.attrs['id'] === 'q1');
    t.match(answer.attrs, { from: juliet.jid, to: romeo.jid, type: 'result' });
    t.equal(answer.getChild('query')?.getChildText('name'), 'Balcony');

    const payload = `<query xmlns='jabber:iq:version'/>`;
    const there = await stranger.iq('get', payload, juliet.jid);
    const gone = await stranger.iq('get', payload, 'juliet@localhost/gone');
    const nobody = await stranger.iq('get', payload, 'rosaline@localhost/gone');
    for (const one of [there, gone, nobody]) t.equal(conditionOf(one), 'service-unavailable');
    t.equal(there.getChild('error')?.toString(), gone.getChild('error')?.toString());
    t.equal(there.getChild('error')?.toString(), nobody.getChild('error')?.toString());
    t.strictSame(juliet.pending('<iq'), []);
    for (const client of [romeo, juliet, stranger]) await client.close();
  },
);

t.test('an iq that nobody knows, or that is none, gets the error for it', async (t) => {
  const romeo = await node.online('romeo', 'orchard');
  await node.users('juliet');
  const unknown = `<query xmlns='urn:example:unknown'/>`;
  for (const to of [
    undefined,
    'localhost',
    'romeo@localhost',
    'juliet@localhost',
    'nobody@localhost',
    romeo.jid.replace('orchard', 'x'),
  ]) {
    for (const kind of ['get', 'set'] as const)
      t.equal(conditionOf(await romeo.iq(kind, unknown, to)), 'service-unavailable', `${kind} to ${to}`);
  }
  t.equal(conditionOf(await romeo.iq('get', unknown, 'x@example.org')), 'remote-server-not-found');
  t.equal(conditionOf(await romeo.iq('get', unknown, 'a@b@c')), 'jid-malformed');
  t.equal(conditionOf(await romeo.iq('get', unknown + unknown)), 'bad-request', 'two payloads');
  t.equal(conditionOf(await romeo.iq('get', '')), 'bad-request', 'no payload');
  romeo.send(`<iq xmlns='jabber:client' type='fetch' id='t1'>${unknown}</iq>`);
  t.equal(conditionOf(await romeo.expect((el) => el.attrs['id'] === 't1')), 'bad-request', 'no such type');
  romeo.send(`<iq xmlns='jabber:client' type='get'>${unknown}</iq>`);
  t.equal(conditionOf(await romeo.expect((el) => el.name === 'iq')), 'bad-request', 'no id');
  for (const kind of ['result', 'error'])
    romeo.send(`<iq xmlns='jabber:client' type='${kind}' id='r1' to='localhost'>${unknown}</iq>`);
  await romeo.sync();
  t.strictSame(
    romeo.pending((el) => el.attrs['id'] === 'r1'),
    [],
    'answers are never answered',
  );
  await romeo.close();
});
