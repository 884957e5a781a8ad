import { randomBytes } from 'node:crypto';
import t from 'tap';
import type { ConfigOverrides } from '../../src/config.ts';
import { conditionOf } from '../harness/client.ts';
import { startTestNode, type TestNode, until } from '../harness/node.ts';
import { startS3 } from '../harness/s3.ts';
import { askSlot, http, NS_UPLOAD, slotOf } from '../harness/upload.ts';

/** XEP-0363 with the files in a bucket, as nodes of a cluster have them. */
const s3 = await startS3(t);
// Where the SDK finds its keys.
process.env['AWS_ACCESS_KEY_ID'] = s3.credentials.accessKeyId;
process.env['AWS_SECRET_ACCESS_KEY'] = s3.credentials.secretAccessKey;

const bucketOf = (more: ConfigOverrides['upload'] = {}): ConfigOverrides => ({
  upload: { store: 's3', s3Bucket: s3.bucket, s3Endpoint: s3.endpoint, secret: 'the same on all nodes', ...more },
});

/** The slots of a node that has heard of its bucket. */
async function ready(node: TestNode): Promise<TestNode> {
  const romeo = await node.login('romeo', 'waiting');
  await until('the bucket to answer', async () => (await askSlot(romeo, { size: 1 })).attrs['type'] === 'result');
  await romeo.close();
  return node;
}

const at = (node: TestNode, url: string): string =>
  url.replace(/^http:\/\/127\.0\.0\.1:\d+/, `http://127.0.0.1:${node.node.port}`);

t.test('a slot of one node is used at another, and the file is at both', async (t) => {
  const [one, two] = [await startTestNode(t, bucketOf()), await startTestNode(t, bucketOf())];
  await ready(one);
  const photo = randomBytes(2_000_000);
  const slot = await slotOf(await one.login('romeo'), { size: photo.length, type: 'image/jpeg' });
  const put = (node: TestNode) =>
    http(at(node, slot.put), { method: 'PUT', body: photo, headers: { 'content-type': 'image/jpeg' } });
  t.equal((await put(two)).status, 201);
  t.equal((await put(one)).status, 409);
  for (const node of [one, two]) {
    const got = await http(at(node, slot.get), { headers: { range: 'bytes=100-199' } });
    t.equal(got.status, 206);
    t.ok(got.body.equals(photo.subarray(100, 200)));
  }
  const stranger = await startTestNode(t, bucketOf({ secret: 'another secret altogether' }));
  t.equal((await put(stranger)).status, 403, 'nodes with another secret take no slot of theirs');
});

t.test('with s3Direct the bytes never touch the node', async (t) => {
  const node = await ready(await startTestNode(t, bucketOf({ s3Direct: true })));
  const slot = await slotOf(await node.login('romeo'), { size: 5, type: 'image/jpeg' });
  t.ok(slot.put.startsWith(`${s3.endpoint}/files/rookery/`), slot.put);
  const put = (body: string) => http(slot.put, { method: 'PUT', body, headers: { 'content-type': 'image/jpeg' } });
  t.equal((await put('123456')).status, 403, 'the size is signed');
  t.equal((await put('12345')).status, 200);
  const { status, headers } = await http(slot.get);
  t.equal(status, 302);
  t.match(await http(String(headers.location)), { status: 200, headers: { 'content-type': 'image/jpeg' } });
});

t.test('while the bucket has not answered there are no slots, and chat goes on', async (t) => {
  const node = await startTestNode(t, bucketOf({ s3Endpoint: 'http://127.0.0.1:1' }));
  const romeo = await node.login('romeo');
  const answer = await askSlot(romeo, { size: 1 });
  t.equal(conditionOf(answer), 'resource-constraint');
  t.ok(answer.getChild('error')?.getChild('retry', NS_UPLOAD));
  await romeo.sync();
});
