import { join } from 'node:path';
import t, { type Test } from 'tap';
import { EXIT } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { memoryAdmin } from '../http/admin.fixture.ts';
import { startAdminServer } from '../http/admin-server.ts';
import { adminSocketPath } from '../http/admin-socket.ts';
import { TestIo } from './io.fixture.ts';
import { run } from './run.ts';

/** A data folder with a node's admin socket in it. */
async function running(t: Test, users = new Map<string, string>()) {
  const folder = t.testdir({});
  const socketPath = adminSocketPath(folder);
  const server = await startAdminServer({ socketPath, api: memoryAdmin(users), log: silentLog() });
  t.teardown(() => server.close());
  return { users, env: { ROOKERY_DATA_DIR: folder } };
}

t.test('a user is added with a password from standard input', async (t) => {
  const { users, env } = await running(t);
  const io = new TestIo({ env });
  io.type('hunter2 \r\nmore\n');
  t.equal(await run(['user', 'add', 'alice', '--password-stdin'], io), EXIT.ok);
  t.same([...users], [['alice', 'hunter2 ']]);
  t.equal(io.err, 'added alice\n');
});

t.test('at a terminal the password is asked for twice and never shown', async (t) => {
  const { users, env } = await running(t, new Map([['alice', 'old']]));
  const io = new TestIo({ env, terminal: true });
  const done = run(['user', 'passwd', 'alice'], io);
  await io.said(/^Password: $/);
  io.type('hunter2\r');
  await io.said(/Again: $/);
  io.type('hunter2\r');
  t.equal(await done, EXIT.ok);
  t.equal(users.get('alice'), 'hunter2');
  t.equal(io.err, 'Password: \nAgain: \nnew password set for alice\n');
  t.equal(io.out, '');
});

t.test('two different passwords, none, or an empty one change nothing', async (t) => {
  const { users, env } = await running(t);
  const typed: [keys: string[], message: RegExp][] = [
    [['a\r', 'b\r'], /the two passwords differ/],
    [['\x03'], /no password was given/],
    [['\r', '\r'], /the password is empty/],
  ];
  for (const [keys, message] of typed) {
    const io = new TestIo({ env, terminal: true });
    const done = run(['user', 'add', 'alice'], io);
    for (const [i, key] of keys.entries()) {
      await io.said(i === 0 ? /Password: $/ : /Again: $/);
      io.type(key);
    }
    t.equal(await done, EXIT.usage);
    t.match(io.err, message);
  }
  const io = new TestIo({ env });
  t.equal(await run(['user', 'add', 'alice'], io), EXIT.usage);
  t.match(io.err, /no terminal to ask for the password; use --password-stdin/);
  t.equal(users.size, 0);
});

t.test('a password as an argument works, with a warning', async (t) => {
  const { users, env } = await running(t);
  const io = new TestIo({ env });
  t.equal(await run(['user', 'add', 'alice', '--password', 'hunter2'], io), EXIT.ok);
  t.equal(users.get('alice'), 'hunter2');
  t.match(io.err, /^warning: --password is visible/);
  t.notMatch(io.err, 'hunter2');
});

t.test('users are listed as a table or as JSON, with a word when there are more', async (t) => {
  const { env } = await running(
    t,
    new Map([
      ['alice@localhost', ''],
      ['bo@localhost', ''],
    ]),
  );
  const asTable = new TestIo({ env });
  t.equal(await run(['user', 'list'], asTable), EXIT.ok);
  t.equal(
    asTable.out,
    'USER             CREATED\nalice@localhost  1970-01-01T00:00:00.000Z\nbo@localhost     1970-01-01T00:00:00.000Z\n',
  );
  const asJson = new TestIo({ env });
  t.equal(await run(['user', 'list', '--json', '--limit', '1'], asJson), EXIT.ok);
  t.same(JSON.parse(asJson.out), [{ user: 'alice@localhost', createdMs: 0 }]);
  t.match(asJson.err, /there are more; --limit 10/);
});

t.test('removing asks first, or is told --yes', async (t) => {
  const { users, env } = await running(
    t,
    new Map([
      ['alice', ''],
      ['bob', ''],
      ['carol', ''],
    ]),
  );
  const asked = new TestIo({ env, terminal: true });
  const done = run(['user', 'remove', 'alice'], asked);
  await asked.said(/Type the name again: $/);
  asked.type('alice\n');
  t.equal(await done, EXIT.ok);
  const doubtful = new TestIo({ env, terminal: true });
  doubtful.type('no\n');
  t.equal(await run(['user', 'remove', 'bob'], doubtful), EXIT.usage);
  t.equal(await run(['user', 'remove', 'bob'], new TestIo({ env })), EXIT.usage);
  t.equal(await run(['user', 'remove', 'carol', '-y'], new TestIo({ env })), EXIT.ok);
  t.same([...users.keys()], ['bob']);
});

t.test('a no of the node is one line and exit code 6', async (t) => {
  const { env } = await running(t, new Map([['alice', '']]));
  const io = new TestIo({ env });
  io.type('x\n');
  t.equal(await run(['user', 'add', 'alice', '--password-stdin'], io), EXIT.refused);
  t.equal(io.err, 'rookery: alice exists already\n');
  t.equal(await run(['user', 'remove', 'bob', '-y'], new TestIo({ env })), EXIT.refused);
});

t.test('when no node runs the data folder is opened for the one question, and closed', async (t) => {
  const users = new Map<string, string>();
  let open = 0;
  const openAdmin = async () => {
    open++;
    return { api: memoryAdmin(users), close: async () => void open-- };
  };
  const env = { ROOKERY_DATA_DIR: t.testdir({}) };
  const io = new TestIo({ env, node: { openAdmin } });
  io.type('x\n');
  t.equal(await run(['user', 'add', 'alice', '--password-stdin'], io), EXIT.ok);
  t.same([...users], [['alice', 'x']]);
  const refused = new TestIo({ env, node: { openAdmin } });
  t.equal(await run(['user', 'remove', 'bob', '-y'], refused), EXIT.refused);
  t.equal(open, 0);
});

t.test('a folder that is not there is made for an account, with a word, and for nothing else', async (t) => {
  const folder = join(t.testdir({}), 'data');
  const users = new Map<string, string>();
  const openAdmin = async () => ({ api: memoryAdmin(users), close: async () => {} });
  for (const args of [['list'], ['remove', 'bob', '--yes'], ['passwd', 'bob', '--password', 'x']]) {
    const io = new TestIo({ env: { ROOKERY_DATA_DIR: folder }, node: { openAdmin } });
    t.equal(await run(['user', ...args], io), EXIT.notRunning, args.join(' '));
    t.match(io.err, `rookery: there is no folder ${folder}: name the right --data-dir\n`);
  }
  const io = new TestIo({ env: { ROOKERY_DATA_DIR: folder }, node: { openAdmin } });
  io.type('x\n');
  t.equal(await run(['user', 'add', 'alice', '--password-stdin'], io), EXIT.ok);
  t.equal(io.err, `there is no folder ${folder} yet: it is made\nadded alice\n`);
});

t.test("a member's folder is not opened for it: accounts lie on all nodes of the cluster", async (t) => {
  const openAdmin = async () => t.fail('the folder was opened') as never;
  const env = { ROOKERY_DATA_DIR: t.testdir({}), ROOKERY_CLUSTER_NAME: 'east' };
  for (const args of [['list'], ['remove', 'bob', '--yes'], ['add', 'bob', '--password', 'x']]) {
    const io = new TestIo({ env, node: { openAdmin } });
    t.equal(await run(['user', ...args], io), EXIT.notRunning, args.join(' '));
    t.match(io.err, /accounts of the cluster east lie on all of its nodes: start the node, or ask at one that runs/);
  }
});
