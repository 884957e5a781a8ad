import t from 'tap';
import { createAccounts } from './accounts.ts';
import type { AccountAnswer, SessionMessage } from './messages.ts';

/** Accounts of sessions that answer every question so. */
function accountsWith(answer: AccountAnswer) {
  const toSession = (_user: string, message: SessionMessage): boolean => {
    if (message.t === 'account') message.reply(answer);
    return true;
  };
  return createAccounts({
    runtime: { toSession } as unknown as Parameters<typeof createAccounts>[0]['runtime'],
    pbkdf2: async () => new Uint8Array(32),
    iterations: 1,
    askTimeoutMs: 1000,
    now: () => 0,
    randomBytes: (bytes) => new Uint8Array(bytes),
  });
}

t.test('an account that is not there has no credentials', async (t) => {
  t.equal(await accountsWith({ t: 'none' }).credentials('ann@localhost'), undefined);
});

t.test('an account that nobody answers for is not taken for one that is not there', async (t) => {
  const accounts = accountsWith({ t: 'failed', condition: 'remote-server-timeout' });
  await t.rejects(accounts.credentials('ann@localhost'), /remote-server-timeout/);
  await t.rejects(accounts.setPassword('ann@localhost', 'secret'), /remote-server-timeout/);
});
