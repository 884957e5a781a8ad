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
  /** undefined once acked */
  readonly items: ({ readonly to: string; readonly body: unknown; live: unknown } | undefined)[];
  left: number;
  nextAt: number;
  delay: number;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #ops = new Map<number, Map<number, PendingOp>>();
  #size = 0;
  resent = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Ops with items that are not acked yet. */
  get size(): number {
    return this.#size;
  }

  /** Takes over a committed op's items and sends them. `live[i]` goes along with the first sending only. */
  add(
    shard: number,
    idx: number,
    items: readonly { readonly to: string; readonly body: unknown }[],
    live: readonly unknown[],
    now: number,
  ): void {
    const op: PendingOp = {
      shard,
      idx,
      items: items.map(({ to, body }, i) => ({ to, body, live: live[i] })),
      left: items.length,
      nextAt: now + this.#options.resendMs,
      delay: this.#options.resendMs,
    };
    let ops = this.#ops.get(shard);
    if (ops === undefined) {
      ops = new Map();
      this.#ops.set(shard, ops);
    }
    ops.set(idx, op);
    this.#size += 1;
    this.#send(op);
  }

  ack(source: Source): void {
    const ops = this.#ops.get(source.shard);
    const op = ops?.get(source.idx);
    if (ops === undefined || op === undefined || op.items[source.pos] === undefined) return;
    op.items[source.pos] = undefined;
    op.left -= 1;
    if (op.left > 0) return;
    ops.delete(source.idx);
    if (ops.size === 0) this.#ops.delete(source.shard);
    this.#size -= 1;
    this.#options.acked(source.shard, source.idx);
  }

  /** Sends again what is due, oldest first within a shard. */
  sweep(now: number): void {
    for (const ops of this.#ops.values()) {
      for (const op of ops.values()) {
        if (op.nextAt > now) continue;
        op.delay = Math.min(op.delay * 2, this.#options.resendMsMax);
        op.nextAt = now + op.delay;
        this.resent += op.left;
        this.#send(op);
      }
    }
  }

  #send(op: PendingOp): void {
    for (const [pos, item] of op.items.entries()) {
      if (item === undefined) continue;
      const { live } = item;
      item.live = undefined;
      this.#options.send(item.to, { shard: op.shard, idx: op.idx, pos }, item.body, live);
    }
  }
}
