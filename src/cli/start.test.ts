import t from 'tap';
import { EXIT, ExitError } from '../base/errors.ts';
import type { Config } from '../config.ts';
import { StorageRefusedError } from '../storage/errors.ts';
import { TestIo } from './io.fixture.ts';
import { run } from './run.ts';

const URLS = {
  webUrl: 'http://127.0.0.1:5280/',
  webSocketUrls: ['ws://127.0.0.1:5280/xmpp-websocket', 'ws://127.0.0.1:5280/ws'],
};

function started(env: NodeJS.ProcessEnv = {}, close: () => Promise<void> = async () => {}) {
  const seen: { config?: Config; closed: number } = { closed: 0 };
  const startNode = async (config: Config) => {
    seen.config = config;
    const closing = () => {
      seen.closed++;
      return close();
    };
    return { ...URLS, close: closing };
  };
  return { io: new TestIo({ env, node: { startNode } }), seen };
}

t.test('start says where to go, serves until a signal, and stops with code 0', async (t) => {
  const { io, seen } = started();
  const done = run(['start'], io);
  await io.said(/Ctrl-C stops it/);
  for (const line of [
    /serves localhost/,
    /web client +http:\/\/127\.0\.0\.1:5280\/\n/,
    /WebSocket +ws:\/\/127\.0\.0\.1:5280\/xmpp-websocket\n/,
    /:5280\/ws\n/,
    /data folder +\/.*data\n/,
    /registration +open to this machine only/,
  ])
    t.match(io.err, line);
  t.notMatch(io.err, /WITHOUT TLS/);
  t.equal(io.out, '', 'standard output is for the log');
  io.signals.emit('SIGTERM');
  t.equal(await done, EXIT.ok);
  t.equal(seen.closed, 1);
  t.match(io.err, /stopping: [\s\S]*stopped\n$/);
  t.equal(io.signals.listenerCount('SIGTERM') + io.signals.listenerCount('SIGINT'), 0);
});

t.test('a second signal forces the end', async (t) => {
  let closed = () => {};
  const { io } = started(
    {},
    () =>
      new Promise((resolve) => {
        closed = resolve;
      }),
  );
  const done = run(['start'], io);
  await io.said(/Ctrl-C/);
  io.signals.emit('SIGINT');
  await io.said(/stopping/);
  io.nowMs += 10;
  io.signals.emit('SIGINT');
  t.same(io.exits, [], 'the same key press, passed on by npm');
  io.nowMs += 1000;
  io.signals.emit('SIGINT');
  t.same(io.exits, [EXIT.forced]);
  closed();
  await done;
});

t.test('a signal while it starts stops it as soon as it has started', async (t) => {
  const { io, seen } = started();
  io.signals.once('newListener', () => process.nextTick(() => io.signals.emit('SIGINT')));
  t.equal(await run(['start'], io), EXIT.ok);
  t.equal(seen.closed, 1);
});

t.test('flags win over the environment, and reach the node', async (t) => {
  const { io, seen } = started({ ROOKERY_PORT: '1', ROOKERY_LOG_LEVEL: 'warn' });
  const args = [
    'start',
    '-p',
    '0',
    '--host',
    '::',
    '-d',
    '/tmp/x',
    '--domain',
    'chat.example',
    '--registration',
    'closed',
  ];
  const done = run([...args, '--profile', 'bench'], io);
  await io.said(/Ctrl-C/);
  t.match(seen.config, {
    profile: 'bench',
    node: { dataDir: '/tmp/x', domain: 'chat.example' },
    listen: { port: 0, host: '::' },
    registration: { open: 'closed' },
    log: { level: 'warn' },
  });
  t.match(io.err, /!!! LISTENING ON :: WITHOUT TLS/);
  t.match(io.err, /profile +bench/);
  io.signals.emit('SIGINT');
  await done;
});

t.test('settings may come from a JSON or a module file', async (t) => {
  const folder = t.testdir({
    'a.json': '{"listen":{"port":7}}',
    'b.mjs': 'export default { listen: { port: 8 } };',
    'bad.json': '{',
    'unknown.json': '{"listn":{}}',
  });
  const table: [file: string, env: NodeJS.ProcessEnv, port: number][] = [
    ['a.json', {}, 7],
    ['b.mjs', {}, 8],
    ['a.json', { ROOKERY_PORT: '9' }, 9],
  ];
  for (const [file, env, port] of table) {
    const { io, seen } = started(env);
    io.signals.once('newListener', () => process.nextTick(() => io.signals.emit('SIGINT')));
    t.equal(await run(['start', '--config', `${folder}/${file}`], io), EXIT.ok);
    t.equal(seen.config?.listen.port, port, file);
  }
  const faults: [file: string, message: RegExp][] = [
    ['bad.json', /cannot read the config file .*bad\.json/],
    ['none.json', /cannot read the config file .*ENOENT/],
    ['unknown.json', /listn is not a setting/],
  ];
  for (const [file, message] of faults) {
    const { io } = started({ ROOKERY_CONFIG: `${folder}/${file}` });
    t.equal(await run(['start'], io), EXIT.usage);
    t.match(io.err, message);
  }
});

t.test('all faults of the configuration are printed together, with exit code 2', async (t) => {
  const { io } = started({ ROOKERY_PRT: '1' });
  t.equal(await run(['start', '--port', 'http', '--registration', 'all'], io), EXIT.usage);
  t.match(
    io.err,
    /^rookery: the configuration has 3 faults:\n {2}ROOKERY_PRT is not a setting; did you mean ROOKERY_PORT\?\n/,
  );
  t.match(io.err, /listen\.port .* is "http": must be a whole number from 0 to 65535/);
  t.match(io.err, /registration\.open .* is "all": must be one of loopback, everyone, closed/);
});

t.test('a refusal to start is one line and its exit code', async (t) => {
  const table: [error: Error, code: number][] = [
    [new StorageRefusedError('./data is in use by process 7'), EXIT.storageRefused],
    [new ExitError('cannot listen on 127.0.0.1:5280: the address is in use', EXIT.cannotListen), EXIT.cannotListen],
  ];
  for (const [error, code] of table) {
    const io = new TestIo({ node: { startNode: () => Promise.reject(error) } });
    t.equal(await run(['start'], io), code);
    t.equal(io.err, `rookery: ${error.message}\n`);
  }
});

t.test('what nobody foresaw comes with its stack and exit code 1', async (t) => {
  const { io } = started({}, () => Promise.reject(new TypeError('oops')));
  const done = run(['start'], io);
  await io.said(/Ctrl-C/);
  io.signals.emit('SIGINT');
  t.equal(await done, EXIT.failure);
  t.match(io.err, /rookery: unexpected: TypeError: oops\n +at /);
});
