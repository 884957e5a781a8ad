import t from 'tap';
import type { AdminUser } from './admin.ts';
import { createAdminApi } from './admin-api.ts';

type Outcome = 'done' | 'none' | 'conflict' | 'busy';

function api(outcome: Outcome = 'done', users: () => AdminUser[] = () => []) {
  const asked: unknown[][] = [];
  const answer = async (...args: unknown[]) => {
    asked.push(args);
    return outcome as never;
  };
  const admin = createAdminApi({
    domain: 'localhost',
    accounts: { create: answer, setPassword: answer, remove: answer, listAll: async () => users() },
    bareJidOf: (local) => (/^[A-Za-z]+$/.test(local) ? `${local.toLowerCase()}@localhost` : undefined),
    preparePassword: (password) => (password.includes('\0') ? undefined : password.normalize('NFKC')),
    status: () => Promise.reject(new Error('not asked')),
  });
  return { admin, asked };
}

t.test('names and passwords are normalised before they are used', async (t) => {
  const { admin, asked } = api();
  await admin.addUser('Alice', 'ａ1');
  await admin.setPassword('Alice@LOCALHOST', 'x');
  await admin.removeUser('alice');
  t.same(asked, [['alice@localhost', 'a1', 'operator'], ['alice@localhost', 'x'], ['alice@localhost']]);
});

t.test('what cannot be is refused with its reason', async (t) => {
  const { admin, asked } = api();
  await t.rejects(admin.addUser('a b', 'x'), { name: 'AdminError', reason: 'invalid-user' });
  await t.rejects(admin.addUser('alice@elsewhere', 'x'), { reason: 'invalid-user', message: /domain, localhost/ });
  await t.rejects(admin.addUser('alice', ''), { name: 'AdminError', reason: 'invalid-password' });
  await t.rejects(admin.setPassword('alice', '\0'), { name: 'AdminError', reason: 'invalid-password' });
  t.same(asked, []);
});

t.test("the accounts' answers become refusals", async (t) => {
  await t.rejects(api('conflict').admin.addUser('alice', 'x'), {
    reason: 'exists',
    message: /^alice@localhost exists/,
  });
  await t.rejects(api('none').admin.setPassword('alice', 'x'), { name: 'AdminError', reason: 'unknown-user' });
  await t.rejects(api('none').admin.removeUser('alice'), { name: 'AdminError', reason: 'unknown-user' });
  await t.rejects(api('busy').admin.removeUser('alice'), { name: 'AdminError', reason: 'busy' });
});

t.test('the cluster part is handed on; a node without one refuses', async (t) => {
  const { admin } = api();
  await t.rejects(admin.cluster.nodes(), { name: 'AdminError', reason: 'not-a-cluster' });
});

t.test('accounts are those of all nodes, or it says that they are not', async (t) => {
  const alice = { user: 'alice@localhost', createdMs: 5 };
  t.same(await api('done', () => [alice]).admin.listUsers(10), [alice]);
  const { admin } = api('done', () => {
    throw new Error('node node-2 did not list its accounts');
  });
  await t.rejects(admin.listUsers(10), { reason: 'unanswered', message: /node-2 did not list/ });
});
