import type { Test } from 'tap';
import { decodeOp, encodeOp } from '../../src/storage/codec.ts';
import type { CallType, OpBody } from '../../src/storage/log-store.ts';
import type { Entry, ReplicatedLogStore, ShardSnapshot, WriteItem } from '../../src/storage/replicated-store.ts';

/** One place where a member's state outlives its store. Each test gets its own. */
export interface MemberHome {
  /** Opens the store; called again after `close` it must find everything. S is 1,024. */
  open(): Promise<ReplicatedLogStore>;
  /** What a kill -9 now would leave, opened. The store given is not used any more, but may be closed. */
  crash(store: ReplicatedLogStore): Promise<ReplicatedLogStore>;
  /** Moves what is applied to wherever it ends up. */
  settle(store: ReplicatedLogStore): Promise<void>;
}

export type MakeMemberHome = (t: Test) => Promise<MemberHome>;

/** The call that homes must know. */
export const countedCall: CallType = {
  name: 'counted',
  expand: ([stream, seq]) => [
    { t: 'append', stream: stream as string, seq: seq as number, record: { n: seq } },
    { t: 'put', key: 'count', value: seq },
  ],
};

export const all = { from: 1, to: Number.POSITIVE_INFINITY, limit: Number.POSITIVE_INFINITY };
export const leader = { node: 'a', inc: 'x' };

export function put(key: string, value: unknown, outbox: OpBody['outbox'] = []): OpBody {
  return { writes: [{ t: 'put', key, value }], outbox };
}

/** Op n of a log whose n-th op is always the same: record n of a stream, and a row that says n. */
export function nth(n: number, outbox: OpBody['outbox'] = []): OpBody {
  return {
    writes: [
      { t: 'append', stream: 'log', seq: n, record: { n, text: 'x'.repeat(n % 50) } },
      { t: 'put', key: 'n', value: n },
    ],
    outbox,
  };
}

export function entry(idx: number, op: OpBody, epoch = 1): Entry {
  return { idx, epoch, bytes: encodeOp(op) };
}

export function append(shard: number, entries: readonly Entry[], truncateTo?: number): WriteItem {
  return { t: 'append', shard, entries, truncateTo };
}

export function applyAll(store: ReplicatedLogStore, shard: number, entries: readonly Entry[]): void {
  for (const one of entries) store.apply(shard, one, decodeOp(one.bytes, [countedCall]));
}

/** Entries from–to of `nth`, written and applied. */
export async function run(
  store: ReplicatedLogStore,
  shard: number,
  from: number,
  to: number,
  epoch = 1,
): Promise<Entry[]> {
  const entries = Array.from({ length: to - from + 1 }, (_, i) => entry(from + i, nth(from + i), epoch));
  await store.write([append(shard, entries)]);
  applyAll(store, shard, entries);
  return entries;
}

export async function chunksOf(snapshot: ShardSnapshot): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of snapshot.chunks()) chunks.push(chunk);
  return chunks;
}

export async function fill(store: ReplicatedLogStore, shard: number, chunks: readonly Uint8Array[]): Promise<void> {
  const install = store.install(shard);
  for (const chunk of chunks) await install.add(chunk);
}

export type Opened = (t: Test) => Promise<{ home: MemberHome; store: ReplicatedLogStore }>;

export const box = (n: number): OpBody['outbox'] => [{ to: `session:u${n}@x`, body: { n } }];
