import type { Element } from 'ltx';
import t from 'tap';
import { type Client, conditionOf } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';
import { administer, archiveOf, create, enter, isMessage, NS_MUC, roomJid, say } from '../harness/rooms.ts';

/** docs/group-receipts.md: how far members of a group are, told to the sender and to who asks. */

const NS = 'urn:rookery:receipts:0';
const node = await startTestNode(t);
const alice = await node.online('alice', 'desk');
const bob = await node.authenticated('bob');
await bob.bind('phone');
await bob.enable();
/** stanzas that bob has got */
let got = 0;
bob.ws.on('message', (data) => {
  if (/^<(?:message|presence|iq)/.test(String(data))) got += 1;
});
await bob.available();
await node.users('carol', 'dave');
const room = roomJid('coven');
await create(alice, room, 'alice', { membersonly: '1' });
const ADDED = ['bob', 'carol'].map((name) => `<item affiliation='member' jid='${name}@localhost'/>`);
await administer(alice, room, ...ADDED);
const join = `<x xmlns='${NS_MUC}'><history maxstanzas='0'/></x>`;
alice.send(`<presence xmlns='jabber:client' to='${room}/alice'>${join}<receipts xmlns='${NS}'/></presence>`);
await enter(bob, room, 'bob');

const idOf = (el: Element): string => el.getChild('stanza-id', 'urn:xmpp:sid:0')?.attrs['id'] ?? '';
const counts = (el: Element | undefined): string =>
  `${el?.attrs['delivered']}/${el?.attrs['read']} of ${el?.attrs['total']}`;

/** Waits until the sender has been told this of a message. */
const told = (id: string, what: string): Promise<Element> =>
  alice.expect((el) => {
    const one = el
      .getChild('receipts', NS)
      ?.getChildren('message')
      .find((message) => message.attrs['id'] === id);
    return el.name === 'message' && one !== undefined && counts(one) === what;
  }, `${id} ${what}`);

async function asked(client: Client, id: string, set = ''): Promise<Element> {
  const answer = await client.iq('get', `<receipts xmlns='${NS}' id='${id}'>${set}</receipts>`, room);
  return answer.getChild('receipts', NS) ?? answer;
}

const states = (el: Element): Record<string, string> =>
  Object.fromEntries(
    el.getChildren('member').map(({ attrs }) => [attrs['jid'] ?? attrs['nick'] ?? '', attrs['state'] ?? '']),
  );

const acks = (): void => bob.send(`<a xmlns='urn:xmpp:sm:3' h='${got}'/>`);
const displays = (client: Client, id: string): void =>
  client.send(
    `<message xmlns='jabber:client' to='${room}' type='groupchat'><displayed xmlns='urn:xmpp:chat-markers:0' id='${id}'/></message>`,
  );

let first = '';

t.test('the room says that it can', async (t) => {
  const info = await alice.iq('get', `<query xmlns='http://jabber.org/protocol/disco#info'/>`, room);
  t.match(info.toString(), NS);
});

t.test('what a device has not acknowledged it has not had', async (t) => {
  first = idOf(await say(alice, room, 'one'));
  await bob.expect(isMessage('one'));
  const before = await asked(alice, first);
  t.equal(counts(before), '0/0 of 2');
  t.same(states(before), { 'bob@localhost': 'pending', 'carol@localhost': 'pending' });
});

t.test('its sender hears when it has, and when another one comes and gets it', async (t) => {
  acks();
  await told(first, '1/0 of 2');
  const carol = await node.online('carol', 'pda');
  await enter(carol, room, 'carol');
  await carol.expect(isMessage('one'));
  await told(first, '2/0 of 2');
  t.same(states(await asked(alice, first)), { 'bob@localhost': 'delivered', 'carol@localhost': 'delivered' });
  await carol.close();
});

t.test('who has displayed it has read it, by a marker or a read mark of any device', async (t) => {
  displays(bob, first);
  await told(first, '2/1 of 2');
  const carol = await node.online('carol', 'pda');
  const mark = `<displayed xmlns='urn:xmpp:mds:displayed:0'><stanza-id xmlns='urn:xmpp:sid:0' by='${room}' id='${first}'/></displayed>`;
  const publish = `<publish node='urn:xmpp:mds:displayed:0'><item id='${room}'>${mark}</item></publish>`;
  const done = await carol.iq('set', `<pubsub xmlns='http://jabber.org/protocol/pubsub'>${publish}</pubsub>`);
  t.equal(done.attrs['type'], 'result');
  await told(first, '2/2 of 2');
  // She sees what the room shows a member: no addresses.
  const answer = await asked(carol, first);
  t.equal(counts(answer), '2/2 of 2');
  t.same(states(answer), { bob: 'read', carol: 'read' });
  await carol.close();
});

t.test('a member who was away has what it reads in the archive, once it follows what it had', async (t) => {
  displays(bob, idOf(await say(alice, room, 'two')));
  const last = idOf(await say(alice, room, 'three'));
  displays(bob, last);
  await told(last, '1/1 of 2');
  const carol = await node.online('carol', 'pda');
  const { ids } = await archiveOf(
    carol,
    room,
    {},
    `<set xmlns='http://jabber.org/protocol/rsm'><after>${last}</after></set>`,
  );
  t.notOk(ids.includes(last));
  await archiveOf(carol, room, {}, `<set xmlns='http://jabber.org/protocol/rsm'><after>${first}</after></set>`);
  await told(last, '2/1 of 2');
  await carol.close();
});

t.test('the list comes in pages', async (t) => {
  const rsm = (inner: string): string => `<set xmlns='http://jabber.org/protocol/rsm'>${inner}</set>`;
  const page = await asked(alice, first, rsm('<max>1</max>'));
  t.equal(page.getChildren('member').length, 1);
  t.equal(counts(page), '2/2 of 2', 'the counts are of all');
  const set = page.getChild('set');
  t.equal(set?.getChildText('count'), '2');
  const next = await asked(alice, first, rsm(`<max>1</max><after>${set?.getChildText('last')}</after>`));
  t.same(Object.keys({ ...states(page), ...states(next) }).sort(), ['bob@localhost', 'carol@localhost']);
});

t.test('who is no member, or asks for what is not there, hears so', async (t) => {
  const dave = await node.online('dave', 'pda');
  t.equal(conditionOf(await asked(dave, first)), 'forbidden');
  t.equal(conditionOf(await asked(alice, '99999')), 'item-not-found');
  t.equal(conditionOf(await asked(alice, 'x')), 'item-not-found');
  t.equal(conditionOf(await asked(alice, '')), 'bad-request');
  const set = await alice.iq('set', `<receipts xmlns='${NS}' id='${first}'/>`, room);
  t.equal(conditionOf(set), 'bad-request');
});

t.test('a former member counts no more, and one who is in again not for what was before', async (t) => {
  const member = (affiliation: string): string => `<item affiliation='${affiliation}' jid='carol@localhost'/>`;
  await administer(alice, room, member('none'));
  t.equal(counts(await asked(alice, first)), '1/1 of 1');
  await administer(alice, room, member('member'));
  t.equal(counts(await asked(alice, first)), '1/1 of 1');
  t.equal(counts(await asked(alice, idOf(await say(alice, room, 'four')))), '0/0 of 2');
});

t.test('what was told outlives the process', async (t) => {
  const before = await asked(alice, first);
  await node.restart();
  const again = await node.online('alice', 'desk');
  t.equal(counts(await asked(again, first)), counts(before));
});
