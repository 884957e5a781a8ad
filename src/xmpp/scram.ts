import { accountJid, authzidMatches } from './account.ts';
import { decodeBase64 } from './base64.ts';
import { type Credentials, fakeKeys, type ScramHash, type ScramKeys, verifyProof } from './credentials.ts';
import type { XmppModule } from './module.ts';
import type { Mechanism, SaslContext, SaslStep } from './sasl-mechanism.ts';

/** Characters of a client's nonce; the ones in use have 16 to 64. */
export const CLIENT_NONCE_CHARS_MAX = 256;
/** Random bytes of the server's part of the nonce. */
export const SERVER_NONCE_BYTES = 18;

export interface ClientFirst {
  /** as sent, with both commas: what the channel binding of the final message must repeat */
  readonly gs2Header: string;
  readonly authzid: string | undefined;
  readonly username: string;
  readonly nonce: string;
  /** the message without the gs2 header: the first part of the auth message */
  readonly bare: string;
}

export interface ClientFinal {
  /** decoded `c=` */
  readonly channelBinding: string;
  readonly nonce: string;
  /** the message without `,p=…`: the last part of the auth message */
  readonly withoutProof: string;
  readonly proof: Uint8Array;
}

/** Why a message of a client is refused; constant words, safe to log. */
export interface ScramFault {
  readonly fault: string;
}

/** RFC 5802 7: client-first-message. */
export function parseClientFirst(message: string): ClientFirst | ScramFault {
  const gs2 = /^(?:([ny])|p=[^,]*),(?:a=([^,]*))?,/.exec(message);
  if (gs2 === null) return { fault: 'gs2-header' };
  // we offer no -PLUS, so there is nothing a client could have bound to (RFC 5802 6)
  if (gs2[1] === undefined) return { fault: 'channel-binding-not-supported' };
  const authzid = gs2[2] === undefined ? undefined : decodeSaslName(gs2[2]);
  if (gs2[2] !== undefined && authzid === undefined) return { fault: 'authzid-encoding' };
  const bare = message.slice(gs2[0].length);
  const [first = '', second = '', ...extensions] = bare.split(',');
  // RFC 5802 5.1: m= is reserved for extensions that must be understood; we understand none
  if (first.startsWith('m=')) return { fault: 'extensions-not-supported' };
  if (!first.startsWith('n=')) return { fault: 'username-missing' };
  if (!second.startsWith('r=')) return { fault: 'nonce-missing' };
  if (!extensions.every(isExtension)) return { fault: 'extension-malformed' };
  const username = decodeSaslName(first.slice(2));
  if (username === undefined) return { fault: 'username-encoding' };
  const nonce = second.slice(2);
  if (!/^[\x21-\x7e]+$/.test(nonce) || nonce.length > CLIENT_NONCE_CHARS_MAX) return { fault: 'nonce-malformed' };
  return { gs2Header: gs2[0], authzid, username, nonce, bare };
}

/** RFC 5802 7: client-final-message; attributes come in exactly this order: c, r, extensions, p. */
export function parseClientFinal(message: string): ClientFinal | ScramFault {
  const attributes = message.split(',');
  const [c = '', r = ''] = attributes;
  const p = attributes.length > 2 ? (attributes.at(-1) ?? '') : '';
  if (!c.startsWith('c=')) return { fault: 'channel-binding-missing' };
  if (!r.startsWith('r=')) return { fault: 'nonce-missing' };
  if (!p.startsWith('p=')) return { fault: 'proof-missing' };
  if (!attributes.slice(2, -1).every(isExtension)) return { fault: 'extension-malformed' };
  const channelBinding = decodeBase64(c.slice(2));
  const proof = decodeBase64(p.slice(2));
  if (channelBinding === undefined || channelBinding.length === 0) return { fault: 'channel-binding-encoding' };
  if (proof === undefined || proof.length === 0) return { fault: 'proof-encoding' };
  return {
    channelBinding: channelBinding.toString('utf8'),
    nonce: r.slice(2),
    withoutProof: message.slice(0, message.length - p.length - 1),
    proof,
  };
}

/** RFC 5802 5.1 optional extensions are ignored, but they must look like one; `m` never comes this late. */
function isExtension(attribute: string): boolean {
  return /^[A-Za-z]=[^\0]+$/.test(attribute) && !attribute.startsWith('m=');
}

/** RFC 5802 5.1 `saslname`: =2C is a comma and =3D an equals sign; any other '=', and an empty name, is an error. */
function decodeSaslName(encoded: string): string | undefined {
  if (encoded === '' || encoded.includes('\0') || /=(?!2C|3D)/.test(encoded)) return undefined;
  return encoded.replaceAll('=2C', ',').replaceAll('=3D', '=');
}

/**
 * SCRAM's server (RFC 5802, RFC 7677) without channel binding. A user who does not exist gets the same messages, made
 * with keys that nothing matches, by the same steps; only the last comparison differs.
 */
export function scramMechanism(name: string, hash: ScramHash): Mechanism {
  return {
    name,
    refusal: () => undefined,
    emptyInitial: 'challenge',
    start: (message, context, random) => first(hash, message, context, random),
  };
}

export const scramSha256 = scramMechanism('SCRAM-SHA-256', 'sha256');
export const scramSha1 = scramMechanism('SCRAM-SHA-1', 'sha1');

function first(hash: ScramHash, message: string, context: SaslContext, random: Uint8Array): SaslStep {
  const parsed = parseClientFirst(message);
  if ('fault' in parsed) return { t: 'failure', condition: 'malformed-request', reason: parsed.fault };
  const user = accountJid(parsed.username, context.domain)?.bare;
  if (user === undefined) return { t: 'failure', condition: 'not-authorized', reason: 'username-malformed' };
  if (!authzidMatches(parsed.authzid, user)) {
    return { t: 'failure', condition: 'invalid-authzid', reason: 'authzid-of-another', user };
  }
  const nonce = parsed.nonce + Buffer.from(random.subarray(0, SERVER_NONCE_BYTES)).toString('base64');
  const next = (credentials: Credentials | undefined): SaslStep => {
    // made for real users too, so that the time does not tell
    const fake = fakeKeys(context.secret, hash, user, context.iterations);
    const known = credentials !== undefined;
    return challenge({ hash, user, first: parsed, nonce, keys: known ? credentials[hash] : fake, known });
  };
  return { t: 'lookup', user, next };
}

interface Exchange {
  readonly hash: ScramHash;
  readonly user: string;
  readonly first: ClientFirst;
  /** the client's and the server's part */
  readonly nonce: string;
  readonly keys: ScramKeys;
  readonly known: boolean;
}

function challenge(exchange: Exchange): SaslStep {
  const { keys, nonce } = exchange;
  const serverFirst = `r=${nonce},s=${Buffer.from(keys.salt).toString('base64')},i=${keys.iterations}`;
  return { t: 'challenge', data: serverFirst, next: (message) => final(exchange, serverFirst, message) };
}

function final(exchange: Exchange, serverFirst: string, message: string): SaslStep {
  const { first, hash, keys, known, nonce, user } = exchange;
  const parsed = parseClientFinal(message);
  if ('fault' in parsed) return { t: 'failure', condition: 'malformed-request', reason: parsed.fault, user };
  if (parsed.channelBinding !== first.gs2Header) {
    return { t: 'failure', condition: 'not-authorized', reason: 'channel-binding-mismatch', user };
  }
  if (parsed.nonce !== nonce) return { t: 'failure', condition: 'not-authorized', reason: 'nonce-mismatch', user };
  const authMessage = `${first.bare},${serverFirst},${parsed.withoutProof}`;
  const { ok, serverSignature } = verifyProof(keys, hash, authMessage, parsed.proof);
  if (!ok || !known) return { t: 'failure', condition: 'not-authorized', reason: 'credentials', user };
  return { t: 'success', user, data: `v=${Buffer.from(serverSignature).toString('base64')}` };
}

export const scramModule: XmppModule = {
  spec: {
    id: 'RFC 5802, RFC 7677',
    title: 'SCRAM-SHA-1 and SCRAM-SHA-256',
    url: 'https://www.rfc-editor.org/rfc/rfc7677',
    note: 'without channel binding; salted keys are stored, never passwords',
  },
};
