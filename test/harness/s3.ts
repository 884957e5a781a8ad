import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import S3rver from 's3rver';
import type { Test } from 'tap';
import { type S3Keys, signatureFault } from './sigv4.ts';

const KEYS: S3Keys = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };

/** An S3 service on loopback that checks signatures, with an empty bucket. */
export interface S3ForTest {
  readonly endpoint: string;
  readonly bucket: string;
  readonly credentials: S3Keys;
  /** If-None-Match of puts */
  readonly conditions: string[];
  /** It answers no more. */
  stop(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/**
 * Ended with the test. s3rver does the work; in front of it stands what it lacks of S3: signatures are checked,
 * conditions are kept, a put that breaks off leaves nothing, and a range that ends at 0 is one byte. Its bucket allows web pages of any origin to get and put.
 */
export async function startS3(t: Pick<Test, 'testdir' | 'teardown'>): Promise<S3ForTest> {
  const cors = readFileSync(createRequire(import.meta.url).resolve('s3rver/example/cors.xml'));
  const s3rver = new S3rver({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory: t.testdir({ s3: {} }),
    configureBuckets: [{ name: 'files', configs: [cors] }],
  });
  const { port } = await s3rver.run();
  const conditions: string[] = [];
  /** paths that something was put to */
  const taken = new Set<string>();
  const front = createServer(async (incoming, response) => {
    const body = await buffer(incoming).catch(() => undefined);
    if (body === undefined) return response.destroy();
    const fault = incoming.method === 'OPTIONS' ? undefined : signatureFault(incoming, body, KEYS, Date.now());
    if (fault !== undefined) {
      const xml = `<Error><Code>SignatureDoesNotMatch</Code><Message>signature: ${fault}</Message></Error>`;
      return response.writeHead(403, { 'content-type': 'application/xml' }).end(xml);
    }
    const path = incoming.url?.split('?')[0] ?? '';
    const condition = incoming.headers['if-none-match'];
    if (incoming.method === 'PUT') {
      if (condition !== undefined) conditions.push(condition);
      if (condition === '*' && taken.has(path)) return response.writeHead(412).end();
      taken.add(path);
    }
    const answer = await forward(port, incoming, body);
    const whole = incoming.headers.range === 'bytes=0-0' ? answer.body.subarray(0, 1) : answer.body;
    const { 'transfer-encoding': _chunked, ...headers } = answer.headers;
    const length = incoming.method === 'HEAD' ? headers['content-length'] : whole.length;
    response.writeHead(answer.status, { ...headers, ...(length !== undefined && { 'content-length': length }) });
    response.end(whole);
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    front.close();
    front.closeAllConnections();
    stopped ??= s3rver.close();
    return stopped;
  };
  t.teardown(stop);
  return {
    endpoint: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
    bucket: 'files',
    credentials: KEYS,
    conditions,
    stop,
  };
}

/** With the very headers, `host` too, or the signature would not hold. */
function forward(port: number, { method, url, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, method, path: url, headers, agent: false }, async (response) =>
      resolve({ status: response.statusCode ?? 500, headers: response.headers, body: await buffer(response) }),
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
