import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { Readable, Writable } from 'node:stream';
import t, { type Test } from 'tap';
import { startS3 } from '../../test/harness/s3.ts';
import { begin, http } from '../../test/harness/upload.ts';
import { ManualClock } from '../base/clock.ts';
import { shortId } from '../base/ids.ts';
import { createLog } from '../base/log.ts';
import { Metrics } from '../base/metrics.ts';
import type { FileStore } from './file-store.ts';
import { openDiskStore } from './file-store-disk.ts';
import { openS3Store } from './file-store-s3.ts';
import { startHttpServer } from './server.ts';
import { type UploadOptions, Uploads } from './uploads.ts';

const DAY_MS = 86_400_000;
const OPTIONS: UploadOptions = {
  maxBytes: 10_000_000,
  quotaBytes: 1e9,
  quotaMs: DAY_MS,
  retentionDays: 30,
  slotMs: 300_000,
  uploadsMax: 4,
  uploadsPerUserMax: 4,
  downloadsMax: 4,
  idleTimeoutMs: 60_000,
  timeoutMs: 60_000,
  sweepMs: 3_600_000,
};

async function serving(t: Test, store: FileStore, more: Partial<UploadOptions> = {}) {
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const log = createLog({ level: 'trace', format: 'json' }, destination);
  const clock = new ManualClock(Date.now());
  const secret = 'a secret of sixteen bytes or more';
  const options = { ...OPTIONS, ...more };
  const uploads = new Uploads({ store, secret, options, clock, newRandom: () => shortId(26), log });
  const listen = { host: '127.0.0.1', port: 0, paths: ['/ws'], tlsCertFile: '', tlsKeyFile: '', trustedProxies: [] };
  const server = await startHttpServer({
    listen: { ...listen, allowedOrigins: ['*'], backlog: 16, headersTimeoutMs: 5000 },
    routes: {},
    raw: { '/upload/': uploads.route },
    onUpgrade: (_request, socket) => socket.destroy(),
    log,
    metrics: new Metrics(),
  });
  uploads.publicUrl = `http://127.0.0.1:${server.port}/upload`;
  t.teardown(async () => {
    await uploads.close(0);
    await server.close();
  });
  const put = async (body: string | Buffer, type = 'image/png') => {
    const file = { name: 'secret-name.png', bytes: body.length, type };
    const slot = await uploads.slot(file, 'romeo@localhost');
    return { slot, answer: await http(slot.put, { method: 'PUT', body, headers: { 'content-type': type } }) };
  };
  return { uploads, server, clock, lines, put };
}

const disk = (t: Test) => openDiskStore({ folder: t.testdir({}), totalBytesMax: 1e9, freeBytesMin: 0 });

/** A store with one thing changed. */
function but(store: FileStore, changed: Partial<FileStore>): FileStore {
  return {
    put: (...args) => store.put(...args),
    open: (id) => store.open(id),
    sweep: (day) => store.sweep(day),
    usage: () => store.usage(),
    hasRoom: (bytes) => store.hasRoom(bytes),
    close: () => store.close(),
    ...changed,
  };
}

t.test('a file is kept for its days, and then it is gone, swept or not', async (t) => {
  const { clock, put, uploads } = await serving(t, await disk(t), { retentionDays: 2 });
  const { slot, answer } = await put('12345');
  t.equal(answer.status, 201);
  clock.jumpWall(2 * DAY_MS);
  t.equal((await http(slot.get)).status, 200, 'two days later');
  t.match((await http(slot.get)).headers['cache-control'], /max-age=\d{1,5},/, 'and in caches no longer than here');
  clock.jumpWall(DAY_MS);
  t.equal((await http(slot.get)).status, 404);
  t.equal(uploads.stats().stored.files, 1);
  clock.advance(OPTIONS.sweepMs);
  await uploads.ready;
  t.equal(uploads.stats().stored.files, 0);
});

t.test('a store that cannot be swept is tried again, and until it is known there are no slots', async (t) => {
  const store = await disk(t);
  let broken = true;
  const flaky = but(store, {
    sweep: (day) => (broken ? Promise.reject(new Error('the bucket is away')) : store.sweep(day)),
    usage: () => (broken ? undefined : store.usage()),
  });
  const { uploads, clock, lines } = await serving(t, flaky);
  await uploads.ready;
  t.equal(uploads.refusal(1), 'unavailable');
  t.match(lines.join(''), /could not be swept/);
  broken = false;
  clock.advance(60_000);
  await uploads.ready;
  t.equal(uploads.refusal(1), undefined);
});

t.test('a store that fails is our fault, and the log says which, but no names and no bytes', async (t) => {
  const store = await disk(t);
  const failing = but(store, {
    put: async () => Promise.reject(new Error('disk on fire')),
    open: async () => Promise.reject(new Error('disk on fire')),
  });
  const { put, lines, uploads } = await serving(t, failing);
  const { slot, answer } = await put('body-of-the-file');
  t.equal(answer.status, 500);
  t.equal((await http(slot.get)).status, 500);
  const log = lines.join('');
  t.match(log, /disk on fire/);
  t.notMatch(log, /secret-name|body-of-the-file|m=|\d{5}-[a-z2-7]{26}/);
  t.same(uploads.stats().uploads, { failed: 1 });
});

t.test('the figures say what came of uploads', async (t) => {
  const { put, uploads } = await serving(t, await disk(t));
  const { slot } = await put('12345');
  await http(slot.put, { method: 'PUT', body: '12345', headers: { 'content-type': 'image/png' } });
  await http(slot.put, { method: 'PUT', body: '1234' });
  await http(slot.get, { method: 'PUT', body: '1234' });
  await http(slot.get.replace(/[^/]*\/[^/]*$/, 'x'), { method: 'PUT', body: '1234' });
  await http(slot.get, { headers: { range: 'bytes=1-3' } });
  const head = await http(slot.get, { method: 'HEAD', headers: { range: 'bytes=1-3' } });
  t.match(head, { status: 200, headers: { 'content-length': '5' } }, 'ranges are for GET');
  while (uploads.stats().running.downloads > 0) await new Promise((resolve) => setImmediate(resolve));
  t.match(uploads.stats(), {
    uploads: { stored: 1, used: 1, size: 1, signature: 2 },
    bytes: { received: 5, sent: 3 },
    running: { uploads: 0, downloads: 0 },
    stored: { files: 1 },
  });
});

t.test('downloads at once are bounded', async (t) => {
  const store = await disk(t);
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = but(store, {
    open: async (id) => {
      await held;
      return store.open(id);
    },
  });
  const { put, uploads } = await serving(t, slow, { downloadsMax: 2 });
  const { slot } = await put('12345');
  const waiting = [http(slot.get), http(slot.get)];
  while (uploads.stats().running.downloads < 2) await new Promise((resolve) => setImmediate(resolve));
  t.match(await http(slot.get), { status: 503, headers: { 'retry-after': /\d/ } });
  release();
  t.same(
    (await Promise.all(waiting)).map(({ status }) => status),
    [200, 200],
  );
});

/** What a file without an end is read from. */
const endlessly =
  (close: () => void): FileStore['open'] =>
  async () => ({
    facts: { name: 'secret-name.png', bytes: 1e12, type: 'image/png' },
    read: async () =>
      new Readable({
        read() {
          this.push(Buffer.alloc(65_536));
        },
      }),
    close: async () => close(),
  });

t.test('a download takes no longer than an upload may', async (t) => {
  let closed = 0;
  const open = endlessly(() => {
    closed += 1;
  });
  const { put, lines, uploads } = await serving(t, but(await disk(t), { open }), { timeoutMs: 200 });
  const { slot } = await put('12345');
  const asked = begin(slot.get, 'GET', {});
  const cut = new Promise((resolve) => asked.on('response', (response) => response.on('error', resolve).resume()));
  asked.end();
  t.match(await cut, { code: 'ECONNRESET' });
  while (uploads.stats().running.downloads > 0) await new Promise((resolve) => setImmediate(resolve));
  t.equal(closed, 1);
  t.notMatch(lines.join(''), /failed/);
});

t.test('a download that the client leaves is no fault, and closes its file', async (t) => {
  const store = await disk(t);
  let closed = 0;
  const open = endlessly(() => {
    closed += 1;
  });
  const endless = but(store, { open });
  const { put, lines, uploads } = await serving(t, endless);
  const { slot } = await put('12345');
  const asked = begin(slot.get, 'GET', {});
  asked.on('error', () => undefined);
  asked.on('response', (response) => response.once('data', () => asked.destroy()));
  asked.end();
  while (closed === 0) await new Promise((resolve) => setImmediate(resolve));
  while (uploads.stats().running.downloads > 0) await new Promise((resolve) => setImmediate(resolve));
  t.notMatch(lines.join(''), /failed/);
});

t.test('a client that asks before it sends is answered before it sends', async (t) => {
  const { uploads } = await serving(t, await disk(t));
  const slot = await uploads.slot({ name: 'a', bytes: 5, type: undefined }, 'romeo@localhost');
  const ask = (url: string) =>
    new Promise<string>((resolve, reject) => {
      const asked = begin(url, 'PUT', { 'content-length': 5, expect: '100-continue' });
      asked.on('continue', () => asked.end('12345'));
      asked.on('response', (response) => resolve(`${response.statusCode} ${response.headers.connection}`));
      asked.on('error', reject);
      asked.flushHeaders();
    });
  t.match(await ask(slot.get), /^403 close/, 'refused without the body; nobody knows whether it follows');
  t.match(await ask(slot.put), /^201 /);
});

t.test('a refused upload is answered, and what it goes on sending is bounded', async (t) => {
  const { uploads, server } = await serving(t, await disk(t));
  const slot = await uploads.slot({ name: 'a', bytes: 5_000_000, type: undefined }, 'romeo@localhost');
  const big = randomBytes(500_000);
  t.equal((await http(slot.put, { method: 'PUT', body: big })).status, 400, 'read to its end, and answered');
  let answer = '';
  const socket = connect(server.port, '127.0.0.1');
  const ended = new Promise((resolve) => socket.on('close', resolve));
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  socket.write('PUT /upload/x HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n');
  const flood = (): void => {
    while (!socket.destroyed && socket.write(Buffer.alloc(65_536)));
    socket.once('drain', flood);
  };
  flood();
  await ended;
  t.match(answer, /^HTTP\/1\.1 403 /);
});

t.test('with direct URLs the bytes go to the bucket and come from it', async (t) => {
  const s3 = await startS3(t);
  const store = openS3Store({
    ...s3,
    region: 'us-east-1',
    prefix: '',
    pathStyle: true,
    direct: true,
    conditional: true,
    totalBytesMax: 1e9,
  });
  const { put, uploads, server } = await serving(t, store);
  await uploads.ready;
  const { slot, answer } = await put('<script>', 'text/html');
  t.equal(answer.status, 200);
  t.ok(slot.put.startsWith(s3.endpoint) && slot.get.startsWith(`http://127.0.0.1:${server.port}/upload/`));
  t.same(uploads.origins, [`http://127.0.0.1:${server.port}`, s3.endpoint]);
  const sent = await http(slot.get);
  t.match(sent, { status: 302, headers: { 'cache-control': 'no-store', 'access-control-allow-origin': '*' } });
  const got = await http(String(sent.headers.location), { headers: { range: 'bytes=1-3' } });
  t.match([got.status, String(got.body)], [206, 'scr']);
  t.match(got.headers, {
    'content-type': 'application/octet-stream',
    'content-disposition': 'attachment; filename=secret-name.png',
  });
  t.match(await http(slot.get, { method: 'HEAD' }), { status: 200, headers: { 'content-length': '8' } });
  const none = await uploads.slot({ name: 'a', bytes: 1, type: undefined }, 'romeo@localhost');
  t.equal((await http(none.get)).status, 404);
  t.equal((await http(none.get, { method: 'PUT', body: '1' })).status, 403, 'nothing is put here');
});

t.test('through the node, a bucket works as a disk does', async (t) => {
  const s3 = await startS3(t);
  const store = openS3Store({
    ...s3,
    region: 'us-east-1',
    prefix: 'x/',
    pathStyle: true,
    direct: false,
    conditional: true,
    totalBytesMax: 1e9,
  });
  const { put } = await serving(t, store);
  const photo = randomBytes(3_000_000);
  const { slot, answer } = await put(photo);
  t.equal(answer.status, 201);
  t.equal((await http(slot.put, { method: 'PUT', body: photo, headers: { 'content-type': 'image/png' } })).status, 409);
  t.ok((await http(slot.get)).body.equals(photo));
  t.ok((await http(slot.get, { headers: { range: 'bytes=-7' } })).body.equals(photo.subarray(-7)));
  t.equal((await http(slot.get.replace('secret-name', 'another'))).status, 404);
  await s3.stop();
  t.equal((await http(slot.get)).status, 500);
  t.equal((await put(photo)).answer.status, 500);
});

t.test('once it is closed it gives and takes nothing', async (t) => {
  const { put, uploads } = await serving(t, await disk(t));
  await uploads.close(0);
  t.equal(uploads.refusal(1), 'unavailable');
  t.match((await put('12345')).answer, { status: 503, headers: { 'retry-after': /\d/ } });
});
