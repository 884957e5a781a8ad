import t from 'tap';
import { startTestNode } from '../harness/node.ts';

const node = await startTestNode(t);
t.test('smoke', async (t) => {
  const romeo = await node.online('romeo', 'orchard');
  t.equal(romeo.jid, 'romeo@localhost/orchard');
  await node.settle(romeo);
  await romeo.close();
});
