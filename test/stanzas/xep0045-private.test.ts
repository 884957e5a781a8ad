import t from 'tap';
import type { Client } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';
import { archiveOf, create, enter, isMessage, NS_MUC, roomJid } from '../harness/rooms.ts';

/** Private messages in a room (XEP-0045 7.5): what is kept of them does not say who is behind a nick. */

const node = await startTestNode(t);
const owner = await node.online('owner', 'o');
const mask = await node.online('mask', 'm');
const guest = await node.online('guest', 'g');
const room = roomJid('ball');
await create(owner, room, 'host');
await enter(mask, room, 'domino');
await enter(guest, room, 'gast');

const NS_INBOX = 'urn:xmpp:inbox:1';

/** `jid unread` of each conversation, the newest first. */
async function inbox(client: Client, attrs = ''): Promise<string[]> {
  client.forget();
  await client.iq('get', `<inbox xmlns='${NS_INBOX}' ${attrs}/>`);
  return client
    .pending((el) => el.getChild('entry', NS_INBOX) !== undefined)
    .map(({ el }) => el.getChild('entry', NS_INBOX)?.attrs ?? {})
    .map(({ jid, unread }) => `${jid} ${unread}`);
}

const whispers = (to: string, body: string): string =>
  `<message xmlns='jabber:client' to='${to}' type='chat' id='${body}'><body>${body}</body></message>`;

t.test('neither inbox nor archive tells whose nick it is', async (t) => {
  mask.send(whispers(`${room}/gast`, 'guess'));
  await guest.expect(isMessage('guess'));
  for (const attrs of ['', `messages='false'`])
    t.same(await inbox(guest, attrs), [`${room}/domino 1`], `of who got it ${attrs}`);
  t.same(await inbox(mask), [`${room}/gast 0`], 'of who sent it');
  t.same((await archiveOf(guest, guest.bare)).bodies, ['guess']);
  t.same(
    (await archiveOf(guest, guest.bare, { with: mask.bare })).bodies,
    [],
    'asked for by an address that is guessed',
  );
  mask.send(whispers(guest.bare, 'by name'));
  await guest.expect(isMessage('by name'));
  t.same(await inbox(guest), [`${mask.bare} 1`, `${room}/domino 1`], 'two conversations');
  t.same((await archiveOf(guest, guest.bare, { with: mask.bare })).bodies, ['by name']);
});

t.test('a marker to the nick reads what was said under it, and nothing else', async (t) => {
  guest.send(
    `<message xmlns='jabber:client' to='${room}/domino' type='chat'><displayed xmlns='urn:xmpp:chat-markers:0' id='guess'/></message>`,
  );
  await mask.expect((el) => el.getChild('displayed', 'urn:xmpp:chat-markers:0') !== undefined);
  await node.settle(guest);
  t.same(await inbox(guest), [`${mask.bare} 1`, `${room}/domino 0`]);
});

t.test('an item of XEP-0490 for a nick is not taken for one of the room', async (t) => {
  owner.send(`<message xmlns='jabber:client' to='${room}' type='groupchat'><body>hello</body></message>`);
  await guest.expect(isMessage('hello'));
  mask.send(whispers(`${room}/gast`, 'again'));
  const got = await guest.expect(isMessage('again'));
  t.same(await inbox(guest), [`${room}/domino 1`, `${mask.bare} 1`]);
  const id = got.getChild('stanza-id')?.attrs['id'];
  const item = `<displayed xmlns='urn:xmpp:mds:displayed:0'><stanza-id xmlns='urn:xmpp:sid:0' by='${guest.bare}' id='${id}'/></displayed>`;
  const published = await guest.iq(
    'set',
    `<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:xmpp:mds:displayed:0'><item id='${room}/domino'>${item}</item></publish></pubsub>`,
  );
  t.equal(published.attrs['type'], 'result');
  t.same(await inbox(guest), [`${room}/domino 0`, `${mask.bare} 1`]);
});

t.test('who blocks somebody by name does not thereby learn which nick that is', async (t) => {
  const block = await guest.iq('set', `<block xmlns='urn:xmpp:blocking'><item jid='${mask.bare}'/></block>`);
  t.equal(block.attrs['type'], 'result');
  await enter(owner, room, 'host');
  const other = roomJid('second-ball');
  await create(owner, other, 'host');
  await enter(mask, other, 'domino');
  await enter(guest, other, 'gast');
  mask.send(whispers(`${other}/gast`, 'still here'));
  t.match((await guest.expect(isMessage('still here'))).getChild('x', `${NS_MUC}#user`)?.name, 'x');
});

t.test('all devices under a nick get it, those that are not in the room do not', async (t) => {
  const second = await node.online('guest', 'second');
  const away = await node.online('guest', 'away');
  const desk = await node.online('mask', 'desk');
  for (const client of [second, away, desk, mask, guest]) {
    await client.iq('set', `<enable xmlns='urn:xmpp:carbons:2'/>`);
    client.forget();
  }
  const other = roomJid('third-ball');
  await create(owner, other, 'host');
  await enter(mask, other, 'domino');
  await enter(guest, other, 'gast');
  await enter(second, other, 'gast');
  // As Gajim, Dino and Conversations say it.
  mask.send(
    `<message xmlns='jabber:client' to='${other}/gast' type='chat' id='all'><body>all</body><x xmlns='${NS_MUC}#user'/></message>`,
  );
  for (const client of [guest, second])
    t.match((await client.expect(isMessage('all'))).attrs, { from: `${other}/domino`, to: client.jid });
  const copy = await desk.expect((el) => el.getChild('sent', 'urn:xmpp:carbons:2') !== undefined);
  t.match(copy.toString(), 'all', 'the sender’s other devices get a copy');
  await node.settle(away);
  t.equal(away.pending((el) => el.toString().includes('>all<')).length, 0);
});

t.test('whom somebody blocks does not reach that one by an invitation', async (t) => {
  const pest = await node.online('pest', 'p');
  pest.send(whispers(guest.bare, 'hi there'));
  await guest.expect(isMessage('hi there'));
  await guest.iq('set', `<block xmlns='urn:xmpp:blocking'><item jid='${pest.bare}'/></block>`);
  const den = roomJid('den');
  await create(pest, den, 'pest', { membersonly: '1' });
  guest.forget();
  pest.send(
    `<message xmlns='jabber:client' to='${den}'><x xmlns='${NS_MUC}#user'><invite to='${guest.bare}'><reason>come here</reason></invite></x></message>`,
  );
  await node.settle(pest);
  await node.settle(guest);
  t.equal(guest.pending((el) => el.attrs['from'] === den).length, 0);
  const bookmarks = await guest.iq(
    'get',
    `<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'/></pubsub>`,
  );
  t.notMatch(bookmarks.toString(), den);
});
