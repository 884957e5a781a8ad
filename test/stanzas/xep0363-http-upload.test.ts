import { randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { conditionOf } from '../harness/client.ts';
import { startTestNode, until } from '../harness/node.ts';
import { askSlot, begin, http, NS_UPLOAD, slotOf } from '../harness/upload.ts';

/** XEP-0363: a slot by stanza, a file by HTTP, over real sockets and a real disk. */
const MIB = 1_048_576;
const SMALL = { maxBytes: 12 * MIB, quotaBytes: 1024 * MIB, totalBytesMax: 1024 * MIB, freeBytesMin: 0 };
const node = await startTestNode(t, { upload: SMALL });
const JPEG = 'image/jpeg';

const put = (url: string, body: Buffer | string, type: string | undefined = JPEG) =>
  http(url, { method: 'PUT', body, headers: type === undefined ? {} : { 'content-type': type } });

/** Uploaded, and the URL to get it from. */
async function uploaded(body: Buffer, name = 'photo.jpg', type = JPEG): Promise<string> {
  const romeo = await node.login('romeo');
  const slot = await slotOf(romeo, { name, size: body.length, type });
  const answer = await put(slot.put, body, type);
  if (answer.status !== 201) throw new Error(`${answer.status} ${answer.body}`);
  await romeo.close();
  return slot.get;
}

t.test('a client finds the service and its limit', async (t) => {
  const romeo = await node.login('romeo');
  const items = await romeo.iq('get', `<query xmlns='http://jabber.org/protocol/disco#items'/>`, 'localhost');
  t.match(items.toString(), /<item jid="upload\.localhost"/);
  const info = await romeo.iq('get', `<query xmlns='http://jabber.org/protocol/disco#info'/>`, 'upload.localhost');
  t.equal(info.attrs['from'], 'upload.localhost');
  const query = info.getChild('query');
  t.match(query?.getChild('identity')?.attrs, { category: 'store', type: 'file' });
  const field = query?.getChild('x')?.getChildren('field') ?? [];
  t.equal(field.find((one) => one.attrs['var'] === 'max-file-size')?.getChildText('value'), String(12 * MIB));
});

t.test('a photo goes up, and comes down as it was, whole and in parts', async (t) => {
  const romeo = await node.login('romeo');
  const photo = randomBytes(10 * MIB);
  const slot = await slotOf(romeo, { name: 'très cool.jpg', size: photo.length, type: JPEG });
  t.match(slot.get, /^http:\/\/127\.0\.0\.1:\d+\/upload\/\d{5}-[a-z2-7]{26}\/tr%C3%A8s%20cool\.jpg$/);
  t.ok(slot.put.startsWith(`${slot.get}?`));
  t.equal((await http(slot.get)).status, 404, 'nothing before the upload');
  const answer = await put(slot.put, photo);
  t.match(answer, { status: 201, headers: { 'access-control-allow-origin': '*' } });

  const got = await http(slot.get);
  t.equal(got.status, 200);
  t.ok(got.body.equals(photo));
  t.match(got.headers, {
    'content-type': JPEG,
    'content-disposition': /^inline; filename="tr.s cool\.jpg"; filename\*=UTF-8''tr%C3%A8s%20cool\.jpg$/,
    'cache-control': /^private, max-age=\d{7}, immutable$/,
    'content-security-policy': /^default-src 'none';.* sandbox;/,
    'x-content-type-options': 'nosniff',
  });
  const part = await http(slot.get, { headers: { range: 'bytes=1000-1999' } });
  t.equal(part.status, 206);
  t.equal(part.headers['content-range'], `bytes 1000-1999/${photo.length}`);
  t.ok(part.body.equals(photo.subarray(1000, 2000)));
  const beyond = await http(slot.get, { headers: { range: `bytes=${photo.length}-` } });
  t.match(beyond, { status: 416, headers: { 'content-range': `bytes */${photo.length}` } });
  const head = await http(slot.get, { method: 'HEAD' });
  t.match(head, { status: 200, headers: { 'content-length': String(photo.length) }, body: { length: 0 } });
  const known = await http(slot.get, { headers: { 'if-none-match': String(got.headers.etag) } });
  t.match(known, { status: 304, body: { length: 0 } });
});

t.test('a slot is used once', async (t) => {
  const romeo = await node.login('romeo');
  const slot = await slotOf(romeo, { size: 5 });
  t.equal((await put(slot.put, 'first')).status, 201);
  t.equal((await put(slot.put, 'other')).status, 409);
  t.equal(String((await http(slot.get)).body), 'first');
});

t.test('an upload is what its slot is for: size, type, name and time', async (t) => {
  const romeo = await node.login('romeo');
  const slot = await slotOf(romeo, { size: 5, type: JPEG });
  const table: [what: string, status: number, url: string, body: string, type?: string][] = [
    ['too short', 400, slot.put, '1234'],
    ['too long', 400, slot.put, '123456'],
    ['another type', 415, slot.put, '12345', 'text/html'],
    ['no signature', 403, slot.get, '12345'],
    ['another size in the URL', 403, slot.put.replace('s=5', 's=6'), '123456'],
    ['another name', 403, slot.put.replace('photo.jpg', 'photo.html'), '12345'],
  ];
  for (const [what, status, url, body, type] of table) t.equal((await put(url, body, type)).status, status, what);
  const untyped = await http(slot.put, { method: 'PUT', body: '12345' });
  t.equal(untyped.status, 415, 'no type');
  const chunked = await http(slot.put, { method: 'PUT', body: '12345', headers: { 'transfer-encoding': 'chunked' } });
  t.ok([400, 411].includes(chunked.status), `no length: ${chunked.status}`);
  t.equal((await http(slot.get)).status, 404, 'nothing of it is there');
  t.equal((await put(slot.put, '12345', 'IMAGE/JPEG; q=1')).status, 201, 'and the slot is still good');
});

t.test('a slot expires', async (t) => {
  const brief = await startTestNode(t, { upload: { ...SMALL, slotSeconds: 1 } });
  const slot = await slotOf(await brief.login('romeo'), { size: 5, type: JPEG });
  const expires = Number(new URL(slot.put).searchParams.get('e'));
  await until('the slot to expire', () => Date.now() >= expires);
  const answer = await put(slot.put, '12345');
  t.match([answer.status, String(answer.body)], [403, /expired/]);
});

t.test('a file that is too large gets the limit', async (t) => {
  const romeo = await node.login('romeo');
  const answer = await askSlot(romeo, { size: 12 * MIB + 1 });
  t.equal(conditionOf(answer), 'not-acceptable');
  const error = answer.getChild('error');
  t.equal(error?.attrs['type'], 'modify');
  t.equal(error?.getChild('file-too-large', NS_UPLOAD)?.getChildText('max-file-size'), String(12 * MIB));
  for (const size of ['0', '-5', 'x', '']) t.equal(conditionOf(await askSlot(romeo, { size })), 'bad-request', size);
});

t.test('over the quota a user is told when to come back, and others are not in the way', async (t) => {
  const tight = await startTestNode(t, { upload: { ...SMALL, maxBytes: 100_000, quotaBytes: 200_000 } });
  const romeo = await tight.login('romeo');
  await slotOf(romeo, { size: 100_000 });
  await slotOf(romeo, { size: 100_000 });
  const answer = await askSlot(romeo, { size: 1 });
  t.equal(conditionOf(answer), 'resource-constraint');
  t.equal(answer.getChild('error')?.attrs['type'], 'wait');
  const stamp = Date.parse(answer.getChild('error')?.getChild('retry', NS_UPLOAD)?.attrs['stamp'] ?? '');
  t.ok(stamp > Date.now() && stamp <= Date.now() + 25 * 3_600_000);
  await slotOf(await tight.login('juliet'), { size: 100_000 });
  await tight.restart();
  t.equal(conditionOf(await askSlot(await tight.login('romeo'), { size: 1 })), 'resource-constraint', 'nor forgotten');
});

t.test('a store without room gives no slots, and a slot from before is refused', async (t) => {
  const full = await startTestNode(t, { upload: { ...SMALL, maxBytes: 100_000, totalBytesMax: 150_000 } });
  const romeo = await full.login('romeo');
  const [one, two] = [await slotOf(romeo, { size: 100_000 }), await slotOf(romeo, { size: 100_000 })];
  t.equal((await put(one.put, randomBytes(100_000))).status, 201);
  t.equal((await put(two.put, randomBytes(100_000))).status, 507);
  t.equal((await http(two.get)).status, 404);
  const answer = await askSlot(romeo, { size: 100_000 });
  t.equal(conditionOf(answer), 'resource-constraint');
  t.ok(answer.getChild('error')?.getChild('retry', NS_UPLOAD));
});

t.test('an upload that breaks off leaves nothing, and can be begun again', async (t) => {
  const romeo = await node.login('romeo');
  const slot = await slotOf(romeo, { size: 1000, type: JPEG });
  const tmp = join(node.node.config.node.dataDir, 'uploads', 'tmp');
  const half = begin(slot.put, 'PUT', { 'content-type': JPEG, 'content-length': 1000 });
  half.on('error', () => undefined);
  half.write(Buffer.alloc(500));
  await until('half of it to be on disk', () => readdirSync(tmp).some((name) => statSync(join(tmp, name)).size > 500));
  t.equal((await http(slot.get)).status, 404, 'not visible while it comes');
  t.equal((await put(slot.put, Buffer.alloc(1000))).status, 409, 'nor doubled');
  half.destroy();
  await until('the half to be gone', () => readdirSync(tmp).length === 0);
  t.equal((await http(slot.get)).status, 404);
  t.equal((await put(slot.put, Buffer.alloc(1000))).status, 201);
});

t.test('a file is there after a restart, and so is a slot', async (t) => {
  const other = await startTestNode(t, { upload: { ...SMALL, publicUrl: 'http://files.example/upload/' } });
  const romeo = await other.login('romeo');
  const body = randomBytes(70_000);
  const [now, later] = [await slotOf(romeo, { size: 70_000 }), await slotOf(romeo, { size: 70_000 })];
  t.match(now.get, /^http:\/\/files\.example\/upload\/\d/);
  const here = (url: string): string => url.replace('http://files.example', `http://127.0.0.1:${other.node.port}`);
  t.equal((await put(here(now.put), body)).status, 201);
  await other.restart();
  t.ok((await http(here(now.get))).body.equals(body));
  t.equal((await put(here(later.put), body)).status, 201);
  const secret = join(other.node.config.node.dataDir, 'upload-secret');
  t.equal(statSync(secret).mode & 0o777, 0o600);
});

t.test('a web page of any origin may put and get', async (t) => {
  const get = await uploaded(Buffer.from('12345'));
  const preflight = await http(get, { method: 'OPTIONS', headers: { 'access-control-request-method': 'PUT' } });
  t.match(preflight, {
    status: 204,
    headers: {
      'access-control-allow-origin': '*',
      'access-control-allow-methods': /\bPUT\b/,
      'access-control-allow-headers': /\bContent-Type\b/,
    },
  });
  t.match(await http(get), {
    headers: { 'access-control-allow-origin': '*', 'access-control-expose-headers': /\bContent-Length\b/ },
  });
  t.match(await http(get, { method: 'DELETE' }), { status: 405, headers: { allow: 'GET, HEAD, PUT, OPTIONS' } });
});

t.test('encrypted bytes pass unharmed (aesgcm:)', async (t) => {
  const every = Buffer.from(Array.from({ length: 1024 }, (_, i) => i % 256));
  const get = await uploaded(every, 'f.jpg', 'application/octet-stream');
  const got = await http(get, { headers: { 'accept-encoding': 'gzip, br' } });
  t.ok(got.body.equals(every));
  t.equal(got.headers['content-encoding'], undefined);
});

t.test('what was uploaded to be run is not run', async (t) => {
  const evil = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>');
  for (const [name, type] of [
    ['x.svg', 'image/svg+xml'],
    ['x.html', 'text/html'],
    ['x.xhtml', 'application/xhtml+xml'],
    ['x.js', 'text/javascript'],
  ] as const)
    t.match(
      (await http(await uploaded(evil, name, type))).headers,
      {
        'content-type': 'application/octet-stream',
        'content-disposition': /^attachment;/,
        'x-content-type-options': 'nosniff',
        'content-security-policy': /^default-src 'none';.* sandbox;/,
      },
      name,
    );
});

t.test('nothing but a whole URL leads to a file', async (t) => {
  const get = await uploaded(Buffer.from('12345'));
  const base = `http://127.0.0.1:${node.node.port}/upload/`;
  const [day = '', id = ''] = [get.slice(base.length, base.length + 5), get.slice(base.length).split('/')[0]];
  for (const path of [
    '',
    day,
    `${day}/`,
    id,
    `${id}/`,
    `${id}/other.jpg`,
    `${id}/photo.jpg/`,
    `${id}/../${id}/photo.jpg`,
    `${id}%2fphoto.jpg`,
    `../upload-secret`,
    `../../upload-secret`,
    `..%2f..%2fupload-secret`,
    `tmp/photo.jpg`,
    `${id.toUpperCase()}/photo.jpg`,
    `${id}%00/photo.jpg`,
    `${id}/%`,
    `${day}-${'a'.repeat(26)}/photo.jpg`,
  ])
    t.equal((await http(base + path)).status, 404, path);
  t.equal((await http(get)).status, 200);
});

t.test('a name cannot reach into headers or other paths', async (t) => {
  for (const name of [
    '../../../etc/passwd',
    '..\\..\\x.jpg',
    'a&#13;&#10;Set-Cookie: a=b',
    'a"; filename="b.exe',
    '..',
  ]) {
    const romeo = await node.login('romeo');
    const payload = `<request xmlns='${NS_UPLOAD}' filename='${name.replaceAll('"', '&quot;')}' size='5'/>`;
    const answer = await romeo.iq('get', payload, 'upload.localhost');
    const url = (part: string): string => answer.getChild('slot')?.getChild(part)?.attrs['url'] ?? '';
    t.match(url('get'), /\/upload\/\d{5}-[a-z2-7]{26}\/[^/]+$/, name);
    t.equal((await put(url('put'), '12345')).status, 201, name);
    const got = await http(url('get'));
    t.equal(got.status, 200, name);
    t.equal(got.headers['set-cookie'], undefined);
    t.match(got.headers['content-disposition'], /^(inline|attachment); filename=(?:"(?:[^"\\]|\\.)*"|[\w.-]+)/, name);
  }
});

t.test('too many uploads at once, of one user or of all, are told to try again', async (t) => {
  const few = await startTestNode(t, { upload: { ...SMALL, uploadsMax: 2, uploadsPerUserMax: 1 } });
  const slots = [];
  for (const name of ['romeo', 'romeo', 'juliet', 'nurse'])
    slots.push(await slotOf(await few.login(name), { size: 10 }));
  const tmp = join(few.node.config.node.dataDir, 'uploads', 'tmp');
  const opened = [];
  for (const [i, at] of [0, 2].entries()) {
    const half = begin(slots[at]!.put, 'PUT', { 'content-length': 10 });
    half.on('error', () => undefined);
    half.write('12345');
    opened.push(half);
    await until('it to run', () => readdirSync(tmp).length === i + 1);
    if (i === 0) t.match(await put(slots[1]!.put, '0123456789'), { status: 503, headers: { 'retry-after': /\d/ } });
  }
  t.equal((await put(slots[3]!.put, '0123456789')).status, 503);
  for (const half of opened) half.end('67890');
  await until('they to end', () => readdirSync(tmp).length === 0);
  t.equal((await put(slots[3]!.put, '0123456789')).status, 201);
});

t.test('an upload that stands still is given up', async (t) => {
  const strict = await startTestNode(t, { upload: { ...SMALL, idleTimeoutMs: 100 } });
  const slot = await slotOf(await strict.login('romeo'), { size: 10 });
  const half = begin(slot.put, 'PUT', { 'content-length': 10 });
  const ended = new Promise((resolve) => half.on('error', resolve));
  half.write('12345');
  t.ok(await ended);
  await until(
    'nothing to be left',
    () => readdirSync(join(strict.node.config.node.dataDir, 'uploads', 'tmp')).length === 0,
  );
  t.equal((await http(slot.get)).status, 404);
});

t.test('a node that stops lets an upload end, and takes no other', async (t) => {
  const stopping = await startTestNode(t, { node: { drainMs: 60_000 }, upload: SMALL });
  const slot = await slotOf(await stopping.login('romeo'), { size: 10 });
  const half = begin(slot.put, 'PUT', { 'content-length': 10 });
  const answered = new Promise<number>((resolve, reject) => {
    half.on('response', (response) => resolve(response.resume().statusCode ?? 0));
    half.on('error', reject);
  });
  half.write('12345');
  const tmp = join(stopping.node.config.node.dataDir, 'uploads', 'tmp');
  await until('half of it to be on disk', () => readdirSync(tmp).length === 1);
  const restarted = stopping.restart();
  await t.rejects(http(slot.get), { code: 'ECONNREFUSED' });
  half.end('67890');
  t.equal(await answered, 201);
  await restarted;
  const moved = slot.get.replace(/:\d+\//, `:${stopping.node.port}/`);
  t.equal(String((await http(moved)).body), '1234567890');
});

t.test('a stop does not wait longer than it may', async (t) => {
  const hasty = await startTestNode(t, { node: { drainMs: 1 }, upload: SMALL });
  const slot = await slotOf(await hasty.login('romeo'), { size: 10 });
  const half = begin(slot.put, 'PUT', { 'content-length': 10 });
  const ended = new Promise((resolve) => half.on('error', resolve));
  half.write('12345');
  const tmp = join(hasty.node.config.node.dataDir, 'uploads', 'tmp');
  await until('half of it to be on disk', () => readdirSync(tmp).length === 1);
  await hasty.restart();
  await ended;
  t.same(readdirSync(tmp), []);
  t.equal((await http(slot.get.replace(/:\d+\//, `:${hasty.node.port}/`))).status, 404);
});

t.test('without uploads there is no such service', async (t) => {
  const plain = await startTestNode(t, { upload: { enabled: false } });
  const romeo = await plain.login('romeo');
  t.equal(conditionOf(await askSlot(romeo, { size: 1 })), 'remote-server-not-found');
  const items = await romeo.iq('get', `<query xmlns='http://jabber.org/protocol/disco#items'/>`, 'localhost');
  t.notMatch(items.toString(), /upload/);
  t.equal((await http(`http://127.0.0.1:${plain.node.port}/upload/x`)).status, 404);
});
