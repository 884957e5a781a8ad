import type { Element } from 'ltx';
import t from 'tap';
import type { MessageRecord } from '../../src/xmpp/message-record.ts';
import { type Client, conditionOf, nextId } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';
import { create, enter, groupchat, isMessage, roomJid, say } from '../harness/rooms.ts';

/** XEP-0424 beside what else is about an earlier message (XEP-0308, 0444, 0461): in a chat of two, and in a room. */
const node = await startTestNode(t);
const NS = 'urn:xmpp:message-retract:1';
const MAM = 'urn:xmpp:mam:2';
const room = roomJid('orchard');
const romeo = await node.online('romeo', 'orchard');
const juliet = await node.online('juliet', 'balcony');
await create(romeo, room, 'Romeo');
await enter(juliet, room, 'Juliet');

const chat = (to: string, id: string, inner: string): string =>
  `<message xmlns='jabber:client' to='${to}@localhost' type='chat' id='${id}'>${inner}</message>`;
const retract = (id: string): string => `<retract xmlns='${NS}' id='${id}'/>`;
const fallback = `<body>took something back</body><fallback xmlns='urn:xmpp:fallback:0' for='${NS}'/>`;

/** The newest messages of an archive, as they were. */
async function archive(client: Client, to?: string): Promise<Element[]> {
  client.forget();
  await client.iq(
    'set',
    `<query xmlns='${MAM}'><set xmlns='http://jabber.org/protocol/rsm'><max>50</max><before/></set></query>`,
    to,
  );
  const results = client.pending((el) => el.getChild('result', MAM) !== undefined);
  return results.flatMap(({ el }) => {
    const message = el.getChild('result', MAM)?.getChild('forwarded', 'urn:xmpp:forward:0')?.getChild('message');
    return message === undefined ? [] : [message];
  });
}

const byId = (messages: readonly Element[], id: string): Element | undefined =>
  messages.find((message) => message.attrs['id'] === id);

const stanzaIdOf = (message: Element): string => message.getChild('stanza-id', 'urn:xmpp:sid:0')?.attrs['id'] ?? '';

/** Unread messages with somebody, as XEP-0430 counts them. */
async function unread(client: Client, jid: string): Promise<string | undefined> {
  client.forget();
  await client.iq('get', `<inbox xmlns='urn:xmpp:inbox:1'/>`);
  const entries = client.pending((el) => el.getChild('entry', 'urn:xmpp:inbox:1')?.attrs['jid'] === jid);
  return entries[0]?.el.getChild('entry', 'urn:xmpp:inbox:1')?.attrs['unread'];
}

t.test('the server says that it leaves tombstones', async (t) => {
  const query = `<query xmlns='http://jabber.org/protocol/disco#info'/>`;
  for (const to of ['localhost', 'romeo@localhost', room]) {
    const info = await romeo.iq('get', query, to);
    const features = info
      .getChild('query')
      ?.getChildren('feature')
      .map(({ attrs }) => attrs['var']);
    t.ok(features?.includes(NS), to);
    t.ok(features?.includes(`${NS}#tombstone`), to);
  }
});

t.test('what is taken back in a chat of two is gone from both archives', async (t) => {
  romeo.send(chat('juliet', 'wrong-1', '<body>secret of two</body>'), chat('juliet', 'right-1', '<body>stays</body>'));
  await juliet.expect(isMessage('stays'));
  romeo.send(chat('juliet', 'retraction-1', retract('wrong-1') + fallback));
  const told = await juliet.expect((el) => el.attrs['id'] === 'retraction-1');
  t.equal(told.getChild('retract', NS)?.attrs['id'], 'wrong-1');
  await node.settle(romeo);
  for (const client of [romeo, juliet]) {
    const messages = await archive(client);
    const tombstone = byId(messages, 'wrong-1');
    t.match(tombstone?.attrs, { from: romeo.jid, type: 'chat' });
    t.equal(tombstone?.getChild('retracted', NS)?.attrs['id'], 'retraction-1');
    t.match(tombstone?.getChild('retracted', NS)?.attrs['stamp'], /^20\d\d-.*Z$/);
    t.notOk(tombstone?.getChild('body'));
    t.notMatch(messages.join(''), 'secret of two');
    t.equal(byId(messages, 'right-1')?.getChildText('body'), 'stays');
    t.equal(byId(messages, 'retraction-1')?.getChild('retract', NS)?.attrs['id'], 'wrong-1', 'the retraction is kept');
  }
});

t.test('nobody takes back what another one said', async (t) => {
  romeo.send(chat('juliet', 'mine-1', '<body>mine</body>'));
  await juliet.expect(isMessage('mine'));
  juliet.send(chat('romeo', 'retraction-2', retract('mine-1')));
  await romeo.expect((el) => el.attrs['id'] === 'retraction-2');
  t.equal(byId(await archive(juliet), 'mine-1')?.getChildText('body'), 'mine');
  const said = await say(romeo, room, 'mine in the room');
  await juliet.expect(isMessage('mine in the room'));
  juliet.send(groupchat(room, 'x', 'retraction-3', retract(stanzaIdOf(said))));
  const error = await juliet.expect((el) => el.attrs['id'] === 'retraction-3');
  t.equal(conditionOf(error), 'forbidden');
  t.ok((await archive(juliet, room)).some((message) => message.getChildText('body') === 'mine in the room'));
});

t.test('who was away finds the tombstone and the retraction, and it does not count as unread', async (t) => {
  await juliet.close();
  romeo.send(
    chat('juliet', 'away-1', '<body>secret meanwhile</body>'),
    chat('juliet', 'away-2', '<body>read me</body>'),
    chat('juliet', 'away-3', retract('away-1') + fallback),
  );
  await node.settle(romeo);
  const back = await node.login('juliet', 'balcony');
  const count = await unread(back, 'romeo@localhost');
  back.send(`<presence xmlns='jabber:client'/>`);
  await node.settle(back);
  const got = back.pending((el) => el.name === 'message' && /^away-/.test(el.attrs['id'] ?? ''));
  t.strictSame(
    got.map(({ el }) => el.attrs['id']),
    ['away-1', 'away-2', 'away-3'],
  );
  t.ok(got[0]?.el.getChild('retracted', NS));
  t.notMatch(got.map(({ xml }) => xml).join(''), 'secret meanwhile');
  t.equal(count, '5', 'three before and two meanwhile, what was taken back since among them; no retraction');
  await back.close();
});

t.test('what is taken back in a room is gone from its archive and its history', async (t) => {
  const said = await say(romeo, room, 'secret of the room');
  const id = nextId('retraction');
  romeo.send(
    `<message xmlns='jabber:client' to='${room}' type='groupchat' id='${id}'>${retract(stanzaIdOf(said))}</message>`,
  );
  const told = await romeo.expect((el) => el.attrs['id'] === id);
  t.equal(told.getChild('retract', NS)?.attrs['id'], stanzaIdOf(said));
  const messages = await archive(romeo, room);
  const tombstone = byId(messages, said.attrs['id'] ?? '');
  t.equal(tombstone?.attrs['from'], `${room}/Romeo`);
  t.equal(tombstone?.getChild('retracted', NS)?.attrs['id'], id);
  const occupant = (el: Element | undefined) => el?.getChild('occupant-id', 'urn:xmpp:occupant-id:0')?.attrs['id'];
  t.equal(occupant(tombstone), occupant(said));
  t.ok(occupant(said));
  const late = await node.online('nurse', 'hall');
  await enter(late, room, 'Nurse', `<history maxstanzas='20'/>`);
  await late.expect((el) => el.name === 'message' && el.getChild('subject') !== undefined);
  const history = late.pending((el) => el.name === 'message').map(({ xml }) => xml);
  t.match(history.join(''), 'mine in the room');
  for (const text of [messages.join(''), history.join('')]) t.notMatch(text, 'secret of the room');
  await late.close();
});

t.test('a retraction is kept though its sender says no-store', async (t) => {
  romeo.send(chat('juliet', 'unkept-1', '<body>secret once more</body>'));
  romeo.send(chat('juliet', 'unkept-2', `${retract('unkept-1')}<no-store xmlns='urn:xmpp:hints'/>`));
  await node.settle(romeo);
  const messages = await archive(romeo);
  t.ok(byId(messages, 'unkept-2')?.getChild('retract', NS));
  t.ok(byId(messages, 'unkept-1')?.getChild('retracted', NS));
  romeo.forget();
  await romeo.iq('get', `<inbox xmlns='urn:xmpp:inbox:1'/>`);
  const entry = romeo.pending((el, xml) => el.getChild('entry') !== undefined && xml.includes('unkept-1'));
  t.equal(entry.length, 1, 'the inbox still tells of it, as the last message');
  t.match(entry[0]?.xml, '<retracted');
  t.notMatch(entry[0]?.xml, 'secret once more');
});

t.test('corrections, reactions and replies are kept as they are; only replies are unread', async (t) => {
  const about: readonly [what: string, inner: string, unread: number][] = [
    ['a correction', `<body>corrected</body><replace xmlns='urn:xmpp:message-correct:0' id='orig'/>`, 0],
    ['a reaction', `<reactions xmlns='urn:xmpp:reactions:0' id='orig'><reaction>👋</reaction></reactions>`, 0],
    [
      'a reaction with a fallback',
      `<body>👋</body><reactions xmlns='urn:xmpp:reactions:0' id='orig'><reaction>👋</reaction></reactions>`,
      0,
    ],
    ['a reply', `<body>reply</body><reply xmlns='urn:xmpp:reply:0' to='juliet@localhost' id='orig'/>`, 1],
  ];
  const reader = await node.login('nurse', 'reader');
  for (const [what, inner, more] of about) {
    const before = Number((await unread(reader, 'romeo@localhost')) ?? 0);
    const id = nextId('about');
    const payload = /<(?:replace|reactions|reply) .*$/.exec(inner)?.[0] ?? 'none';
    const phone = await node.online('romeo', 'phone');
    await phone.iq('set', `<enable xmlns='urn:xmpp:carbons:2'/>`);
    romeo.send(chat('nurse', id, inner));
    t.ok((await phone.expectXml((_, xml) => xml.includes('urn:xmpp:carbons:2') && xml.includes(id))).includes(payload));
    await phone.close();
    await node.settle(romeo);
    t.equal(Number((await unread(reader, 'romeo@localhost')) ?? 0), before + more, `${what}: unread`);
    for (const client of [romeo, reader]) {
      const found = byId(await archive(client), id);
      t.ok(found, `${what}: in the archive of ${client.bare}`);
      t.match(found?.toString().replaceAll('"', "'"), payload.slice(0, payload.indexOf('>')));
    }
    const inRoom = nextId('about');
    romeo.send(`<message xmlns='jabber:client' to='${room}' type='groupchat' id='${inRoom}'>${inner}</message>`);
    await romeo.expect((el) => el.attrs['id'] === inRoom);
    t.ok(byId(await archive(romeo, room), inRoom), `${what}: in the room's archive`);
  }
  await reader.close();
});

t.test('what was taken back is gone from the state when the node starts again', async (t) => {
  await romeo.close();
  await node.restart();
  const { store } = node.node;
  let records = 0;
  for (let shard = 0; shard < 8; shard += 1) {
    for (const stream of ['m/juliet@localhost/romeo@localhost', `m/${room}`]) {
      for (const { record } of store.read(shard, stream, { from: 1, to: Infinity, limit: Infinity })) {
        records += 1;
        t.notMatch((record as MessageRecord).inner, 'secret');
      }
    }
  }
  t.ok(records > 15);
});
