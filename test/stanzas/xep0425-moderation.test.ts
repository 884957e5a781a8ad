import type { Element } from 'ltx';
import t from 'tap';
import { conditionOf } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';
import { archiveOf, create, enter, isMessage, roomJid, say } from '../harness/rooms.ts';

const node = await startTestNode(t);
const NS = 'urn:xmpp:message-moderate:1';
const NS_RETRACT = 'urn:xmpp:message-retract:1';
const room = roomJid('coven');
const crone = await node.online('crone', 'desktop');
const hag = await node.online('hag', 'pda');
await create(crone, room, 'crone');
await enter(hag, room, 'hag');

const moderate = (id: string): string =>
  `<moderate xmlns='${NS}' id='${id}'><retract xmlns='${NS_RETRACT}'/><reason>not here</reason></moderate>`;
const idOf = (message: Element): string => message.getChild('stanza-id', 'urn:xmpp:sid:0')?.attrs['id'] ?? '';
const isRetraction = (el: Element): boolean =>
  el.name === 'message' && el.getChild('retract', NS_RETRACT) !== undefined;

t.test('a room says that it can be asked', async (t) => {
  const info = await hag.iq('get', `<query xmlns='http://jabber.org/protocol/disco#info'/>`, room);
  t.ok(
    info
      .getChild('query')
      ?.getChildren('feature')
      .some(({ attrs }) => attrs['var'] === NS),
  );
});

t.test('a moderator takes back what somebody said, and everybody hears of it from the room', async (t) => {
  const said = await say(hag, room, 'free magic potions');
  await crone.expect(isMessage('free magic potions'));
  const answer = await crone.iq('set', moderate(idOf(said)), room);
  t.equal(answer.attrs['type'], 'result');
  for (const client of [crone, hag]) {
    const told = await client.expect(isRetraction);
    t.match(told.attrs, { from: room, type: 'groupchat' });
    const retract = told.getChild('retract', NS_RETRACT);
    t.equal(retract?.attrs['id'], idOf(said));
    t.equal(retract?.getChild('moderated', NS)?.attrs['by'], `${room}/crone`);
    t.ok(retract?.getChild('moderated', NS)?.getChild('occupant-id', 'urn:xmpp:occupant-id:0')?.attrs['id']);
    t.equal(retract?.getChildText('reason'), 'not here');
    t.equal(told.getChild('stanza-id', 'urn:xmpp:sid:0')?.attrs['by'], room, 'it is a message of the chat');
  }
  t.notOk((await archiveOf(hag, room)).bodies.includes('free magic potions'));
});

t.test('the archive has the tombstone in its place, and the room’s message', async (t) => {
  crone.forget();
  await crone.iq('set', `<query xmlns='urn:xmpp:mam:2'/>`, room);
  const messages = crone
    .pending((el) => el.getChild('result') !== undefined)
    .map(({ el }) => el.getChild('result')?.getChild('forwarded', 'urn:xmpp:forward:0')?.getChild('message'));
  const retracted = messages.map((message) => message?.getChild('retracted', NS_RETRACT)).filter((el) => el);
  t.equal(retracted.length, 1);
  t.equal(retracted[0]?.getChild('moderated', NS)?.attrs['by'], `${room}/crone`);
  t.equal(retracted[0]?.getChildText('reason'), 'not here');
  const retraction = messages.filter((message) => message !== undefined && isRetraction(message));
  t.equal(retraction.length, 1);
  t.equal(retraction[0]?.attrs['id'], retracted[0]?.attrs['id']);
});

t.test('who is no moderator is refused, and so is what is not there', async (t) => {
  const said = await say(crone, room, 'when shall we three meet again');
  const asked = async (client: typeof crone, payload: string) => conditionOf(await client.iq('set', payload, room));
  t.equal(await asked(hag, moderate(idOf(said))), 'forbidden');
  t.equal(await asked(crone, moderate('4711')), 'item-not-found');
  t.equal(await asked(crone, moderate('x')), 'item-not-found');
  t.equal(await asked(crone, `<moderate xmlns='${NS}' id='1'/>`), 'bad-request');
  t.equal(conditionOf(await crone.iq('set', moderate('1'), roomJid('nowhere'))), 'item-not-found');
  t.ok((await archiveOf(hag, room)).bodies.includes('when shall we three meet again'));
});

t.test('what is asked again is answered again and said once', async (t) => {
  const said = await say(hag, room, 'again');
  for (let n = 0; n < 3; n += 1) t.equal((await crone.iq('set', moderate(idOf(said)), room)).attrs['type'], 'result');
  await node.settle(hag);
  t.equal(hag.pending(isRetraction).length, 1);
});

t.test('a member who is away gets the tombstone and the room’s message', async (t) => {
  await crone.iq(
    'set',
    `<query xmlns='http://jabber.org/protocol/muc#admin'><item jid='hag@localhost' affiliation='member'/></query>`,
    room,
  );
  const said = await say(crone, room, 'secret while away');
  await hag.close();
  await crone.iq('set', moderate(idOf(said)), room);
  const back = await node.online('hag', 'pda');
  await enter(back, room, 'hag');
  await back.expect((el) => isRetraction(el) && el.getChild('retract')?.attrs['id'] === idOf(said));
  await node.settle(back);
  t.notMatch(
    back
      .pending('<message')
      .map(({ xml }) => xml)
      .join(''),
    'secret while away',
  );
});
