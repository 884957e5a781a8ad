import t from 'tap';
import { type Client, conditionOf } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';
import { getItems, Interested, itemsOf, outcomeOf, PRIVATE, publish, pubsub } from '../harness/pubsub.ts';
import { administer, create, roomJid } from '../harness/rooms.ts';

/** Bookmarks in the node and in private XML are the same ones (XEP-0402 5.3, `#compat`). */

const node = await startTestNode(t, { limits: { privateItemsMax: 3, privateBytesMax: 50_000 } });
const BOOKMARKS = 'urn:xmpp:bookmarks:1';
const PRIVATE_XML = 'jabber:iq:private';
const LIST = 'storage:bookmarks';
const play = 'theplay@conference.localhost';
const cave = 'cave@conference.localhost';

async function list(client: Client): Promise<string> {
  const answer = await client.iq('get', `<query xmlns='${PRIVATE_XML}'><storage xmlns='${LIST}'/></query>`);
  return String(answer.getChild('query', PRIVATE_XML)?.getChildElements()[0] ?? conditionOf(answer));
}
const setList = (client: Client, inner: string) =>
  client.iq('set', `<query xmlns='${PRIVATE_XML}'><storage xmlns='${LIST}'>${inner}</storage></query>`);

t.test('the account says so', async (t) => {
  const romeo = await node.online('romeo', 'r');
  const info = await romeo.iq('get', `<query xmlns='http://jabber.org/protocol/disco#info'/>`, romeo.bare);
  t.match(info.toString(), `${BOOKMARKS}#compat`);
});

t.test('an item is in the list, a list becomes items; what did not change is no news', async (t) => {
  const phone = await node.online('juliet', 'phone');
  const laptop = new Interested(await node.login('juliet', 'laptop'), [BOOKMARKS]);
  await laptop.available();
  await node.settle(laptop.client);
  t.equal(await list(phone), `<storage xmlns="${LIST}"/>`);
  const payload = `<conference xmlns='${BOOKMARKS}' name='A &amp; B' autojoin='1'><nick>J&lt;C</nick><extensions><pin xmlns='x:pin'/></extensions></conference>`;
  t.equal(outcomeOf(await publish(phone, BOOKMARKS, { id: play, payload, options: PRIVATE })), 'result');
  await laptop.event(BOOKMARKS);
  const first = `<conference name="A &amp; B" jid="${play}" autojoin="true"><nick>J&lt;C</nick></conference>`;
  t.equal(await list(phone), `<storage xmlns="${LIST}">${first}</storage>`);
  const second = `<conference jid='CAVE@conference.localhost' autojoin='false'><password>p</password></conference>`;
  const link = `<url name="Verona" url="https://verona.example/"/>`;
  t.equal((await setList(phone, `${first}${second}${link}<conference jid='@'/>`)).attrs['type'], 'result');
  t.same(itemsOf(await laptop.event(BOOKMARKS)).length, 1, 'of the new one alone');
  await node.settle(laptop.client);
  t.equal(laptop.client.pending((el) => el.getChild('event') !== undefined).length, 0);
  t.equal(
    await list(phone),
    `<storage xmlns="${LIST}">${first}<conference jid="${cave}"><password>p</password></conference>${link}<conference jid="@"/></storage>`,
  );
  const renamed = `<conference name='Play' jid='${play}'><nick>J&lt;C</nick></conference>`;
  await setList(phone, renamed);
  const events = [await laptop.event(BOOKMARKS), await laptop.event(BOOKMARKS)].map(String).join('');
  t.match(events, /<pin xmlns="x:pin"/, 'what only the item says stays');
  t.match(events, `<retract id="${cave}"/>`);
  t.equal(
    await list(phone),
    `<storage xmlns="${LIST}"><conference name="Play" jid="${play}"><nick>J&lt;C</nick></conference></storage>`,
  );
  await phone.iq('set', pubsub(`<retract node='${BOOKMARKS}'><item id='${play}'/></retract>`));
  t.equal(await list(phone), `<storage xmlns="${LIST}"/>`);
});

t.test('what the server writes for a new member is seen by clients of either kind, over a restart', async (t) => {
  const owner = await node.online('owner', 'o');
  const friend = await node.online('friend', 'f');
  const room = roomJid('circle');
  await create(owner, room, 'o', { membersonly: '1', roomname: 'Circle' });
  await administer(owner, room, `<item jid='${friend.bare}' affiliation='member'/>`);
  await friend.expect((el) => el.attrs['from'] === room);
  await node.settle(friend);
  const want = `<conference name="Circle" jid="${room}" autojoin="true"><nick>friend</nick></conference>`;
  t.equal(await list(friend), `<storage xmlns="${LIST}">${want}</storage>`);
  await node.restart();
  const again = await node.login('friend', 'f');
  t.equal(await list(again), `<storage xmlns="${LIST}">${want}</storage>`);
  t.same(itemsOf(await getItems(again, BOOKMARKS)).length, 1);
});

t.test('too many bookmarks for one answer are no list, and none is lost', async (t) => {
  const client = await node.online('collector', 'c');
  const nick = 'x'.repeat(100_000);
  for (let i = 0; i < 6; i++) {
    const payload = `<conference xmlns='${BOOKMARKS}'><nick>${nick}</nick></conference>`;
    await publish(client, BOOKMARKS, { id: `r${i}@conference.localhost`, payload });
  }
  t.equal(await list(client), 'policy-violation');
  t.equal(conditionOf(await setList(client, '')), 'policy-violation');
});
