import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { EXIT } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { memoryAdmin, STATUS } from './admin.fixture.ts';
import { type AdminApi, USERS_MAX } from './admin.ts';
import { adminClient, NotRunningError } from './admin-client.ts';
import { startAdminServer } from './admin-server.ts';
import { adminSocketPath } from './admin-socket.ts';

async function started(t: Test, api: AdminApi = memoryAdmin()) {
  const socketPath = adminSocketPath(t.testdir({}));
  const server = await startAdminServer({ socketPath, api, log: silentLog() });
  t.teardown(() => server.close());
  return { socketPath, server, client: adminClient(socketPath) };
}

function raw(
  socketPath: string,
  method: string,
  path: string,
  body?: string,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, method, path }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk.toString();
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

t.test('every question goes over the socket and its answer comes back', async (t) => {
  const users = new Map<string, string>();
  const { client } = await started(t, memoryAdmin(users));
  await client.addUser('al/ice?', 'pass wörd');
  await client.addUser('bob', 'x');
  await client.setPassword('al/ice?', 'new');
  t.same(
    [...users],
    [
      ['al/ice?', 'new'],
      ['bob', 'x'],
    ],
  );
  await client.removeUser('bob');
  t.same(await client.listUsers(10), [{ user: 'al/ice?', createdMs: 0 }]);
  t.same(await client.status(), STATUS);
});

t.test('a refusal arrives as the refusal it was', async (t) => {
  const { client } = await started(t, memoryAdmin(new Map([['alice', 'x']])));
  await t.rejects(client.addUser('alice', 'x'), {
    name: 'AdminError',
    reason: 'exists',
    message: 'alice exists already',
  });
  await t.rejects(client.removeUser('bob'), { name: 'AdminError', reason: 'unknown-user' });
});

t.test('questions about the cluster go over the socket too, with everything they name', async (t) => {
  const asked: unknown[][] = [];
  const noting =
    (name: string) =>
    async (...args: unknown[]): Promise<never> => {
      asked.push([name, ...args]);
      return [name] as never;
    };
  const names = [
    'status',
    'nodes',
    'shards',
    'drain',
    'drainProgress',
    'transfer',
    'recovery',
    'recoverUnclean',
  ] as const;
  const fake = Object.fromEntries([...names, 'undrain', 'forget'].map((name) => [name, noting(name)]));
  const { client } = await started(t, memoryAdmin(new Map(), STATUS, fake));
  const { cluster } = client;
  t.same(await cluster.status(), ['status']);
  t.same(await cluster.nodes(), ['nodes']);
  t.same(await cluster.shards(), ['shards']);
  t.same(await cluster.shards('a&b/c'), ['shards']);
  t.same(await cluster.drain('a/b?'), ['drain']);
  t.same(await cluster.drainProgress('a/b?'), ['drainProgress']);
  t.equal(await cluster.undrain('a/b?'), undefined);
  t.equal(await cluster.forget('a/b?'), undefined);
  t.same(await cluster.transfer(7, 'a'), ['transfer']);
  t.same(await cluster.recovery(8), ['recovery']);
  t.same(await cluster.recoverUnclean(9, 'b'), ['recoverUnclean']);
  t.same(asked, [
    ['status'],
    ['nodes'],
    ['shards', undefined],
    ['shards', 'a&b/c'],
    ['drain', 'a/b?'],
    ['drainProgress', 'a/b?'],
    ['undrain', 'a/b?'],
    ['forget', 'a/b?'],
    ['transfer', 7, 'a'],
    ['recovery', 8],
    ['recoverUnclean', 9, 'b'],
  ]);
});

t.test('a node that is alone refuses them', async (t) => {
  const { client } = await started(t);
  await t.rejects(client.cluster.nodes(), { name: 'AdminError', reason: 'not-a-cluster' });
  await t.rejects(client.cluster.transfer(1, 'x'), { name: 'AdminError', reason: 'not-a-cluster' });
});

t.test('only its own user may open the socket', async (t) => {
  const { socketPath } = await started(t);
  t.equal(statSync(socketPath).mode & 0o777, 0o600);
});

t.test('another user is told so in one line, with the exit code of a folder refused', async (t) => {
  const { socketPath, client } = await started(t);
  // Root may open everything.
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  else chmodSync(socketPath, 0);
  try {
    await t.rejects(client.status(), {
      exitCode: EXIT.storageRefused,
      message: /^\S+ is not for this user: run this as/,
    });
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
});

t.test('below a file there is no folder, and no node', async (t) => {
  const file = join(t.testdir({ file: '' }), 'file');
  await t.rejects(adminClient(adminSocketPath(join(file, 'data'))).status(), NotRunningError);
});

t.test('a socket left behind is replaced, and gone after close', async (t) => {
  const socketPath = adminSocketPath(t.testdir({}));
  writeFileSync(socketPath, '');
  const server = await startAdminServer({ socketPath, api: memoryAdmin(), log: silentLog() });
  t.same(await adminClient(socketPath).status(), STATUS);
  await server.close();
  await t.rejects(adminClient(socketPath).status(), NotRunningError);
});

t.test('senseless requests are told so, without repeating a password', async (t) => {
  const { socketPath } = await started(t);
  const table: [method: string, path: string, body: string | undefined, status: number][] = [
    ['GET', '/', undefined, 404],
    ['DELETE', '/users', undefined, 404],
    ['GET', '/cluster', undefined, 404],
    ['PUT', '/cluster/nodes', undefined, 404],
    ['GET', '/cluster/nodes/a/drain/x', undefined, 404],
    ['POST', '/cluster/shards/-1/transfer', '{"node":"a"}', 404],
    ['POST', '/cluster/shards/1/transfer', '{"nodes":"hunter2"}', 400],
    ['GET', '/users?limit=0', undefined, 400],
    ['GET', `/users?limit=${USERS_MAX + 1}`, undefined, 400],
    ['POST', '/users', 'hunter2', 400],
    ['POST', '/users', '{"user":"alice","password":1,"hunter2":1}', 400],
    ['POST', '/users', `{"user":"alice","password":"${'hunter2'.repeat(4000)}"}`, 400],
  ];
  for (const [method, path, body, status] of table) {
    const answer = await raw(socketPath, method, path, body);
    t.equal(answer.status, status, `${method} ${path}`);
    t.notMatch(answer.text, 'hunter2');
  }
});

t.test('an unforeseen failure says no more than that', async (t) => {
  const { client } = await started(t, { ...memoryAdmin(), status: () => Promise.reject(new Error('detail')) });
  await t.rejects(client.status(), { message: 'the node answered: internal error; the log of this node says more' });
});

t.test('a path too long for a socket gets a short one of this user, always the same', async (t) => {
  const folder = join(t.testdir({}), 'x'.repeat(120));
  const path = adminSocketPath(folder);
  t.ok(path.startsWith(tmpdir()));
  t.equal(adminSocketPath(`${folder}/../${'x'.repeat(120)}`), path);
  t.not(adminSocketPath(`${folder}y`), path);
  const server = await startAdminServer({ socketPath: path, api: memoryAdmin(), log: silentLog() });
  t.same(await adminClient(path).status(), STATUS);
  await server.close();
});
