import t from 'tap';
import { startTestNode } from '../harness/node.ts';
import { befriend, getItems, Interested, itemsOf, outcomeOf, payloadOf, publish } from '../harness/pubsub.ts';

const node = await startTestNode(t);
const SHOWN = 'urn:example:shown';
const PUBLIC = { persist_items: 'true', access_model: 'open', max_items: 'max', send_last_published_item: 'never' };

t.test('what is public is heard of by contacts, read by everybody, and survives', async (t) => {
  const juliet = await node.online('juliet', 'one');
  const friend = await node.online('romeo', 'plain');
  await befriend(juliet, friend);
  const romeo = new Interested(await node.login('romeo', 'phone'), [SHOWN]);
  await romeo.available();
  await node.settle(romeo.client);
  for (const id of ['1', '2']) {
    const publication = { id, payload: payloadOf(id), options: PUBLIC };
    t.equal(outcomeOf(await publish(juliet, SHOWN, publication)), 'result');
    t.same(itemsOf(await romeo.event(SHOWN)), [`${id}=${id}`]);
  }
  await node.restart();
  const stranger = await node.online('stranger', 'one');
  t.same(itemsOf(await getItems(stranger, SHOWN, 'juliet@localhost')), ['1=1', '2=2']);
});
