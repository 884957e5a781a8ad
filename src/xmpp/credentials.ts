import { createHmac, hash as cryptoHash, pbkdf2 as cryptoPbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import saslprep from '@mongodb-js/saslprep';

/** PBKDF2 rounds of a new password. RFC 7677 4 asks for at least 4,096; 10,000 is about 5 ms of a worker thread. */
export const ITERATIONS_DEFAULT = 10_000;
export const ITERATIONS_MIN = 4_096;
/** Bytes of a salt. The made-up salts of unknown users must have the same length. */
export const SALT_BYTES = 16;
/** UTF-8 bytes of a password, before SASLprep: bounds the work of SASLprep and PBKDF2. */
export const PASSWORD_BYTES_MAX = 1_024;

export type ScramHash = 'sha1' | 'sha256';

const HASH_BYTES: Readonly<Record<ScramHash, number>> = { sha1: 20, sha256: 32 };

/** What a server keeps to check a password and cannot log in with (RFC 5802 3). */
export interface ScramKeys {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** Keys of one password, for every mechanism; both have their own salt. msgpack-able. */
export type Credentials = Readonly<Record<ScramHash, ScramKeys>>;

/** One PBKDF2 run that somebody has to do off the main thread. Holds a password: never log it. */
export interface DeriveRequest {
  /** after SASLprep */
  readonly password: string;
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly hash: ScramHash;
}

/** RFC 8018 PBKDF2-HMAC with a key as long as the hash: Hi() of RFC 5802 2.2. */
export type Pbkdf2 = (request: DeriveRequest) => Promise<Uint8Array>;

const pbkdf2Promise = promisify(cryptoPbkdf2);

/** The real one: runs in libuv's thread pool, so bound it with `limitDerivations`. */
export const systemPbkdf2: Pbkdf2 = ({ password, salt, iterations, hash }) =>
  pbkdf2Promise(password, salt, iterations, HASH_BYTES[hash], hash);

/** Too many derivations wait already. The caller answers `temporary-auth-failure` or `resource-constraint`. */
export class DerivationsBusyError extends Error {
  override readonly name = 'DerivationsBusyError';
}

/**
 * At most `runningMax` derivations at once, so that logins leave threads of the pool to the disk, and at most
 * `waitingMax` behind them; one more is rejected with DerivationsBusyError. First come, first served.
 */
export function limitDerivations(pbkdf2: Pbkdf2, limits: { runningMax: number; waitingMax: number }): Pbkdf2 {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (request) => {
    if (running < limits.runningMax) running += 1;
    else if (waiting.length >= limits.waitingMax)
      throw new DerivationsBusyError('too many passwords are being checked');
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await pbkdf2(request);
    } finally {
      // a slot goes straight to the next in line, so `running` counts it without a gap
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}

export type PasswordVerdict =
  | { readonly ok: true; readonly password: string }
  | { readonly ok: false; readonly reason: 'password-empty' | 'password-too-long' | 'password-prohibited' };

/**
 * SASLprep (RFC 4013) with limits. Code points that Unicode 3.2 did not know are allowed, when setting a password as
 * well as when checking it: RFC 4013 would forbid a user every newer emoji, and clients do not agree with it.
 */
export function preparePassword(raw: string): PasswordVerdict {
  if (raw === '') return { ok: false, reason: 'password-empty' };
  if (Buffer.byteLength(raw) > PASSWORD_BYTES_MAX) return { ok: false, reason: 'password-too-long' };
  if (/^[\x20-\x7e]+$/.test(raw)) return { ok: true, password: raw };
  try {
    return { ok: true, password: saslprep(raw, { allowUnassigned: true }) };
  } catch {
    // it throws for one thing only: the text breaks a rule of RFC 4013, or nothing is left of it
    return { ok: false, reason: 'password-prohibited' };
  }
}

/** Server-side keys of a PBKDF2 result (RFC 5802 3: SaltedPassword to StoredKey and ServerKey). */
export function keysOf(saltedPassword: Uint8Array, salt: Uint8Array, iterations: number, hash: ScramHash): ScramKeys {
  const storedKey = cryptoHash(hash, hmac(hash, saltedPassword, 'Client Key'), 'buffer');
  return { salt, iterations, storedKey, serverKey: hmac(hash, saltedPassword, 'Server Key') };
}

/**
 * Keys for a new password.
 * @param password after preparePassword
 * @param options random: 2 × SALT_BYTES fresh random bytes
 * @throws RangeError when random is too short or iterations below ITERATIONS_MIN; whatever `pbkdf2` rejects with
 */
export async function deriveCredentials(
  password: string,
  options: { readonly iterations: number; readonly random: Uint8Array },
  pbkdf2: Pbkdf2,
): Promise<Credentials> {
  const { iterations, random } = options;
  if (random.length < 2 * SALT_BYTES) throw new RangeError(`deriveCredentials needs ${2 * SALT_BYTES} random bytes`);
  if (!(iterations >= ITERATIONS_MIN)) throw new RangeError(`iterations must be at least ${ITERATIONS_MIN}`);
  const derive = async (hash: ScramHash, salt: Uint8Array): Promise<ScramKeys> =>
    keysOf(await pbkdf2({ password, salt, iterations, hash }), salt, iterations, hash);
  // one after the other: a single account never takes two slots of the thread pool
  const salts = Uint8Array.from(random);
  const sha1 = await derive('sha1', salts.slice(0, SALT_BYTES));
  const sha256 = await derive('sha256', salts.slice(SALT_BYTES, 2 * SALT_BYTES));
  return { sha1, sha256 };
}

/**
 * Keys that nobody can match, for a user who does not exist: the same name always gets the same salt, as a real one
 * does, and without the secret nobody can tell it from a real one. Two nodes with one secret answer alike.
 * @param secret the cluster's secret, ≥ 16 bytes
 * @param user bare JID, normalised
 */
export function fakeKeys(secret: Uint8Array, hash: ScramHash, user: string, iterations: number): ScramKeys {
  // one HMAC, of which the client sees the first part only
  const bytes = createHmac('sha512', secret).update(`${hash}\0${user}`, 'utf8').digest();
  const key = bytes.subarray(SALT_BYTES, SALT_BYTES + HASH_BYTES[hash]);
  return { salt: bytes.subarray(0, SALT_BYTES), iterations, storedKey: key, serverKey: key };
}

/** Does a PBKDF2 result belong to these keys? Constant time. */
export function verifyDerived(keys: ScramKeys, saltedPassword: Uint8Array, hash: ScramHash): boolean {
  return sameBytes(keysOf(saltedPassword, keys.salt, keys.iterations, hash).storedKey, keys.storedKey);
}

/**
 * RFC 5802 3, the server's half: is `proof` ClientKey XOR HMAC(StoredKey, authMessage)? The server signature is always
 * made, whatever the answer, so that both answers take the same time. Constant time.
 */
export function verifyProof(
  keys: ScramKeys,
  hash: ScramHash,
  authMessage: string,
  proof: Uint8Array,
): { readonly ok: boolean; readonly serverSignature: Uint8Array } {
  const signature = hmac(hash, keys.storedKey, authMessage);
  const serverSignature = hmac(hash, keys.serverKey, authMessage);
  if (proof.length !== signature.length) return { ok: false, serverSignature };
  const clientKey = Uint8Array.from(signature, (byte, i) => byte ^ (proof[i] ?? 0));
  return { ok: sameBytes(cryptoHash(hash, clientKey, 'buffer'), keys.storedKey), serverSignature };
}

function hmac(hash: ScramHash, key: Uint8Array, text: string): Buffer {
  return createHmac(hash, key).update(text, 'utf8').digest();
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
