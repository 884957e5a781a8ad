import t from 'tap';
import { startTestNode } from '../harness/node.ts';
import { EVENT, Interested, itemsOf, payloadOf, publish } from '../harness/pubsub.ts';

const node = await startTestNode(t);
const NODE = 'urn:example:caps';

t.test('a client is asked once for its capabilities, whoever uses the same one next', async (t) => {
  const first = new Interested(await node.login('first', 'one'), [NODE]);
  await first.available();
  await node.settle(first.client);
  const second = new Interested(await node.login('second', 'one'), [NODE]);
  await second.available(false);
  await publish(second.client, NODE, { payload: payloadOf('mine') });
  t.match(itemsOf(await second.event(NODE)), [/=mine$/]);
  t.equal(second.client.pending('disco#info').length, 0);
  await second.client.close();
});

t.test('a stream that is resumed wants what it wanted', async (t) => {
  const client = await node.login('third', 'one');
  const id = await client.enable();
  const wants = new Interested(client, [NODE], 'other');
  await wants.available();
  await node.settle(client);
  const h = await client.ack();
  await client.cut();
  const publisher = await node.online('third', 'two');
  await publish(publisher, NODE, { payload: payloadOf('while away') });
  const back = await node.authenticated('third');
  back.send(`<resume xmlns='urn:xmpp:sm:3' previd='${id}' h='0'/>`);
  await back.expect('<resumed');
  t.match(itemsOf(await back.expect(EVENT)), [/=while away$/], 'what it missed');
  await publish(publisher, NODE, { payload: payloadOf('back') });
  t.match(itemsOf(await back.expect(/back</)), [/=back$/]);
  t.ok(h > 0);
  await publisher.close();
});

t.test('a client without capabilities is asked nothing and told nothing', async (t) => {
  const plain = await node.online('fourth', 'one');
  await publish(plain, NODE);
  await node.settle(plain);
  t.equal(plain.pending('disco#info').length + plain.pending(EVENT).length, 0);
  await plain.close();
});
