import t from 'tap';
import { startTestNode } from '../harness/node.ts';
import { befriend, EVENT, getItems, Interested, itemsOf, outcomeOf, payloadOf, publish } from '../harness/pubsub.ts';

const node = await startTestNode(t);
const PRIVATE = {
  persist_items: 'true',
  access_model: 'whitelist',
  max_items: 'max',
  send_last_published_item: 'never',
};
const SECRET = 'urn:example:secret';

t.test('what is private is seen by the owner’s devices alone, and survives', async (t) => {
  const juliet = await node.online('juliet', 'one');
  const friend = await node.online('romeo', 'plain');
  await befriend(juliet, friend);
  const other = new Interested(await node.login('juliet', 'two'), [SECRET]);
  const romeo = new Interested(await node.login('romeo', 'nosy'), [SECRET], 'phone');
  await other.available();
  await romeo.available();
  await node.settle(other.client, romeo.client);
  for (const id of ['1', '2']) {
    await publish(juliet, SECRET, { id, payload: payloadOf(id), options: PRIVATE });
    t.same(itemsOf(await other.event(SECRET)), [`${id}=${id}`]);
  }
  await node.settle(romeo.client);
  t.equal(romeo.client.pending(EVENT).length, 0);
  await node.restart();
  const again = await node.online('juliet', 'one');
  t.same(itemsOf(await getItems(again, SECRET)), ['1=1', '2=2']);
  const stranger = await node.online('stranger', 'one');
  t.equal(outcomeOf(await getItems(stranger, SECRET, 'juliet@localhost')), 'not-allowed closed-node');
});

t.test('what is meant to be private does not go to a node that is not', async (t) => {
  const juliet = await node.online('careful', 'one');
  await publish(juliet, SECRET, { id: 'i' });
  t.equal(outcomeOf(await publish(juliet, SECRET, { id: 'j', options: PRIVATE })), 'conflict precondition-not-met');
  t.same(itemsOf(await getItems(juliet, SECRET)), ['i=x']);
});
