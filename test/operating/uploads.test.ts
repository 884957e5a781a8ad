import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { until } from '../clients/until.ts';
import { type Client, connect } from '../harness/client.ts';
import { begin, http, slotOf } from '../harness/upload.ts';
import { type Serving, serve } from './rookery.ts';

/** Files and a process that is killed; and what of them is in the log. */
const NAME = 'holiday-of-ann-4f1c.jpg';
const env = { ROOKERY_LOG_LEVEL: 'trace', ROOKERY_UPLOAD_FREE_BYTES_MIN: '0', ROOKERY_STORAGE_FREE_BYTES_MIN: '0' };

async function loggedIn(node: Serving): Promise<Client> {
  const client = await connect(node.url);
  await client.open();
  await client.register('ann', 'pw-of-ann');
  await client.close();
  const ann = await connect(node.url);
  await ann.authenticate('ann', 'pw-of-ann');
  await ann.bind();
  return ann;
}

/** The same file at a node that listens on another port now. */
const at = (node: Serving, url: string): string => url.replace(/^http:\/\/[^/]+/, node.httpUrl);

t.test('kill -9 in the middle of uploads: what was answered 201 is there, nothing else is', async (t) => {
  const node = await serve(t, env);
  const ann = await loggedIn(node);
  const photo = randomBytes(2_000_000);
  const asked = { name: NAME, size: photo.length, type: 'image/jpeg' };
  const whole = await slotOf(ann, asked);
  const half = await slotOf(ann, asked);
  const headers = { 'content-type': 'image/jpeg' };
  t.equal((await http(whole.put, { method: 'PUT', body: photo, headers })).status, 201);
  const upload = begin(half.put, 'PUT', { ...headers, 'content-length': photo.length });
  upload.on('error', () => undefined);
  upload.write(photo.subarray(0, 1_000_000));
  const tmp = join(node.dataDir, 'uploads', 'tmp');
  await until('half of it to be on disk', () =>
    readdirSync(tmp).some((name) => statSync(join(tmp, name)).size > 900_000),
  );
  const before = node.out;
  await node.stop('SIGKILL');
  t.equal(readdirSync(tmp).length, 1, 'the half is still on disk');

  await node.start();
  t.same(readdirSync(tmp), [], 'and gone with the next start');
  t.ok((await http(at(node, whole.get))).body.equals(photo));
  t.equal((await http(at(node, half.get))).status, 404);
  const again = await http(at(node, half.put), { method: 'PUT', body: photo, headers });
  t.equal(again.status, 201, 'its slot is still good');
  t.equal((await http(at(node, whole.put), { method: 'PUT', body: photo, headers })).status, 409, 'the other is used');
  t.equal((await http(at(node, `${whole.get}x`))).status, 404);

  const log = before + node.out;
  const id = /\d{5}-[a-z2-7]{26}/.exec(whole.get)?.[0] ?? '';
  const secret = readFileSync(join(node.dataDir, 'upload-secret'), 'utf8').trim();
  t.match(log, /"started"/);
  for (const [what, text] of Object.entries({ 'a name': NAME, 'an id': id, 'the secret': secret }))
    t.notOk(log.includes(text), `no line has ${what}`);
});
