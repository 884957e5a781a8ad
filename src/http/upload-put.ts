import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { lookup } from 'mime-types';
import { CORS, essenceOf } from './file-reply.ts';
import type { FileFacts, FileStore } from './file-store.ts';
import { discardBody, expectsContinue } from './request-body.ts';
import type { SlotVerdict } from './upload-slot.ts';

/** Why an upload was not taken. */
export type PutRefusal =
  | 'signature'
  | 'expired'
  | 'length'
  | 'size'
  | 'type'
  | 'used'
  | 'busy'
  | 'full'
  | 'stopping'
  | 'slow'
  | 'aborted'
  | 'failed';

export type PutOutcome = 'stored' | PutRefusal;

const ANSWERS: Readonly<Record<PutOutcome, readonly [status: number, line: string, more?: Record<string, string>]>> = {
  stored: [201, 'stored'],
  signature: [403, 'this URL was not given out, or is not whole'],
  expired: [403, 'this slot has expired; ask for another one'],
  length: [411, 'a Content-Length is needed'],
  size: [400, 'the Content-Length is not the size in the slot'],
  type: [415, 'the Content-Type is not that of the slot'],
  used: [409, 'this slot has been used'],
  busy: [503, 'too many uploads at once; try again', { 'retry-after': '10' }],
  full: [507, 'there is no room for this file'],
  stopping: [503, 'this node is stopping; try again', { 'retry-after': '5' }],
  slow: [408, 'the upload stood still, or took too long'],
  aborted: [400, 'the upload broke off'],
  failed: [500, 'the file could not be stored; the log of this node says more'],
};

/** Whatever else it says; what is shown is decided when it is served. */
const MEDIA_TYPE = /^[\x21-\x7e][\x20-\x7e]{0,254}$/;

export type PutDecision =
  | { readonly ok: true; readonly facts: FileFacts; readonly owner: string }
  | { readonly ok: false; readonly reason: PutRefusal };

/** Whether the headers of a PUT are what its slot was given for (XEP-0363 section 7). */
export function decidePut(verdict: SlotVerdict, headers: IncomingHttpHeaders): PutDecision {
  if (!verdict.ok) return verdict;
  const { name, bytes, type: asked, owner } = verdict.slot;
  const length = headers['content-length'];
  if (length === undefined || headers['transfer-encoding'] !== undefined) return { ok: false, reason: 'length' };
  if (Number(length) !== bytes) return { ok: false, reason: 'size' };
  const sent = headers['content-type'];
  if (asked !== undefined && essenceOf(sent ?? '') !== essenceOf(asked)) return { ok: false, reason: 'type' };
  const type = sent !== undefined && MEDIA_TYPE.test(sent) ? sent : lookup(name) || 'application/octet-stream';
  return { ok: true, facts: { name, bytes, type }, owner };
}

export interface PutTimes {
  /** milliseconds without a byte after which it is given up */
  readonly idleTimeoutMs: number;
  /** milliseconds that it may take */
  readonly timeoutMs: number;
}

/**
 * Streams the body of a PUT into the store; decided already. Whatever goes wrong, nothing of the file stays.
 * @param stopping ends it: the node stops
 * @returns what became of it, and the fault when it is `failed`
 */
export async function storeBody(
  store: FileStore,
  id: string,
  facts: FileFacts,
  request: IncomingMessage,
  response: ServerResponse,
  times: PutTimes,
  stopping: AbortSignal,
): Promise<{ readonly outcome: PutOutcome; readonly error?: unknown }> {
  const up = new AbortController();
  let why: PutRefusal | undefined;
  const giveUp = (reason: PutRefusal) => (): void => {
    why = reason;
    up.abort();
    request.destroy();
  };
  const timer = setTimeout(giveUp('slow'), times.timeoutMs).unref();
  request.setTimeout(times.idleTimeoutMs, giveUp('slow'));
  const stop = giveUp('stopping');
  stopping.addEventListener('abort', stop, { once: true });
  try {
    if (stopping.aborted) stop();
    else if (expectsContinue(request)) response.writeContinue();
    const outcome = await store.put(id, facts, request, up.signal);
    return { outcome: outcome === 'exists' ? 'used' : outcome };
  } catch (error) {
    if (why !== undefined) return { outcome: why };
    return request.destroyed && !request.complete ? { outcome: 'aborted' } : { outcome: 'failed', error };
  } finally {
    clearTimeout(timer);
    request.setTimeout(0);
    stopping.removeEventListener('abort', stop);
  }
}

/** Answers a PUT; what is left of its body is thrown away. */
export function answerPut(request: IncomingMessage, response: ServerResponse, outcome: PutOutcome): void {
  const [status, line, more] = ANSWERS[outcome];
  if (response.destroyed) return;
  discardBody(request, response);
  const body = `${line}\n`;
  response.writeHead(status, {
    ...CORS,
    ...more,
    'content-type': 'text/plain; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  });
  response.end(body);
}
