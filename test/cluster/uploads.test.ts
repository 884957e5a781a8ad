import { randomBytes } from 'node:crypto';
import t from 'tap';
import type { ConfigOverrides } from '../../src/config.ts';
import { conditionOf } from '../harness/client.ts';
import { natsForTest } from '../harness/nats.ts';
import { startTestNode, type TestNode, until } from '../harness/node.ts';
import { startS3 } from '../harness/s3.ts';
import { askSlot, http, slotOf } from '../harness/upload.ts';

/** Files in a real cluster of two nodes. */
const nats = await natsForTest(t);
const s3 = await startS3(t);
process.env['AWS_ACCESS_KEY_ID'] = s3.credentials.accessKeyId;
process.env['AWS_SECRET_ACCESS_KEY'] = s3.credentials.secretAccessKey;

/** Two nodes that lead half of the shards each, or will. */
async function twoNodes(name: string, upload: ConfigOverrides['upload']): Promise<[TestNode, TestNode]> {
  const natsUrls = nats?.urls ?? [];
  const start = (id: string): Promise<TestNode> =>
    startTestNode(t, {
      node: { id },
      cluster: { name, natsUrls, natsReplicas: 1, copies: 2, bootstrapNodes: 2 },
      upload,
    });
  const nodes = await Promise.all([start('node-a'), start('node-b')]);
  const isReady = async ({ node }: TestNode): Promise<boolean> =>
    (await http(`http://127.0.0.1:${node.port}/readyz`)).status === 200;
  await until('both to be ready', async () => (await isReady(nodes[0])) && (await isReady(nodes[1])));
  return nodes;
}

t.test('with a bucket, any node gives slots, takes and serves files', { skip: nats === undefined }, async (t) => {
  const upload = { store: 's3', s3Bucket: s3.bucket, s3Endpoint: s3.endpoint, secret: 'the same on both' } as const;
  const nodes = await twoNodes('with-bucket', upload);
  const users = ['romeo', 'juliet', 'nurse', 'paris'];
  await nodes[0].users(...users);
  for (const [i, user] of users.entries()) {
    // The session, which gives the slot, is wherever its shard is led.
    const client = await nodes[i % 2]!.connect();
    await client.authenticate(user, 'wherefore art thou');
    await client.bind();
    const hasSlots = async (): Promise<boolean> => (await askSlot(client, { size: 1 })).attrs['type'] === 'result';
    await until('a slot', hasSlots);
    const photo = randomBytes(100_000);
    const slot = await slotOf(client, { size: photo.length });
    const at = (node: TestNode, url: string): string => url.replace(/:\d+\//, `:${node.node.port}/`);
    const [there, here] = [nodes[(i + 1) % 2]!, nodes[i % 2]!];
    t.equal((await http(at(there, slot.put), { method: 'PUT', body: photo })).status, 201, user);
    for (const node of [there, here]) t.ok((await http(at(node, slot.get))).body.equals(photo));
    t.equal((await http(at(here, slot.put), { method: 'PUT', body: photo })).status, 409, 'once in the whole cluster');
  }
});

t.test('with files on disks there is no such service', { skip: nats === undefined }, async (t) => {
  const [one] = await twoNodes('without-bucket', { store: 'disk' });
  const romeo = await one.login('romeo');
  t.equal(conditionOf(await askSlot(romeo, { size: 1 })), 'remote-server-not-found');
  t.equal((await http(`http://127.0.0.1:${one.node.port}/upload/x`)).status, 404);
});
