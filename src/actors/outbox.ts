import type { OutboxItem } from '../storage/log-store.ts';
import type { Source } from './messages.ts';

/**
 * Items of committed ops that their receivers have not acknowledged yet. The journal keeps them on disk; this keeps
 * them moving: what is not acked within `resendMs` is sent again (receivers drop what they have). When the last item of
 * an op is acked the op is reported, so that its journal record may go.
 *
 * Bound: the pipeline's own bound limits how fast it grows, `size` is a metric; an item whose receiver never answers
 * is resent with a doubling delay up to `resendMsMax` and stays on disk: nothing is given up silently.
 */
export interface OutboxOptions {
  readonly resendMs: number;
  readonly resendMsMax: number;
  send(to: string, source: Source, body: unknown, live: unknown): void;
  acked(shard: number, idx: number): void;
}

interface PendingOp {
  readonly shard: number;
  readonly idx: number;
  readonly items: readonly OutboxItem[];
  /** positions that are acked; undefined while none is */
  acked: boolean[] | undefined;
  left: number;
  nextAt: number;
  delay: number;
}

/** Bound of shard numbers (log-store.ts), so that `idx × SHARDS_MAX + shard` names an op. */
const SHARDS_MAX = 65_536;

export class Outbox {
  readonly #options: OutboxOptions;
  /** by `idx × SHARDS_MAX + shard`, in the order of their commits */
  readonly #ops = new Map<number, PendingOp>();
  resent = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Ops with items that are not acked yet. */
  get size(): number {
    return this.#ops.size;
  }

  /** Takes over a committed op's items and sends them. `live[i]` goes along with the first sending only. */
  add(shard: number, idx: number, items: readonly OutboxItem[], live: readonly unknown[], now: number): void {
    const { resendMs } = this.#options;
    const op: PendingOp = {
      shard,
      idx,
      items,
      acked: undefined,
      left: items.length,
      nextAt: now + resendMs,
      delay: resendMs,
    };
    this.#ops.set(idx * SHARDS_MAX + shard, op);
    for (let pos = 0; pos < items.length; pos++) this.#send(op, pos, live[pos]);
  }

  ack(source: Source): void {
    const key = source.idx * SHARDS_MAX + source.shard;
    const op = this.#ops.get(key);
    if (op === undefined || source.pos >= op.items.length) return;
    if (op.items.length > 1) {
      op.acked ??= [];
      if (op.acked[source.pos] === true) return;
      op.acked[source.pos] = true;
    }
    op.left -= 1;
    if (op.left > 0) return;
    this.#ops.delete(key);
    this.#options.acked(op.shard, op.idx);
  }

  /** Sends again what is due, oldest first. */
  sweep(now: number): void {
    for (const op of this.#ops.values()) {
      if (op.nextAt > now) continue;
      op.delay = Math.min(op.delay * 2, this.#options.resendMsMax);
      op.nextAt = now + op.delay;
      this.resent += op.left;
      for (let pos = 0; pos < op.items.length; pos++) if (op.acked?.[pos] !== true) this.#send(op, pos, undefined);
    }
  }

  #send(op: PendingOp, pos: number, live: unknown): void {
    const { to, body } = op.items[pos] as OutboxItem;
    this.#options.send(to, { shard: op.shard, idx: op.idx, pos }, body, live);
  }
}
