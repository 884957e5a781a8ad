import t from 'tap';
import { conditionOf } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';
import {
  codesOf,
  configure,
  create,
  enter,
  groupchat,
  isMessage,
  isSelf,
  itemOf,
  NS_MUC,
  ROOMS,
  roomJid,
  say,
} from '../harness/rooms.ts';

const node = await startTestNode(t);
const crone = await node.online('crone', 'desktop');
const hag = await node.online('hag', 'pda');
const wiccarocks = await node.online('wiccarocks', 'laptop');

const room = roomJid('coven');
const isFrom = (nick: string, type?: string) => (el: { name: string; attrs: Record<string, string | undefined> }) =>
  el.name === 'presence' && el.attrs['from'] === `${room}/${nick}` && el.attrs['type'] === type;

t.test('the service is found and says what it is', async (t) => {
  const items = await crone.iq('get', `<query xmlns='http://jabber.org/protocol/disco#items'/>`, 'localhost');
  t.ok(items.toString().includes(`jid="${ROOMS}"`) || items.toString().includes(`jid='${ROOMS}'`));
  const info = await crone.iq('get', `<query xmlns='http://jabber.org/protocol/disco#info'/>`, ROOMS);
  t.match(info.getChild('query')?.getChild('identity')?.attrs, { category: 'conference', type: 'text' });
  t.match(info.toString(), NS_MUC);
});

t.test('a room is made by who enters first, and locked until it is configured', async (t) => {
  const self = await enter(crone, room, 'firstwitch');
  t.same(codesOf(self), [110, 170, 201]);
  t.match(itemOf(self), { affiliation: 'owner', role: 'moderator', jid: crone.jid });
  const subject = await crone.expect((el) => el.name === 'message' && el.getChild('subject') !== undefined);
  t.equal(subject.getChildText('subject'), '', 'an empty subject comes last');
  hag.send(`<presence xmlns='jabber:client' to='${room}/secondwitch'><x xmlns='${NS_MUC}'/></presence>`);
  t.equal(conditionOf(await hag.expect((el) => el.attrs['type'] === 'error')), 'item-not-found');
  const form = await crone.iq('get', `<query xmlns='${NS_MUC}#owner'/>`, room);
  t.match(form.toString(), 'muc#roomconfig_roomname');
  t.equal((await configure(crone, room, { roomname: 'A Dark Cave' })).attrs['type'], 'result');
  t.equal(conditionOf(await configure(hag, room, {})), 'forbidden');
  t.equal(conditionOf(await configure(crone, room, { whois: 'nobody' })), 'not-acceptable');
});

t.test('who enters hears who is there, itself, and the others hear of it', async (t) => {
  const self = await enter(hag, room, 'secondwitch');
  t.same(codesOf(self), [110, 170]);
  t.match(itemOf(self), { affiliation: 'none', role: 'participant' });
  const other = await hag.expect(isFrom('firstwitch'));
  t.match(itemOf(other), { affiliation: 'owner', role: 'moderator' });
  t.notOk(itemOf(other)['jid'], 'addresses are for moderators');
  t.ok(other.getChild('occupant-id', 'urn:xmpp:occupant-id:0')?.attrs['id']);
  t.match(itemOf(await crone.expect(isFrom('secondwitch'))), { jid: hag.jid });
  await hag.expect((el) => el.name === 'message' && el.getChild('subject') !== undefined);
});

t.test('a message reaches everybody, its sender too, under one id', async (t) => {
  const mine = await say(crone, room, 'Harpier cries');
  t.match(mine.attrs, { from: `${room}/firstwitch`, to: crone.jid, type: 'groupchat' });
  const theirs = await hag.expect(isMessage('Harpier cries'));
  t.match(theirs.attrs, { from: `${room}/firstwitch`, to: hag.jid });
  const id = mine.getChild('stanza-id', 'urn:xmpp:sid:0');
  t.equal(id?.attrs['by'], room);
  t.equal(theirs.getChild('stanza-id', 'urn:xmpp:sid:0')?.attrs['id'], id?.attrs['id']);
  t.ok(mine.getChild('occupant-id', 'urn:xmpp:occupant-id:0'));
});

t.test('nobody plants an id of the room', async (t) => {
  const forged = `<stanza-id xmlns='urn:xmpp:sid:0' by='${room}' id='666'/><occupant-id xmlns='urn:xmpp:occupant-id:0' id='x'/>`;
  const mine = await say(hag, room, 'forged', forged);
  t.equal(mine.getChildren('stanza-id').length, 1);
  t.not(mine.getChild('stanza-id')?.attrs['id'], '666');
  t.equal(mine.getChildren('occupant-id').length, 1);
  t.not(mine.getChild('occupant-id')?.attrs['id'], 'x');
  await crone.expect(isMessage('forged'));
});

t.test('who is not there says nothing', async (t) => {
  wiccarocks.send(groupchat(room, 'psst'));
  t.equal(conditionOf(await wiccarocks.expect((el) => el.attrs['type'] === 'error')), 'not-acceptable');
  wiccarocks.send(groupchat(roomJid('nowhere'), 'psst'));
  t.equal(conditionOf(await wiccarocks.expect((el) => el.attrs['type'] === 'error')), 'item-not-found');
});

t.test('a taken nick is a conflict, a missing one malformed', async (t) => {
  const ask = (to: string) =>
    wiccarocks.send(`<presence xmlns='jabber:client' to='${to}'><x xmlns='${NS_MUC}'/></presence>`);
  ask(`${room}/firstwitch`);
  t.equal(conditionOf(await wiccarocks.expect((el) => el.attrs['type'] === 'error')), 'conflict');
  ask(room);
  t.equal(conditionOf(await wiccarocks.expect((el) => el.attrs['type'] === 'error')), 'jid-malformed');
});

t.test('the past comes with the door, as much of it as is asked for', async (t) => {
  for (const n of [1, 2, 3]) await say(crone, room, `past ${n}`);
  await enter(wiccarocks, room, 'thirdwitch', `<history maxstanzas='2'/>`);
  await wiccarocks.expect((el) => el.name === 'message' && el.getChild('subject') !== undefined);
  const bodies = wiccarocks.pending((el) => el.name === 'message').map(({ el }) => el.getChildText('body'));
  t.same(bodies, ['past 2', 'past 3']);
  const late = await wiccarocks.expect(isMessage('past 3'));
  t.equal(late.getChild('delay', 'urn:xmpp:delay')?.attrs['from'], room);
  wiccarocks.forget();
  for (const client of [crone, hag]) client.forget();
});

t.test('a nick changes, and everybody hears what of', async (t) => {
  hag.send(`<presence xmlns='jabber:client' to='${room}/oldhag'/>`);
  const gone = await hag.expect(isFrom('secondwitch', 'unavailable'));
  t.same(codesOf(gone), [110, 303]);
  t.equal(itemOf(gone)['nick'], 'oldhag');
  t.ok(isSelf(await hag.expect(isFrom('oldhag'))));
  t.same(codesOf(await crone.expect(isFrom('secondwitch', 'unavailable'))), [303]);
  await crone.expect(isFrom('oldhag'));
  hag.send(`<presence xmlns='jabber:client' to='${room}/firstwitch'/>`);
  t.equal(conditionOf(await hag.expect((el) => el.attrs['type'] === 'error')), 'conflict');
  t.equal((await say(hag, room, 'as oldhag')).attrs['from'], `${room}/oldhag`);
});

t.test('availability is told', async (t) => {
  hag.send(`<presence xmlns='jabber:client' to='${room}/oldhag'><show>away</show><status>ill</status></presence>`);
  const seen = await crone.expect((el) => isFrom('oldhag')(el) && el.getChildText('show') === 'away');
  t.equal(seen.getChildText('status'), 'ill');
});

t.test('the subject is changed by moderators, by others when that is allowed, and kept', async (t) => {
  const change = (text: string) =>
    `<message xmlns='jabber:client' to='${room}' type='groupchat'><subject>${text}</subject></message>`;
  hag.send(change('mine'));
  t.equal(conditionOf(await hag.expect((el) => el.attrs['type'] === 'error')), 'forbidden');
  crone.send(change('Fire Burn and Cauldron Bubble!'));
  const isChange = (el: { getChildText(name: string): string | null }) =>
    el.getChildText('subject') === 'Fire Burn and Cauldron Bubble!';
  t.equal((await hag.expect(isChange)).attrs['from'], `${room}/firstwitch`);
  await configure(crone, room, { changesubject: '1' });
  t.same(codesOf(await hag.expect((el) => codesOf(el).includes(104))), [104]);
  hag.send(change('ours'));
  await crone.expect((el) => el.getChildText('subject') === 'ours');
  const again = await node.online('hag', 'phone');
  await enter(again, room, 'oldhag');
  const subject = await again.expect((el) => el.name === 'message' && el.getChild('subject') !== undefined);
  t.equal(subject.getChildText('subject'), 'ours', 'those before it are no part of the past');
  t.equal(subject.attrs['from'], `${room}/oldhag`);
  t.equal(subject.getChild('delay', 'urn:xmpp:delay')?.attrs['from'], room, 'it says since when');
  // Two devices of one user share the nick; the one that goes takes nothing along.
  again.send(`<presence xmlns='jabber:client' to='${room}/oldhag' type='unavailable'/>`);
  t.ok(isSelf(await again.expect(isFrom('oldhag', 'unavailable'))));
  await say(crone, room, 'still here?');
  await hag.expect(isMessage('still here?'));
  t.same(hag.pending(isFrom('oldhag', 'unavailable')), []);
});

t.test('a device asks whether it is still there', async (t) => {
  const ping = `<ping xmlns='urn:xmpp:ping'/>`;
  t.equal((await hag.iq('get', ping, `${room}/oldhag`)).attrs['type'], 'result');
  const stranger = await node.online('stranger', 'x');
  const disco = `<query xmlns='http://jabber.org/protocol/disco#items'/>`;
  t.equal(conditionOf(await stranger.iq('get', disco, `${room}/oldhag`)), 'bad-request', 'XEP-0045 6.6');
  t.equal(conditionOf(await stranger.iq('get', ping, `${room}/oldhag`)), 'not-acceptable');
  t.equal(conditionOf(await stranger.iq('get', ping, `${roomJid('nowhere')}/oldhag`)), 'not-acceptable');
  stranger.send(`<presence xmlns='jabber:client' to='${room}/strange'/>`);
  const told = await stranger.expect((el) => el.attrs['type'] === 'unavailable');
  t.same(codesOf(told), [110, 333], 'it takes itself for an occupant, and is told');
});

t.test('a room says what it is, and the service which there are', async (t) => {
  const info = await crone.iq('get', `<query xmlns='http://jabber.org/protocol/disco#info'/>`, room);
  t.equal(info.getChild('query')?.getChild('identity')?.attrs['name'], 'A Dark Cave');
  for (const feature of ['muc_public', 'muc_open', 'muc_semianonymous', 'urn:xmpp:mam:2', 'urn:xmpp:occupant-id:0'])
    t.match(info.toString(), feature);
  await create(crone, roomJid('hidden'), 'c', { publicroom: '0' });
  const items = await crone.iq('get', `<query xmlns='http://jabber.org/protocol/disco#items'/>`, ROOMS);
  t.match(items.toString(), room);
  t.notMatch(items.toString(), 'hidden');
  t.equal(
    conditionOf(await crone.iq('get', `<query xmlns='http://jabber.org/protocol/disco#info'/>`, roomJid('nowhere'))),
    'item-not-found',
  );
});

t.test('who leaves, or whose stream ends, is gone for all', async (t) => {
  wiccarocks.send(`<presence xmlns='jabber:client' to='${room}/thirdwitch' type='unavailable'/>`);
  t.ok(isSelf(await wiccarocks.expect(isFrom('thirdwitch', 'unavailable'))));
  t.match(itemOf(await crone.expect(isFrom('thirdwitch', 'unavailable'))), { role: 'none' });
  await hag.close();
  await crone.expect(isFrom('oldhag', 'unavailable'));
});

t.test('a message that is sent twice is one', async (t) => {
  await enter(wiccarocks, room, 'thirdwitch', `<history maxstanzas='0'/>`);
  wiccarocks.forget();
  const twice = groupchat(room, 'once', 'same', `<origin-id xmlns='urn:xmpp:sid:0' id='same'/>`);
  crone.send(twice, twice);
  await say(crone, room, 'behind');
  await wiccarocks.expect(isMessage('behind'));
  t.equal(wiccarocks.pending(isMessage('once')).length, 1);
});

t.test('typing is passed on and not kept', async (t) => {
  crone.send(
    `<message xmlns='jabber:client' to='${room}' type='groupchat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>`,
  );
  t.equal((await wiccarocks.expect('composing')).attrs['from'], `${room}/firstwitch`);
});

t.test('a presence for a room that nobody entered ends with the last when it is not to stay', async (t) => {
  const brief = roomJid('brief');
  await create(crone, brief, 'c', { persistentroom: '0' });
  crone.send(`<presence xmlns='jabber:client' to='${brief}/c' type='unavailable'/>`);
  await crone.expect((el) => el.attrs['from'] === `${brief}/c` && el.attrs['type'] === 'unavailable');
  const info = await crone.iq('get', `<query xmlns='http://jabber.org/protocol/disco#info'/>`, brief);
  t.equal(conditionOf(info), 'item-not-found');
});

t.test('rooms, occupants and what was said outlive the server; who is gone meanwhile is no ghost', async (t) => {
  await say(crone, room, 'before the storm');
  await node.restart();
  const back = await node.online('hag', 'pda');
  await enter(back, room, 'oldhag');
  await back.expect(isMessage('before the storm'));
  const wraith = await node.online('wraith', 'x');
  await enter(wraith, room, 'wraith');
  const present = wraith.pending((el) => el.name === 'presence').map(({ el }) => el.attrs['from']);
  t.same(present, [`${room}/oldhag`], 'those of before the restart are gone');
});

t.test('a device that enters again after a restart is not taken for the one that is gone', async (t) => {
  const haunted = roomJid('haunted');
  const before = await node.login('crone', 'desktop');
  // Its stream could be resumed: the room does not hear that it ends with the server.
  await before.enable();
  await before.available();
  await create(before, haunted, 'c');
  await node.restart();
  const after = await node.online('crone', 'desktop');
  await enter(after, haunted, 'c');
  await node.settle(after);
  t.equal((await say(after, haunted, 'still here')).attrs['type'], 'groupchat');
});
