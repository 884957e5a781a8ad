import { messageOf } from '../base/errors.ts';
import { json, type Route } from './reply.ts';

/** Is the node able to take and keep messages, and if not, why. */
export interface Readiness {
  readonly ready: boolean;
  readonly reason?: string;
}

const NO_STORE = { 'cache-control': 'no-store' };

/** GET /healthz: the process answers. Says nothing of its storage, so a full disk does not make it restart. */
export const healthz: Route = () => json(200, { status: 'alive' }, NO_STORE);

/**
 * GET /readyz: 200 when `check` (an append to the log, read back) says ready, else 503 with the reason. Concurrent
 * requests share one check, so asking often costs no more than one disk write at a time.
 * @param timeoutMs after which an unanswered check counts as not ready
 */
export function readyz(check: () => Promise<Readiness>, timeoutMs: number): Route {
  let running: Promise<Readiness> | undefined;
  const shared = () => {
    running ??= attempt(check, timeoutMs).finally(() => {
      running = undefined;
    });
    return running;
  };
  return async () => {
    const { ready, reason } = await shared();
    return ready ? json(200, { status: 'ready' }, NO_STORE) : json(503, { status: 'not ready', reason }, NO_STORE);
  };
}

async function attempt(check: () => Promise<Readiness>, timeoutMs: number): Promise<Readiness> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Readiness>((resolve) => {
    timer = setTimeout(() => resolve({ ready: false, reason: `no answer within ${timeoutMs} ms` }), timeoutMs);
  });
  try {
    return await Promise.race([check(), late]);
  } catch (error) {
    return { ready: false, reason: messageOf(error) };
  } finally {
    clearTimeout(timer);
  }
}
