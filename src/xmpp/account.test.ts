import t from 'tap';
import {
  accountJid,
  authzidMatches,
  checkUsername,
  newAccount,
  USERNAME_BYTES_MAX,
  withCredentials,
} from './account.ts';
import { deriveCredentials, systemPbkdf2 } from './credentials.ts';

t.test('a user name is a local part and nothing else', async (t) => {
  const table: [username: string, bare: string | undefined][] = [
    ['ann', 'ann@localhost'],
    ['Ann', 'ann@localhost'],
    ['a,b=c', 'a,b=c@localhost'],
    ['', undefined],
    ['ann@localhost', undefined],
    ['ann@evil/x', undefined],
    ['ann/x', undefined],
    ['a b', undefined],
    ['a<b', undefined],
    ['ann\uff20evil', undefined],
    ['\uff41nn', 'ann@localhost'],
    ['x'.repeat(1024), undefined],
  ];
  for (const [username, bare] of table) t.equal(accountJid(username, 'localhost')?.bare, bare, username.slice(0, 40));
});

t.test('a session acts as its own bare JID only', async (t) => {
  const table: [authzid: string | undefined, ok: boolean][] = [
    [undefined, true],
    ['', true],
    ['ann@localhost', true],
    ['Ann@LOCALHOST', true],
    ['ann@localhost/phone', false],
    ['bob@localhost', false],
    ['localhost', false],
    ['ann', false],
    ['@localhost', false],
  ];
  for (const [authzid, ok] of table) t.equal(authzidMatches(authzid, 'ann@localhost'), ok, `${authzid}`);
});

t.test('accounts are made under names of reasonable length that are not those of anonymous users', async (t) => {
  const table: [username: string, verdict: string][] = [
    ['ann', 'ann@localhost'],
    ['x'.repeat(USERNAME_BYTES_MAX), `${'x'.repeat(USERNAME_BYTES_MAX)}@localhost`],
    ['x'.repeat(USERNAME_BYTES_MAX + 1), 'username-too-long'],
    ['', 'username-malformed'],
    ['ann@localhost', 'username-malformed'],
    ['anon-0011', 'username-reserved'],
    ['ANON-0011', 'username-reserved'],
    ['\uff41non-0011', 'username-reserved'],
    ['anonymous', 'anonymous@localhost'],
  ];
  for (const [username, expected] of table) {
    const verdict = checkUsername(username, 'localhost');
    t.equal(verdict.ok ? verdict.jid.bare : verdict.reason, expected, username.slice(0, 40));
  }
});

t.test('a new password keeps the age of the account', async (t) => {
  const random = new Uint8Array(32);
  const first = await deriveCredentials('one', { iterations: 4096, random }, systemPbkdf2);
  const second = await deriveCredentials('two', { iterations: 4096, random }, systemPbkdf2);
  const row = newAccount(first, 'in-band', 1_000);
  t.same(row, { v: 1, credentials: first, createdMs: 1_000, passwordChangedMs: 1_000, origin: 'in-band' });
  t.same(withCredentials(row, second, 2_000), { ...row, credentials: second, passwordChangedMs: 2_000 });
});
