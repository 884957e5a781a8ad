import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

/** The client's side of SASL, written from RFC 5802 and RFC 4616 without a line of the server's. */

export type ScramName = 'SCRAM-SHA-1' | 'SCRAM-SHA-256';

const HASHES = { 'SCRAM-SHA-1': ['sha1', 20], 'SCRAM-SHA-256': ['sha256', 32] } as const;

/** Salted passwords by mechanism, password, salt and rounds: a test logs the same few users in again and again. */
const salted = new Map<string, Buffer>();

export const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
export const fromBase64 = (text: string): string => Buffer.from(text, 'base64').toString('utf8');

function saltedPassword(name: ScramName, password: string, salt: string, iterations: number): Buffer {
  const key = `${name} ${salt} ${iterations} ${password}`;
  let found = salted.get(key);
  if (found === undefined) {
    const [hash, length] = HASHES[name];
    found = pbkdf2Sync(password, Buffer.from(salt, 'base64'), iterations, length, hash);
    salted.set(key, found);
  }
  return found;
}

export interface ScramClient {
  readonly clientFirst: string;
  /** @returns client-final-message, and the signature that the server has to show */
  respond(serverFirst: string): { readonly clientFinal: string; readonly serverFinal: string };
}

export function scramClient(name: ScramName, user: string, password: string, authzid = ''): ScramClient {
  const [hash] = HASHES[name];
  const hmac = (key: Buffer, text: string): Buffer => createHmac(hash, key).update(text).digest();
  const gs2 = authzid === '' ? 'n,,' : `n,a=${authzid},`;
  const bare = `n=${user},r=${randomBytes(12).toString('hex')}`;
  return {
    clientFirst: gs2 + bare,
    respond(serverFirst) {
      const { r = '', s = '', i = '' } = scramAttributes(serverFirst);
      const saltedKey = saltedPassword(name, password, s, Number(i));
      const clientKey = hmac(saltedKey, 'Client Key');
      const storedKey = createHash(hash).update(clientKey).digest();
      const withoutProof = `c=${base64(gs2)},r=${r}`;
      const authMessage = `${bare},${serverFirst},${withoutProof}`;
      const signature = hmac(storedKey, authMessage);
      const proof = clientKey.map((byte, at) => byte ^ (signature[at] ?? 0));
      const serverKey = hmac(saltedKey, 'Server Key');
      return {
        clientFinal: `${withoutProof},p=${Buffer.from(proof).toString('base64')}`,
        serverFinal: `v=${hmac(serverKey, authMessage).toString('base64')}`,
      };
    },
  };
}

/** `r=…,s=…,i=…` as an object. */
export function scramAttributes(message: string): Partial<Record<string, string>> {
  return Object.fromEntries(message.split(',').map((part) => [part.slice(0, 1), part.slice(2)]));
}
