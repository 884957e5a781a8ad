import type { Element } from 'ltx';
import t from 'tap';
import { conditionOf } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';
import { create, enter, isMessage, itemOf, NS_MUC, roomJid, say } from '../harness/rooms.ts';

/** XEP-0045 7.10, 9.9: registering with a room. */

const node = await startTestNode(t);
const alice = await node.online('alice', 'a');
const bob = await node.online('bob', 'b');
const carol = await node.online('carol', 'c');
const NS = 'jabber:iq:register';
const field = (name: string, value: string): string => `<field var='${name}'><value>${value}</value></field>`;
const form = (...fields: string[]): string =>
  `<x xmlns='jabber:x:data' type='submit'>${field('FORM_TYPE', `${NS_MUC}#register`)}${fields.join('')}</x>`;
const wants = (nick: string): string => `<query xmlns='${NS}'>${form(field('muc#register_roomnick', nick))}</query>`;
const ASK = `<query xmlns='${NS}'/>`;
const isForm = (el: Element): boolean => el.name === 'message' && el.getChild('x', 'jabber:x:data') !== undefined;

t.afterEach(() => {
  for (const client of [alice, bob, carol]) client.forget();
});

t.test('a form, a nick, and the membership that comes with it', async (t) => {
  const room = roomJid('open');
  t.equal(conditionOf(await bob.iq('get', ASK, room)), 'item-not-found', 'no room');
  await create(alice, room, 'al');
  await enter(bob, room, 'bo');
  const disco = await bob.iq('get', `<query xmlns='http://jabber.org/protocol/disco#info'/>`, room);
  const features = (disco.getChild('query')?.getChildren('feature') ?? []).map(({ attrs }) => String(attrs['var']));
  t.ok(features.includes(`${NS_MUC}#register`));
  t.notOk(features.includes(NS), 'or Converse would register whoever enters');
  const asked = (await bob.iq('get', ASK, room)).getChild('query')?.getChild('x', 'jabber:x:data');
  t.equal(asked?.attrs['type'], 'form');
  t.ok(asked?.getChildren('field').some(({ attrs }) => attrs['var'] === 'muc#register_roomnick'));
  t.equal(conditionOf(await bob.iq('set', wants('al'), room)), 'conflict');
  t.equal((await bob.iq('set', wants('thirdwitch'), room)).attrs['type'], 'result');
  await alice.expect((el) => el.name === 'presence' && itemOf(el)['affiliation'] === 'member');
  const told = (await bob.iq('get', ASK, room)).getChild('query');
  t.ok(told?.getChild('registered'));
  t.equal(told?.getChildText('username'), 'thirdwitch');
  const info = `<query xmlns='http://jabber.org/protocol/disco#info' node='x-roomuser-item'/>`;
  const reserved = (await bob.iq('get', info, room)).getChild('query')?.getChild('identity');
  t.equal(reserved?.attrs['name'], 'thirdwitch');
  carol.send(`<presence xmlns='jabber:client' to='${room}/thirdwitch'><x xmlns='${NS_MUC}'/></presence>`);
  t.equal(conditionOf(await carol.expect((el) => el.attrs['type'] === 'error')), 'conflict');

  bob.send(`<presence xmlns='jabber:client' to='${room}/bo' type='unavailable'/>`);
  await bob.sync();
  await say(alice, room, 'while he is away');
  const inbox = await bob.iq('get', `<inbox xmlns='urn:xmpp:inbox:1'/>`);
  t.equal(inbox.attrs['type'], 'result');
  const entry = await bob.expect((el) => el.getChild('entry', 'urn:xmpp:inbox:1')?.attrs['jid'] === room);
  t.equal(entry.getChild('entry')?.attrs['unread'], '1', 'it is in his inbox, as of every member');

  t.equal((await bob.iq('set', `<query xmlns='${NS}'><remove/></query>`, room)).attrs['type'], 'result');
  await enter(carol, room, 'thirdwitch');
});

t.test('members only: an administrator who is there decides', async (t) => {
  const room = roomJid('closed');
  await create(alice, room, 'al', { 'muc#roomconfig_membersonly': '1' });
  t.equal((await bob.iq('set', wants('thirdwitch'), room)).attrs['type'], 'result');
  const asked = await alice.expect(isForm);
  const fields = asked.getChild('x', 'jabber:x:data')?.getChildren('field') ?? [];
  const values = Object.fromEntries(fields.map((one) => [one.attrs['var'], one.getChildText('value')]));
  t.match(values, { 'muc#jid': bob.bare, 'muc#register_roomnick': 'thirdwitch', 'muc#register_allow': '0' });
  const back = Object.entries({ ...values, 'muc#register_allow': '1' })
    .filter(([name]) => name !== 'FORM_TYPE')
    .map(([name, value]) => field(name, String(value)));
  carol.send(`<message xmlns='jabber:client' to='${room}' id='n'>${form(...back)}</message>`);
  t.equal(conditionOf(await carol.expect((el) => el.attrs['type'] === 'error')), 'forbidden');
  alice.send(`<message xmlns='jabber:client' to='${room}' id='y'>${form(...back)}</message>`);
  await bob.expect((el) => el.name === 'message' && el.attrs['from'] === room, 'the invitation of a new member');
  await enter(bob, room, 'thirdwitch');
  await say(alice, room, 'welcome');
  await bob.expect(isMessage('welcome'));
});
