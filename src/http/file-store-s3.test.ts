import { type AddressInfo, createServer } from 'node:net';
import t, { type Test } from 'tap';
import { factsOf, fileStoreContract, streamOf, testId } from '../../test/contract/file-store.ts';
import { type S3ForTest, startS3 } from '../../test/harness/s3.ts';
import { openS3Store } from './file-store-s3.ts';

const never = (): AbortSignal => new AbortController().signal;
const places = new Map<Test, Promise<S3ForTest>>();

/** One bucket for each test, made at the first question. */
async function storeFor(t: Test, more: Partial<Parameters<typeof openS3Store>[0]> = {}) {
  const place = places.get(t) ?? startS3(t);
  places.set(t, place);
  const store = openS3Store({
    ...(await place),
    region: 'us-east-1',
    prefix: 'rookery/',
    pathStyle: true,
    direct: false,
    conditional: true,
    totalBytesMax: 1_000_000_000,
    ...more,
  });
  t.teardown(() => store.close());
  return store;
}

t.test('the contract', async (t) => {
  await fileStoreContract(t, (t, { totalBytesMax }) => storeFor(t, { totalBytesMax }));
});

t.test('of two nodes that put the same at the same moment one is first', async (t) => {
  const stores = [await storeFor(t), await storeFor(t)];
  const id = testId();
  const put = stores.map((store, i) => {
    const bytes = Buffer.from(`of node ${i}`);
    return store.put(id, factsOf(bytes), streamOf(bytes), never());
  });
  t.same((await Promise.all(put)).sort(), ['exists', 'stored']);
});

t.test('a service that knows no conditions is not asked for any', async (t) => {
  const store = await storeFor(t, { conditional: false });
  const bytes = Buffer.from('12345');
  t.equal(await store.put(testId(), factsOf(bytes), streamOf(bytes), never()), 'stored');
  t.same((await places.get(t))?.conditions, []);
});

t.test('what is in it is not known before the first sweep, and what is none of ours is left alone', async (t) => {
  const store = await storeFor(t);
  t.equal(store.usage(), undefined);
  await store.sweep(0);
  t.same(store.usage(), { files: 0, bytes: 0 });
  const foreign = await storeFor(t, { prefix: 'rookery/x' });
  const bytes = Buffer.from('of others');
  await foreign.put(testId(0), factsOf(bytes), streamOf(bytes), never());
  await store.sweep(99_999);
  await foreign.sweep(0);
  t.equal(foreign.usage()?.files, 1);
});

t.test('a wrong key, and a service that is gone, are errors', async (t) => {
  const s3 = await startS3(t);
  places.set(t, Promise.resolve(s3));
  const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'wrong' };
  await t.rejects((await storeFor(t, { credentials })).sweep(0), /signature/i);
  const store = await storeFor(t);
  await s3.stop();
  await t.rejects(store.sweep(0), /ECONNREFUSED/);
  await t.rejects(store.open(testId()), /ECONNREFUSED/);
  t.equal(store.usage(), undefined);
});

t.test('a service that says nothing holds up no stop', async (t) => {
  const mute = createServer();
  const asked = new Promise((resolve) => mute.once('connection', resolve));
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void mute.close());
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
  const endpoint = `http://127.0.0.1:${(mute.address() as AddressInfo).port}`;
  places.set(t, Promise.resolve({ ...(await startS3(t)), endpoint }));
  const store = await storeFor(t, { endpoint, credentials });
  const sweep = store.sweep(0);
  await asked;
  await store.close();
  await t.rejects(sweep, { name: 'AbortError' });
});

t.test('direct URLs: the client puts and gets itself, size and type are signed', async (t) => {
  const store = await storeFor(t, { direct: true });
  const { direct } = store;
  if (direct === undefined) throw new Error('no direct URLs');
  const id = testId();
  const url = await direct.put(id, { bytes: 5, type: 'image/png' }, 300);
  t.equal(new URL(url).origin, direct.origin);
  t.match(new URL(url).searchParams.get('X-Amz-SignedHeaders'), /^content-length;content-type;host$/);
  t.equal(new URL(url).searchParams.get('X-Amz-Expires'), '300');
  const put = (body: string, type: string, to = url) =>
    fetch(to, { method: 'PUT', body, headers: { 'content-type': type } }).then(({ status }) => status);
  t.equal(await put('12345', 'text/html'), 403, 'another type');
  t.equal(await put('123456', 'image/png'), 403, 'another size');
  t.equal(await put('12345', 'image/png', url.replace(id, testId())), 403, 'another place');
  t.equal(await store.open(id), undefined);
  t.equal(await put('12345', 'image/png'), 200);
  t.same((await store.open(id))?.facts, { name: undefined, bytes: 5, type: 'image/png' });

  const headers = { type: 'application/octet-stream', disposition: 'attachment; filename=a', cacheControl: 'private' };
  const got = await fetch(await direct.get(id, headers, 60));
  t.equal(await got.text(), '12345');
  t.equal(got.headers.get('content-type'), 'application/octet-stream');
  t.equal(got.headers.get('content-disposition'), 'attachment; filename=a');
  t.equal((await fetch(`${direct.origin}/files/rookery/${id.slice(0, 5)}/${id}`)).status, 403, 'unsigned');

  const any = testId();
  t.equal(await put('123', 'x/y', await direct.put(any, { bytes: 3, type: undefined }, 300)), 200, 'any type');
});

t.test('direct URLs of a bucket that is a host', async (t) => {
  const { direct } = await storeFor(t, {
    direct: true,
    pathStyle: false,
    endpoint: 'https://s3.example:444',
    bucket: 'media',
  });
  t.equal(direct?.origin, 'https://media.s3.example:444');
  t.equal(new URL((await direct?.put(testId(), { bytes: 1, type: undefined }, 1)) ?? '').origin, direct?.origin);
  const aws = await storeFor(t, { direct: true, pathStyle: false, endpoint: '', region: 'eu-west-1', bucket: 'media' });
  t.equal(
    new URL((await aws.direct?.put(testId(), { bytes: 1, type: undefined }, 1)) ?? '').origin,
    aws.direct?.origin,
  );
});
