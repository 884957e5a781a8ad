import { chownSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { metaKey } from '../../src/storage/keys.ts';
import { openRocks } from '../../src/storage/rocks.ts';
import { rookery, serve, temporaryFolder } from './rookery.ts';

/** What an operator reads: no stack, no more than it takes. */
const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

t.test('a second process on the same folder is refused with one line and code 3', async (t) => {
  const node = await serve(t);
  const second = await rookery(['start', '--port', '0', '--data-dir', node.dataDir]);
  t.equal(second.code, 3);
  t.strictSame(lines(second.err), [
    `rookery: ${node.dataDir} is in use by another process: stop that one, or choose another folder`,
  ]);
  t.equal((await node.get('/readyz')).status, 200, 'the first is none the worse');
});

t.test('a folder of another number of shards is refused with one line and code 3', async (t) => {
  const folder = await temporaryFolder(t);
  const made = await rookery(['user', 'list', '--data-dir', folder], { ROOKERY_NODE_SHARDS: '16' });
  t.equal(made.code, 0);
  const refused = await rookery(['start', '--port', '0', '--data-dir', folder]);
  t.equal(refused.code, 3);
  t.equal(lines(refused.err).length, 1);
  t.match(refused.err, /was created with 16 shards and 1024 are configured/);
});

t.test('a folder of a newer format is refused with one line and code 3', async (t) => {
  const folder = await temporaryFolder(t);
  t.equal((await rookery(['user', 'list', '--data-dir', folder])).code, 0);
  await put(folder, metaKey('store'), (old) => JSON.stringify({ ...JSON.parse(String(old)), formatVersion: 99 }));
  const refused = await rookery(['start', '--port', '0', '--data-dir', folder]);
  t.equal(refused.code, 3);
  t.equal(lines(refused.err).length, 1);
  t.match(refused.err, /has format 99, .* start a newer Rookery/);
});

t.test('a path that is a file, and a folder of something else, are refused with one line and code 3', async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, 'file');
  writeFileSync(file, '');
  const refused = await rookery(['start', '--port', '0', '--data-dir', file]);
  t.equal(refused.code, 3);
  t.strictSame(lines(refused.err), [`rookery: ${file} is not a folder: give the store a folder of its own`]);

  const strange = join(folder, 'strange');
  mkdirSync(strange);
  await put(strange, Buffer.from('key'), () => 'value');
  const foreign = await rookery(['start', '--port', '0', '--data-dir', strange]);
  t.equal(foreign.code, 3);
  t.strictSame(lines(foreign.err), [`rookery: ${strange} holds another program's data: choose another folder`]);
});

t.test('a port in use is refused with one line and code 4, and the folder stays usable', async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.teardown(() => new Promise<void>((resolve) => void taken.close(() => resolve())));
  const { port } = taken.address() as { port: number };
  const folder = await temporaryFolder(t);
  const refused = await rookery(['start', '--port', String(port), '--data-dir', folder]);
  t.equal(refused.code, 4);
  t.strictSame(lines(refused.err), [
    `rookery: cannot listen on 127.0.0.1:${port}: the address is in use; is another server running? ` +
      'Choose another port with --port',
  ]);
  t.notOk(existsSync(join(folder, 'admin.sock')), 'no socket is left that looks like a running node');
  t.equal((await rookery(['user', 'list', '--data-dir', folder])).code, 0);
});

t.test('certificate and key that cannot be used end it with one line and code 4', async (t) => {
  const folder = await temporaryFolder(t);
  const tls = ['--tls-cert', join(folder, 'missing.pem'), '--tls-key', join(folder, 'missing.key')];
  const refused = await rookery(['start', '--port', '0', '--data-dir', join(folder, 'data'), ...tls]);
  t.equal(refused.code, 4);
  t.equal(lines(refused.err).length, 1);
  t.match(refused.err, /cannot use the certificate .*missing\.pem/);
});

t.test('all faults of a configuration are told together, with code 2, and nothing is touched', async (t) => {
  const folder = await temporaryFolder(t);
  const data = join(folder, 'data');
  const file = join(folder, 'rookery.json');
  writeFileSync(file, JSON.stringify({ limits: { depthMax: 1 }, archiv: {} }));
  const refused = await rookery(['start', '--config', file, '--data-dir', data, '--log-level', 'loud'], {
    ROOKERY_PORT: '70000',
    ROOKERY_STORAGE_FREE_BYTE_MIN: '1',
  });
  t.equal(refused.code, 2);
  t.match(lines(refused.err)[0], /^rookery: the configuration has 5 faults:$/);
  for (const fault of [
    /listen\.port \(.*\) is 70000: must be/,
    /ROOKERY_STORAGE_FREE_BYTE_MIN is not a setting; did you mean ROOKERY_STORAGE_FREE_BYTES_MIN\?/,
    /limits\.depthMax \(.*\) is 1: must be/,
    /archiv is not a setting/,
    /log\.level \(.*\) is "loud": must be one of/,
  ])
    t.match(refused.err, fault);
  t.notOk(existsSync(data));
});

t.test('a command line that makes no sense ends with code 2', async (t) => {
  const refused = await rookery(['start', '--prot', '1']);
  t.equal(refused.code, 2);
  t.match(refused.err, /unknown option '--prot'/);
});

t.test('a Node.js that is too old is told so, whatever is asked', async (t) => {
  const as = (version: string) => ({
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(
      `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`,
    )}`,
  });
  for (const version of ['18.20.4', '20.18.3']) {
    const refused = await rookery(['--version'], as(version));
    t.equal(refused.code, 2);
    t.equal(refused.err, `rookery: this is Node.js ${version}, and 20.19 or newer is needed\n`);
  }
  for (const version of ['20.19.0', '22.1.0']) t.equal((await rookery(['--version'], as(version))).code, 0);
});

t.test('user and status against a running node, then against the stopped folder', { timeout: 120_000 }, async (t) => {
  const node = await serve(t);
  const at = ['--data-dir', node.dataDir];
  const user = async (...args: string[]) => (await rookery(['user', ...args, ...at], {}, 'correct horse\n')).code;
  const list = async () => JSON.parse((await rookery(['user', 'list', '--json', ...at])).out) as { user: string }[];

  t.equal(await user('add', 'ann', '--password-stdin'), 0);
  t.equal(await user('add', 'ann', '--password-stdin'), 6, 'it exists');
  t.equal(await user('passwd', 'ann@localhost', '--password-stdin'), 0);
  t.match(await list(), [{ user: 'ann@localhost' }]);
  t.equal(await user('remove', 'ann', '--yes'), 0);
  t.equal(await user('remove', 'ann', '--yes'), 6, 'it is gone');
  const ready = await rookery(['status', ...at]);
  t.equal(ready.code, 0);
  t.match(ready.out, new RegExp(`^node +node-1, Rookery [^\\n]*, process ${node.pid}\\nstate +ready\\n`));
  const { figures, webSocketUrls } = JSON.parse((await rookery(['status', '--json', ...at])).out);
  t.equal(webSocketUrls[0], node.url);
  t.match(figures, { connections: 0, opsCommitted: Number, diskFreeBytes: Number });

  await node.stop();
  const none = await rookery(['status', ...at]);
  t.equal(none.code, 5);
  t.strictSame(lines(none.err), [`rookery: no node runs on ${node.dataDir}; rookery start starts one`]);
  t.equal(await user('add', 'ben', '--password-stdin'), 0);
  t.equal(await user('passwd', 'ben', '--password-stdin'), 0);
  t.match(await list(), [{ user: 'ben@localhost' }]);
  t.equal(await user('remove', 'ben', '--yes'), 0);

  await node.start();
  await node.stop('SIGKILL');
  t.ok(existsSync(join(node.dataDir, 'admin.sock')), 'a killed node leaves its socket');
  t.equal((await rookery(['status', ...at])).code, 5, 'which fools nobody');
  t.strictSame(await list(), []);
});

t.test('root does not take over the folder of the system user that a node runs as', async (t) => {
  if (process.getuid?.() !== 0) {
    t.comment('SKIPPED LOUDLY: this test gives files away, which needs root');
    return;
  }
  const folder = await temporaryFolder(t);
  t.equal((await rookery(['user', 'list', '--data-dir', folder])).code, 0);
  for (const name of readdirSync(folder)) chownSync(join(folder, name), 4321, 4321);
  for (const args of [
    ['user', 'list'],
    ['start', '--port', '0'],
  ]) {
    const { code, err } = await rookery([...args, '--data-dir', folder]);
    t.equal(code, 3);
    t.match(err, /^rookery: [^\n]* belongs to another system user \(number 4321\): [^\n]*\n$/);
  }
});

t.test('the admin socket is for this system user only', async (t) => {
  const node = await serve(t);
  t.equal(statSync(join(node.dataDir, 'admin.sock')).mode & 0o777, 0o600);
});

/** A database that no Rookery made, or one whose description another version wrote: `value` is put under `key`. */
async function put(folder: string, key: Buffer, value: (old: Buffer | undefined) => string): Promise<void> {
  const rocks = await openRocks(folder, {
    cacheBytes: 1_048_576,
    memtableBytes: 1_048_576,
    parallelism: 1,
  });
  const batch = rocks.batch();
  batch.put(key, Buffer.from(value(rocks.get(key))));
  batch.write(true);
  await rocks.close();
}
