import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/**
 * The check that S3 makes of each request (AWS Signature Version 4), which s3rver leaves out. Written from its
 * description and not with the library under test.
 */
export interface S3Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

interface Claim {
  readonly credential: string;
  readonly signedHeaders: string;
  readonly signature: string;
  readonly date: string;
  readonly payload: string;
  /** seconds; undefined when it is in the headers */
  readonly expires: number | undefined;
}

const sha256 = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** @returns what is wrong with the signature, or undefined */
export function signatureFault(
  request: IncomingMessage,
  body: Buffer,
  keys: S3Keys,
  nowMs: number,
): string | undefined {
  const [path = '', search = ''] = (request.url ?? '').split('?');
  const query = new URLSearchParams(search);
  const claim = claimOf(request, query);
  if (claim === undefined) return 'it is not signed';
  const [id, day = '', region = '', service = ''] = claim.credential.split('/');
  if (id !== keys.accessKeyId) return 'the access key is unknown';
  const signed = claim.signedHeaders.split(';');
  if (!signed.includes('host')) return 'the host is not signed';
  const headers = signed.map((name) => `${name}:${String(request.headers[name] ?? '').trim()}\n`);
  const canonical = [
    request.method,
    path,
    canonicalQuery(query),
    headers.join(''),
    claim.signedHeaders,
    claim.payload,
  ].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const key = hmac(hmac(hmac(hmac(`AWS4${keys.secretAccessKey}`, day), region), service), 'aws4_request');
  const expected = hmac(key, ['AWS4-HMAC-SHA256', claim.date, scope, sha256(canonical)].join('\n')).toString('hex');
  if (expected !== claim.signature) return 'the signature does not match';
  if (/^[0-9a-f]{64}$/.test(claim.payload) && claim.payload !== sha256(body)) return 'the body does not match';
  const signedMs = Date.parse(claim.date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  const goodMs = (claim.expires ?? 900) * 1000;
  return nowMs > signedMs + goodMs ? 'it has expired' : undefined;
}

function claimOf(request: IncomingMessage, query: URLSearchParams): Claim | undefined {
  if (query.has('X-Amz-Signature')) {
    return {
      credential: query.get('X-Amz-Credential') ?? '',
      signedHeaders: query.get('X-Amz-SignedHeaders') ?? '',
      signature: query.get('X-Amz-Signature') ?? '',
      date: query.get('X-Amz-Date') ?? '',
      payload: query.get('X-Amz-Content-Sha256') ?? 'UNSIGNED-PAYLOAD',
      expires: Number(query.get('X-Amz-Expires')),
    };
  }
  const part = (name: string): string =>
    new RegExp(`${name}=([^, ]+)`).exec(request.headers.authorization ?? '')?.[1] ?? '';
  if (part('Signature') === '') return undefined;
  return {
    credential: part('Credential'),
    signedHeaders: part('SignedHeaders'),
    signature: part('Signature'),
    date: String(request.headers['x-amz-date']),
    payload: String(request.headers['x-amz-content-sha256']),
    expires: undefined,
  };
}

function canonicalQuery(query: URLSearchParams): string {
  const encode = (text: string): string =>
    encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  return [...query]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
}
