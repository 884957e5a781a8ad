import type { Runtime } from './actors/runtime.ts';
import { shortId } from './base/ids.ts';
import { randomBytes } from './base/random.ts';
import type { LogStore } from './storage/log-store.ts';

/** Rows of the node itself, in shard 0. */
const SECRET_ROW = 'cluster-secret';
const READY_ROW = 'ready-check';

/** From it come the salts of users who do not exist: it has to outlive restarts (sasl-mechanism.ts). Made once. */
export async function clusterSecret(store: LogStore, runtime: Runtime): Promise<Uint8Array> {
  const found = store.get(0, SECRET_ROW) as Uint8Array | undefined;
  if (found !== undefined) return found;
  const secret = Uint8Array.from(randomBytes(32));
  await runtime.write(0, [{ t: 'put', key: SECRET_ROW, value: secret }]);
  return secret;
}

/** /readyz: a row goes through the log to the disk and is read back. */
export async function isReady(store: LogStore, runtime: Runtime): Promise<{ ready: boolean; reason?: string }> {
  if (!store.writable) return { ready: false, reason: 'the storage accepts no writes (disk full, or failed)' };
  const value = shortId();
  try {
    await runtime.write(0, [{ t: 'put', key: READY_ROW, value }]);
  } catch (error) {
    return { ready: false, reason: (error as Error).message };
  }
  // A check that ran at the same time may have written after this one: any value shows that the log is read back.
  return typeof store.get(0, READY_ROW) === 'string'
    ? { ready: true }
    : { ready: false, reason: 'what was written could not be read back' };
}
