import t from 'tap';
import {
  type Credentials,
  DerivationsBusyError,
  type DeriveRequest,
  deriveCredentials,
  fakeKeys,
  keysOf,
  limitDerivations,
  type Pbkdf2,
  preparePassword,
  systemPbkdf2,
  verifyDerived,
} from './credentials.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const random = Uint8Array.from({ length: 32 }, (_, i) => i);

t.test('PBKDF2 is the one of RFC 6070, with a key as long as the hash', async (t) => {
  const salt = Buffer.from('salt');
  const derived = await systemPbkdf2({ password: 'password', salt, iterations: 4096, hash: 'sha1' });
  t.equal(hex(derived), '4b007901b765489abead49d926f721d065a429c1');
  t.equal((await systemPbkdf2({ password: 'x', salt, iterations: 1, hash: 'sha256' })).length, 32);
});

t.test('the keys of a password check that password and no other', async (t) => {
  const credentials = await deriveCredentials('pencil', { iterations: 4096, random }, systemPbkdf2);
  for (const hash of ['sha1', 'sha256'] as const) {
    const { salt, iterations } = credentials[hash];
    const derive = (password: string) => systemPbkdf2({ password, salt, iterations, hash });
    t.equal(verifyDerived(credentials[hash], await derive('pencil'), hash), true, hash);
    t.equal(verifyDerived(credentials[hash], await derive('Pencil'), hash), false, hash);
  }
});

t.test('nothing of the password and nothing it could be derived from is in the credentials', async (t) => {
  const derived: Uint8Array[] = [];
  const pbkdf2: Pbkdf2 = async (request) => {
    derived.push(await systemPbkdf2(request));
    return derived.at(-1)!;
  };
  const credentials = await deriveCredentials('correct horse', { iterations: 4096, random }, pbkdf2);
  const stored = JSON.stringify(credentials, (_, value) => (value instanceof Uint8Array ? hex(value) : value));
  t.notMatch(stored, hex(Buffer.from('correct horse')));
  for (const key of derived) t.notOk(stored.includes(hex(key)));
  t.not(hex(credentials.sha1.salt), hex(credentials.sha256.salt), 'each mechanism has its own salt');
});

t.test('salts do not change when the caller uses its random bytes again', async (t) => {
  const pooled = Buffer.from(random);
  const credentials: Credentials = await deriveCredentials(
    'pencil',
    { iterations: 4096, random: pooled },
    systemPbkdf2,
  );
  pooled.fill(0xff);
  t.equal(hex(credentials.sha1.salt) + hex(credentials.sha256.salt), hex(random));
});

t.test('too few random bytes and too few iterations are refused', async (t) => {
  await t.rejects(deriveCredentials('p', { iterations: 4096, random: random.subarray(1) }, systemPbkdf2), RangeError);
  await t.rejects(deriveCredentials('p', { iterations: 4095, random }, systemPbkdf2), RangeError);
  await t.rejects(deriveCredentials('p', { iterations: Number.NaN, random }, systemPbkdf2), RangeError);
});

t.test('passwords are prepared by SASLprep, within limits', async (t) => {
  const table: [raw: string, expected: string, why: string][] = [
    ['pencil', 'pencil', 'ASCII stays'],
    [' a b ', ' a b ', 'spaces stay'],
    ['I\u00adX', 'IX', 'RFC 4013 3: soft hyphen is mapped to nothing'],
    ['\u00aa', 'a', 'RFC 4013 3: NFKC'],
    ['\u2168', 'IX', 'RFC 4013 3: NFKC'],
    ['a\u00a0b', 'a b', 'any space is a space'],
    ['🫠', '🫠', 'newer than Unicode 3.2, allowed'],
    ['', 'password-empty', 'empty'],
    ['\u00ad', 'password-prohibited', 'empty when prepared'],
    ['\u0007', 'password-prohibited', 'RFC 4013 3: control character'],
    ['\u0627\u0031', 'password-prohibited', 'RFC 4013 3: right-to-left must be at both ends'],
    ['x'.repeat(1024), 'x'.repeat(1024), 'as long as may be'],
    ['x'.repeat(1025), 'password-too-long', 'longer'],
    ['é'.repeat(513), 'password-too-long', 'bytes count, not characters'],
  ];
  for (const [raw, expected, why] of table) {
    const verdict = preparePassword(raw);
    t.equal(verdict.ok ? verdict.password : verdict.reason, expected, why);
  }
});

t.test('an unknown user has the same salt every time, and another in every mechanism, name and cluster', async (t) => {
  const secret = Buffer.alloc(32, 7);
  const salt = (user: string, hash: 'sha1' | 'sha256' = 'sha256', key: Uint8Array = secret): string =>
    hex(fakeKeys(key, hash, user, 10_000).salt);
  t.equal(salt('a@localhost'), salt('a@localhost'));
  t.not(salt('a@localhost'), salt('b@localhost'));
  t.not(salt('a@localhost'), salt('a@localhost', 'sha1'));
  t.not(salt('a@localhost'), salt('a@localhost', 'sha256', Buffer.alloc(32, 8)));
  const real = keysOf(Buffer.alloc(32), random.subarray(0, 16), 10_000, 'sha1');
  const fake = fakeKeys(secret, 'sha1', 'a@localhost', 10_000);
  for (const part of ['salt', 'storedKey', 'serverKey'] as const) t.equal(fake[part].length, real[part].length, part);
});

t.test('derivations run a few at a time, wait in line, and are refused beyond the line', async (t) => {
  const request: DeriveRequest = { password: 'p', salt: random, iterations: 4096, hash: 'sha1' };
  const started: ((ok: boolean) => void)[] = [];
  const manual: Pbkdf2 = () =>
    new Promise((resolve, reject) => started.push((ok) => (ok ? resolve(random) : reject(new Error('failed')))));
  const limited = limitDerivations(manual, { runningMax: 2, waitingMax: 1 });
  const [first, second, third] = [limited(request), limited(request), limited(request)];
  await t.rejects(limited(request), DerivationsBusyError);
  t.equal(started.length, 2);
  started[0]!(false);
  await t.rejects(first, /failed/);
  await new Promise(setImmediate);
  t.equal(started.length, 3, 'a failed one gives its slot to the next');
  started[1]!(true);
  started[2]!(true);
  t.equal(await second, random);
  t.equal(await third, random);
  const fourth = limited(request);
  t.equal(started.length, 4, 'slots are free again');
  started[3]!(true);
  await fourth;
});
