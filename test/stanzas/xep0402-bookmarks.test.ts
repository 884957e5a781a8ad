import t from 'tap';
import { startTestNode } from '../harness/node.ts';
import { EVENT, getItems, Interested, itemsOf, outcomeOf, PRIVATE, publish, pubsub } from '../harness/pubsub.ts';

const node = await startTestNode(t);
const BOOKMARKS = 'urn:xmpp:bookmarks:1';
const conference = (nick: string): string =>
  `<conference xmlns='${BOOKMARKS}' autojoin='true'><nick>${nick}</nick></conference>`;

t.test('devices of one user share bookmarks, live and after a restart; others are refused', async (t) => {
  const phone = await node.online('juliet', 'phone');
  const laptop = new Interested(await node.login('juliet', 'laptop'), [BOOKMARKS]);
  await laptop.available();
  await node.settle(laptop.client);
  for (const [id, nick] of [
    ['theplay@conference.localhost', 'JC'],
    ['orchard@conference.localhost', 'Jule'],
  ] as const) {
    t.equal(outcomeOf(await publish(phone, BOOKMARKS, { id, payload: conference(nick), options: PRIVATE })), 'result');
    t.same(itemsOf(await laptop.event(BOOKMARKS)), [`${id}=${nick}`]);
  }
  await phone.iq(
    'set',
    pubsub(`<retract node='${BOOKMARKS}' notify='true'><item id='theplay@conference.localhost'/></retract>`),
  );
  const gone = (await laptop.event(BOOKMARKS)).getChild('event')?.getChild('items')?.getChild('retract');
  t.equal(gone?.attrs['id'], 'theplay@conference.localhost');
  await node.restart();
  const back = new Interested(await node.login('juliet', 'laptop'), [BOOKMARKS]);
  await back.available();
  t.same(itemsOf(await getItems(back.client, BOOKMARKS)), ['orchard@conference.localhost=Jule']);
  await node.settle(back.client);
  t.equal(back.client.pending(EVENT).length, 0, 'nothing comes by itself');
  const other = await node.online('romeo', 'one');
  t.equal(outcomeOf(await getItems(other, BOOKMARKS, 'juliet@localhost')), 'not-allowed closed-node');
});
