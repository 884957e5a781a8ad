import type { IncomingMessage, ServerResponse } from 'node:http';

/** What is read of a body that nobody wants, so that the client gets to read its answer before the socket ends. */
const DISCARDED_BYTES_MAX = 1_048_576;
const DISCARDED_MS_MAX = 30_000;

/** Whether a body follows the headers (RFC 9112 6.3). */
export function hasBody({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

export function expectsContinue({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return headers.expect?.toLowerCase() === '100-continue';
}

/** Before an answer that does not wait for the body: it is thrown away, and the socket with it if there is too much. */
export function discardBody(request: IncomingMessage, response: ServerResponse): void {
  if (!hasBody(request) || request.readableEnded) return;
  // The client may leave the body out, and then nobody knows where the next request begins (RFC 9110 10.1.1).
  if (expectsContinue(request)) response.setHeader('connection', 'close');
  let bytes = 0;
  const timer = setTimeout(() => request.destroy(), DISCARDED_MS_MAX).unref();
  request.on('close', () => clearTimeout(timer));
  request.on('error', () => request.destroy());
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > DISCARDED_BYTES_MAX) request.destroy();
  });
}
