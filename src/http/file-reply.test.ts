import type { IncomingHttpHeaders } from 'node:http';
import t from 'tap';
import { cacheControl, fileReply, presentation } from './file-reply.ts';

const ID = '20454-abcdefghijklmnopqrstuvwxyz';
const FACTS = { name: 'photo.jpg', bytes: 1000, type: 'image/jpeg' };
const reply = (headers: IncomingHttpHeaders = {}) => fileReply(ID, FACTS, headers, 60_000);

t.test('a whole file: its type, its name, and nothing that a browser would run', async (t) => {
  const { status, range, headers } = reply();
  t.same([status, range], [200, { from: 0, to: 999 }]);
  t.match(headers, {
    'content-type': 'image/jpeg',
    'content-length': '1000',
    'content-disposition': 'inline; filename=photo.jpg',
    'content-security-policy': /^default-src 'none';.*\bsandbox;/,
    'x-content-type-options': 'nosniff',
    'cache-control': 'private, max-age=60, immutable',
    'accept-ranges': 'bytes',
    'access-control-allow-origin': '*',
    'access-control-expose-headers': /Content-Range/,
    etag: `"${ID}"`,
  });
});

t.test('ranges: one is served, one outside is 416, anything else is the whole file', async (t) => {
  const table: [header: string, status: number, from?: number, to?: number][] = [
    ['bytes=0-0', 206, 0, 0],
    ['bytes=0-999', 206, 0, 999],
    ['bytes=500-', 206, 500, 999],
    ['bytes=500-5000', 206, 500, 999],
    ['bytes=-1', 206, 999, 999],
    ['bytes=-5000', 206, 0, 999],
    ['Bytes=1-2', 206, 1, 2],
    ['bytes=1000-', 416],
    ['bytes=1000-1001', 416],
    ['bytes=-0', 416],
    ['bytes=2-1', 200, 0, 999],
    ['bytes=0-1,3-4', 200, 0, 999],
    ['bytes=-', 200, 0, 999],
    ['bytes=a-b', 200, 0, 999],
    ['pages=1-2', 200, 0, 999],
    [`bytes=${'9'.repeat(400)}-`, 200, 0, 999],
  ];
  for (const [range, status, from, to] of table) {
    const found = reply({ range });
    t.equal(found.status, status, range);
    t.same(found.range, from === undefined ? undefined : { from, to }, range);
    const place = status === 206 ? `bytes ${from}-${to}/1000` : status === 416 ? 'bytes */1000' : undefined;
    t.equal(found.headers['content-range'], place, range);
  }
});

t.test('what the client has is not sent again; a range of another file is not sent', async (t) => {
  for (const tag of [`"${ID}"`, `W/"${ID}"`, `"x", "${ID}"`, '*']) {
    const found = reply({ 'if-none-match': tag, range: 'bytes=0-1' });
    t.same([found.status, found.range], [304, undefined], tag);
  }
  t.equal(reply({ 'if-none-match': '"x"' }).status, 200);
  t.equal(reply({ range: 'bytes=0-1', 'if-range': `"${ID}"` }).status, 206);
  t.equal(reply({ range: 'bytes=0-1', 'if-range': '"x"' }).status, 200);
  t.equal(reply({ range: 'bytes=0-1', 'if-range': 'Thu, 01 Jan 2026 00:00:00 GMT' }).status, 200);
});

t.test('what a browser could run is bytes to be saved, whatever it was called', async (t) => {
  const table: [type: string, served: string, how: 'inline' | 'attachment'][] = [
    ['image/png', 'image/png', 'inline'],
    ['IMAGE/PNG; charset=x', 'image/png', 'inline'],
    ['audio/ogg; codecs=opus', 'audio/ogg', 'inline'],
    ['video/mp4', 'video/mp4', 'inline'],
    ['application/pdf', 'application/pdf', 'attachment'],
    ['image/svg+xml', 'application/octet-stream', 'attachment'],
    ['text/html', 'application/octet-stream', 'attachment'],
    ['application/xhtml+xml', 'application/octet-stream', 'attachment'],
    ['text/xml', 'application/octet-stream', 'attachment'],
    ['text/javascript', 'application/octet-stream', 'attachment'],
    ['application/wasm', 'application/octet-stream', 'attachment'],
    ['multipart/x-mixed-replace', 'application/octet-stream', 'attachment'],
    ['text/plain', 'application/octet-stream', 'attachment'],
    ['image/png,text/html', 'application/octet-stream', 'attachment'],
    ['', 'application/octet-stream', 'attachment'],
    ['__proto__', 'application/octet-stream', 'attachment'],
  ];
  for (const [type, served, how] of table) {
    const found = presentation({ type, name: 'x' });
    t.equal(found.type, served, type);
    t.match(found.disposition, new RegExp(`^${how};`), type);
  }
});

t.test('a name cannot leave its header', async (t) => {
  for (const name of [
    'a"; filename=evil.exe; x="',
    'a\r\nset-cookie: x=1',
    'très cool.jpg',
    '漢字.png',
    '%0d%0aevil.png',
    "a'b\\c.png",
  ]) {
    const { disposition } = presentation({ type: 'text/html', name });
    t.match(disposition, /^attachment; filename(\*?)=[\x20-\x7e]+$/, name);
    t.equal(disposition.replace(/"(?:[^"\\]|\\.)*"/g, '').match(/filename=/g)?.length, 1, `${name}: one name`);
  }
  t.match(presentation({ type: '', name: 'très.jpg' }).disposition, `filename*=UTF-8''tr%C3%A8s.jpg`);
});

t.test('a cache keeps a file no longer than it is kept here', async (t) => {
  const table: [leftMs: number, seconds: number][] = [
    [-5, 0],
    [1999, 1],
    [400 * 86_400_000, 31_536_000],
  ];
  for (const [leftMs, seconds] of table) t.equal(cacheControl(leftMs), `private, max-age=${seconds}, immutable`);
});
