import type { OutboxItem } from '../storage/log-store.ts';
import { GoBacks } from './go-backs.ts';
import type { Source } from './messages.ts';
import type { NackReason } from './wire.ts';

/**
 * Items of committed ops that their receivers have not acknowledged yet, of the shards led here. The journal keeps them
 * on disk; this keeps them moving: what is not acked within `resendMs` is sent again (receivers drop what they have),
 * and what a receiver refuses is gone back to (go-backs.ts). When the last item of an op is acked the op is reported,
 * so that its journal record may go.
 *
 * Bound: the pipeline's own bound limits how fast it grows, `size` is a metric; an item whose receiver never answers
 * is resent with a doubling delay up to `resendMsMax` and stays on disk: nothing is given up silently.
 */
export interface OutboxOptions {
  readonly resendMs: number;
  readonly resendMsMax: number;
  /** shortest wait before a receiver that refused is tried again, ms; it doubles up to `resendMs` */
  readonly nackMs: number;
  now(): number;
  later(delayMs: number, run: () => void): void;
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

export class Outbox {
  readonly #options: OutboxOptions;
  /** shard → idx → op, each shard's in the order of their commits */
  readonly #shards = new Map<number, Map<number, PendingOp>>();
  readonly #goBacks: GoBacks;
  #size = 0;
  resent = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#goBacks = new GoBacks({ ...options, delayMs: options.nackMs, delayMsMax: options.resendMs }, (shard, to) =>
      this.#resend(shard, to),
    );
  }

  /** Ops with items that are not acked yet. */
  get size(): number {
    return this.#size;
  }

  /**
   * Takes over a committed op's items and sends them. `live[i]` goes along with the first sending only.
   * @param unsent positions of those that have not been sent yet; all when absent
   */
  add(
    shard: number,
    idx: number,
    items: readonly OutboxItem[],
    live: readonly unknown[],
    now: number,
    unsent?: readonly number[],
  ): void {
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
    let ops = this.#shards.get(shard);
    if (ops === undefined) {
      ops = new Map();
      this.#shards.set(shard, ops);
    }
    if (!ops.has(idx)) this.#size += 1;
    ops.set(idx, op);
    if (unsent !== undefined) for (const pos of unsent) this.#send(op, pos, live[pos]);
    else for (let pos = 0; pos < items.length; pos++) this.#send(op, pos, live[pos]);
  }

  ack({ shard, idx, pos }: Source): void {
    const ops = this.#shards.get(shard);
    const op = ops?.get(idx);
    if (ops === undefined || op === undefined || pos >= op.items.length) return;
    if (op.items.length > 1) {
      op.acked ??= [];
      if (op.acked[pos] === true) return;
      op.acked[pos] = true;
    }
    if (this.#goBacks.size > 0) this.#goBacks.progress(shard, (op.items[pos] as OutboxItem).to);
    op.left -= 1;
    if (op.left > 0) return;
    ops.delete(idx);
    this.#size -= 1;
    this.#options.acked(op.shard, op.idx);
  }

  /** The receiver of an item refused it: everything of this shard that the receiver has not acked goes again, in order. */
  nack({ shard, idx, pos }: Source, why: NackReason): void {
    const op = this.#shards.get(shard)?.get(idx);
    const item = op?.items[pos];
    if (op === undefined || item === undefined || op.acked?.[pos] === true) return;
    this.#goBacks.refused(shard, item.to, why === 'gap');
  }

  /** The shard is led elsewhere: who leads it sends what is left. */
  drop(shard: number): void {
    this.#size -= this.#shards.get(shard)?.size ?? 0;
    this.#shards.delete(shard);
    this.#goBacks.drop(shard);
  }

  /** Sends again what is due, oldest first. */
  sweep(now: number): void {
    for (const ops of this.#shards.values()) {
      for (const op of ops.values()) {
        if (op.nextAt > now) continue;
        op.delay = Math.min(op.delay * 2, this.#options.resendMsMax);
        op.nextAt = now + op.delay;
        this.resent += op.left;
        for (let pos = 0; pos < op.items.length; pos++) if (op.acked?.[pos] !== true) this.#send(op, pos, undefined);
      }
    }
  }

  #resend(shard: number, to: string): number {
    let count = 0;
    for (const op of this.#shards.get(shard)?.values() ?? []) {
      for (let pos = 0; pos < op.items.length; pos++) {
        if (op.acked?.[pos] === true || op.items[pos]?.to !== to) continue;
        count += 1;
        this.#send(op, pos, undefined);
      }
    }
    this.resent += count;
    return count;
  }

  #send(op: PendingOp, pos: number, live: unknown): void {
    const { to, body } = op.items[pos] as OutboxItem;
    this.#options.send(to, { shard: op.shard, idx: op.idx, pos }, body, live);
  }
}
