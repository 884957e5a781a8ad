import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { silentLog } from './base/log.ts';
import { Metrics } from './base/metrics.ts';
import { type ConfigOverrides, loadConfig } from './config.ts';
import { announceUploads, openUploads, publicUrlOf, registerUploadMetrics } from './node-upload.ts';

// Or the SDK looks for keys elsewhere on the network.
process.env['AWS_ACCESS_KEY_ID'] = 'key';
process.env['AWS_SECRET_ACCESS_KEY'] = 'secret';
const S3: ConfigOverrides['upload'] = { store: 's3', s3Bucket: 'files', s3Endpoint: 'http://127.0.0.1:1' };

function configOf(t: Test, more: ConfigOverrides = {}) {
  return loadConfig({}, { ...more, node: { dataDir: t.testdir({}) } });
}

t.test('URLs lead where clients can go: as configured, as the WebSocket, or as the listener', async (t) => {
  const table: [overrides: ConfigOverrides, secure: boolean, url: string][] = [
    [{}, false, 'http://127.0.0.1:5281/upload'],
    [{}, true, 'https://127.0.0.1:5281/upload'],
    [{ listen: { host: '::1' } }, false, 'http://[::1]:5281/upload'],
    [{ listen: { host: '0.0.0.0' }, node: { domain: 'chat.example' } }, true, 'https://chat.example:5281/upload'],
    [{ listen: { publicWebSocketUrl: 'wss://chat.example/ws' } }, false, 'https://chat.example/upload'],
    [{ listen: { publicWebSocketUrl: 'ws://chat.example:81/ws' } }, true, 'http://chat.example:81/upload'],
    [{ upload: { publicUrl: 'https://files.example/x/' } }, false, 'https://files.example/x'],
    [
      { upload: { publicUrl: 'https://files.example' }, listen: { publicWebSocketUrl: 'wss://chat.example/ws' } },
      false,
      'https://files.example',
    ],
  ];
  for (const [overrides, secure, url] of table) t.equal(publicUrlOf(loadConfig({}, overrides), 5281, secure), url, url);
});

t.test('a secret is made once, for the system user alone, and one in the configuration wins', async (t) => {
  const config = configOf(t);
  const path = join(config.node.dataDir, 'upload-secret');
  await (await openUploads(config, silentLog()))?.close(0);
  const made = readFileSync(path, 'utf8');
  t.match(made, /^[\w-]{43}\n$/);
  t.equal(statSync(path).mode & 0o777, 0o600);
  await (await openUploads(config, silentLog()))?.close(0);
  t.equal(readFileSync(path, 'utf8'), made);
  writeFileSync(path, '\n');
  await t.rejects(openUploads(config, silentLog()), { exitCode: 3, message: /holds no secret/ });
  const own = loadConfig({}, { ...{ node: config.node }, upload: { secret: 'sixteen characters' } });
  await (await openUploads(own, silentLog()))?.close(0);
});

t.test('switched off there is nothing, and nothing is made', async (t) => {
  const config = configOf(t, { upload: { enabled: false } });
  t.equal(await openUploads(config, silentLog()), undefined);
  t.throws(() => statSync(join(config.node.dataDir, 'uploads')), { code: 'ENOENT' });
});

t.test('a cluster offers no files on the disk of a node, and says so; a bucket it does', async (t) => {
  const said: unknown[] = [];
  const log = Object.assign(silentLog(), { warn: (...args: unknown[]) => said.push(args) });
  t.equal(await openUploads(configOf(t, { cluster: { name: 'c' } }), log), undefined);
  t.match(said, [[{ store: 'disk' }, /^upload: NOT OFFERED: /]]);
  const shared = configOf(t, { cluster: { name: 'c' }, upload: { ...S3, secret: 'the same everywhere' } });
  const uploads = await openUploads(shared, silentLog());
  t.ok(uploads);
  t.equal(uploads?.refusal(1), 'unavailable', 'until the bucket has answered');
  await uploads?.close(0);
});

t.test('behind a proxy that is not named in the URLs there is a warning', async (t) => {
  const table: [overrides: ConfigOverrides, warned: boolean][] = [
    [{}, false],
    [{ listen: { trustedProxies: ['10.0.0.1'] } }, true],
    [{ listen: { trustedProxies: ['10.0.0.1'], publicWebSocketUrl: 'wss://chat.example/ws' } }, false],
    [{ listen: { trustedProxies: ['10.0.0.1'] }, upload: { publicUrl: 'https://files.example' } }, false],
  ];
  for (const [overrides, warned] of table) {
    const said: unknown[] = [];
    const log = Object.assign(silentLog(), { warn: (...args: unknown[]) => said.push(args) });
    const config = configOf(t, overrides);
    const uploads = await openUploads(config, silentLog());
    if (uploads === undefined) throw new Error('no uploads');
    announceUploads(uploads, config, 5281, false, log);
    t.equal(said.length, warned ? 1 : 0, JSON.stringify(overrides));
    t.same(uploads.origins, [new URL(publicUrlOf(config, 5281, false)).origin]);
    await uploads.close(0);
  }
});

t.test('the figures are there without uploads too', async (t) => {
  const metrics = new Metrics();
  registerUploadMetrics(metrics, undefined);
  t.match(await metrics.text(), /rookery_upload_stored\{what="files"\} 0/);
});
