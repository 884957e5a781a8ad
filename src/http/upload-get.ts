import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { CORS, cacheControl, fileReply, presentation } from './file-reply.ts';
import type { FileStore } from './file-store.ts';

/** Seconds that a URL of the store itself is good for: a download begins with it at once. */
const DIRECT_SECONDS = 300;

export interface GetTimes {
  /** milliseconds that the file will be kept */
  readonly leftMs: number;
  /** milliseconds without a byte after which the socket is cut */
  readonly idleTimeoutMs: number;
  /** milliseconds that it may take: who reads a byte now and then must not keep the place of others */
  readonly timeoutMs: number;
}

/** @returns bytes sent */
export async function sendFile(
  store: FileStore,
  { id, name }: { readonly id: string; readonly name: string },
  request: IncomingMessage,
  response: ServerResponse,
  { leftMs, idleTimeoutMs, timeoutMs }: GetTimes,
): Promise<number> {
  const file = leftMs > 0 ? await store.open(id) : undefined;
  let late: NodeJS.Timeout | undefined;
  try {
    // The name is part of the URL: what a link says is what is saved.
    if (file === undefined || (file.facts.name ?? name) !== name) return notFound(request, response);
    const facts = { ...file.facts, name };
    // Ranges are for GET alone (RFC 9110 14.2).
    const asked = request.method === 'HEAD' ? { ...request.headers, range: undefined } : request.headers;
    const { status, headers, range } = fileReply(id, facts, asked, leftMs);
    if (request.method === 'HEAD' || range === undefined) {
      response.writeHead(status, headers).end();
      return 0;
    }
    if (store.direct !== undefined) {
      const shown = { ...presentation(facts), cacheControl: cacheControl(leftMs) };
      const location = await store.direct.get(id, shown, DIRECT_SECONDS);
      response.writeHead(302, { ...CORS, location, 'cache-control': 'no-store', 'content-length': '0' }).end();
      return 0;
    }
    const bytes = await file.read(range.from, range.to);
    response.setTimeout(idleTimeoutMs, () => response.destroy());
    late = setTimeout(() => response.destroy(), timeoutMs).unref();
    response.writeHead(status, headers);
    await pipeline(bytes, response);
    return range.to - range.from + 1;
  } finally {
    clearTimeout(late);
    await file?.close();
  }
}

function notFound(request: IncomingMessage, response: ServerResponse): number {
  const body = 'no such file, or no longer\n';
  response.writeHead(404, {
    ...CORS,
    'content-type': 'text/plain; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
  return 0;
}
