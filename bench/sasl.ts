import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify(pbkdf2);

export const mechanisms = ['SCRAM-SHA-256', 'SCRAM-SHA-1', 'PLAIN'] as const;
export type Mechanism = (typeof mechanisms)[number];

/** The strongest mechanism both sides know, or the one asked for. @throws Error when there is none. */
export function chooseMechanism(offered: readonly string[], wanted: Mechanism | 'auto'): Mechanism {
  const chosen = mechanisms.find((name) => offered.includes(name) && (wanted === 'auto' || wanted === name));
  if (chosen === undefined) throw new Error(`server offers [${offered.join(', ')}], wanted ${wanted}`);
  return chosen;
}

export function plain(user: string, password: string): string {
  return Buffer.from(`\0${user}\0${password}`).toString('base64');
}

/** What the client says in a SCRAM exchange, and what the server must prove at the end (RFC 5802 3). */
export interface ScramAnswer {
  readonly message: string;
  readonly serverSignature: Buffer;
}

export interface Scram {
  readonly first: string;
  /** @throws Error on a server message that is malformed or changes the nonce */
  answer(serverFirst: string): Promise<ScramAnswer>;
}

/**
 * Salted passwords are kept per (mechanism, password, salt, iterations): thousands of logins must not cost the load
 * core a PBKDF2 each. Bounded; when full it is emptied.
 */
const salted = new Map<string, Buffer>();
const saltedMax = 50_000;

async function saltedPassword(hash: string, password: string, salt: string, iterations: number): Promise<Buffer> {
  const key = `${hash} ${iterations} ${salt} ${password}`;
  const known = salted.get(key);
  if (known !== undefined) return known;
  const bytes = hash === 'sha1' ? 20 : 32;
  const value = await derive(password, Buffer.from(salt, 'base64'), iterations, bytes, hash);
  if (salted.size >= saltedMax) salted.clear();
  salted.set(key, value);
  return value;
}

/** One SCRAM exchange without channel binding. `nonce` is given in tests only. */
export function scram(mechanism: Mechanism, user: string, password: string, nonce?: string): Scram {
  const hash = mechanism === 'SCRAM-SHA-1' ? 'sha1' : 'sha256';
  const hmac = (key: Buffer, data: string) => createHmac(hash, key).update(data).digest();
  const clientNonce = nonce ?? randomBytes(18).toString('base64');
  const bare = `n=${user.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${clientNonce}`;
  return {
    first: `n,,${bare}`,
    async answer(serverFirst) {
      const [, serverNonce = '', salt = '', count = ''] = /^r=([^,]+),s=([^,]+),i=(\d+)/.exec(serverFirst) ?? [];
      if (!serverNonce.startsWith(clientNonce) || salt === '') throw new Error('malformed SCRAM server message');
      const base = await saltedPassword(hash, password, salt, Number(count));
      const clientKey = hmac(base, 'Client Key');
      const withoutProof = `c=biws,r=${serverNonce}`;
      const authMessage = `${bare},${serverFirst},${withoutProof}`;
      const proof = hmac(createHash(hash).update(clientKey).digest(), authMessage);
      for (let i = 0; i < proof.length; i++) proof[i] = proof[i]! ^ clientKey[i]!;
      return {
        message: `${withoutProof},p=${proof.toString('base64')}`,
        serverSignature: hmac(hmac(base, 'Server Key'), authMessage),
      };
    },
  };
}

/** True when the server's final message proves that it knows the password too. */
export function serverIsGenuine(answer: ScramAnswer, serverFinal: string): boolean {
  const given = Buffer.from(/^v=([^,]+)/.exec(serverFinal)?.[1] ?? '', 'base64');
  return given.length === answer.serverSignature.length && timingSafeEqual(given, answer.serverSignature);
}
