import { compareUtf8, seqMax } from './keys.ts';
import type { StreamRange, StreamRecord, Value } from './log-store.ts';
import { deleted, type Overlay, recordAt, replacementAt, type ShardPart, type StreamPart, spanOf } from './overlay.ts';

/** State that was folded. Synchronous. */
export interface Base {
  row(shard: number, key: string): Value | undefined;
  /** rows with the prefix in UTF-8 order, at most `limit` */
  rows(shard: number, prefix: string, limit: number): [key: string, value: Value][];
  records(shard: number, stream: string, range: StreamRange): StreamRecord[];
  /** names of the streams that have blocks */
  streams(shard: number): string[];
  /** last seq, 0 when empty */
  last(shard: number, stream: string): number;
}

/** Nothing was ever folded: the memory store. */
export const emptyBase: Base = {
  row: () => undefined,
  rows: () => [],
  records: () => [],
  streams: () => [],
  last: () => 0,
};

/** The reads of LogStore: the overlay over a base. */
export class StateView {
  private readonly overlay: Overlay;
  private readonly base: Base;

  constructor(overlay: Overlay, base: Base) {
    this.overlay = overlay;
    this.base = base;
  }

  /** What is newer than the base of a shard while no fold is going on. */
  overlayPart(shard: number): ShardPart | undefined {
    return this.overlay.active.shards.get(shard);
  }

  get(shard: number, key: string): Value | undefined {
    const value = this.overlay.row(shard, key);
    if (value === deleted) return undefined;
    return value !== undefined ? value : this.base.row(shard, key);
  }

  scan(shard: number, prefix: string, limit: number): [key: string, value: Value][] {
    if (limit <= 0) return [];
    const newer = this.overlay.rows(shard, prefix);
    // Each newer row hides at most one of the base, so this many are enough for `limit` that stay.
    const older = this.base.rows(shard, prefix, limit + newer.size);
    if (newer.size === 0) return older;
    const merged = older.filter(([key]) => !newer.has(key));
    for (const [key, value] of newer) if (value !== deleted) merged.push([key, value]);
    merged.sort(([a], [b]) => compareUtf8(a, b));
    // The base may have stopped before a newer row that sorts behind its last one; nothing between was left out.
    return merged.slice(0, limit);
  }

  read(shard: number, stream: string, range: StreamRange): StreamRecord[] {
    const from = Math.max(1, range.from);
    const to = Math.min(range.to, seqMax - 1);
    if (range.limit <= 0 || to < from) return [];
    const parts = this.overlay.stream(shard, stream);
    const span = spanOf(parts);
    const hidden = parts.at(-1)?.dropped === true;
    if (span === undefined) return hidden ? [] : this.fromBase(shard, stream, { ...range, from, to }, parts);
    // Numbers only rise, so the base ends where the overlay begins, or (after recovery) reaches into it and is hidden.
    const low = Math.max(from, span.low);
    const high = Math.min(to, span.high);
    const found: StreamRecord[] = [];
    const fromOverlay = (): void => {
      const step = range.reverse ? -1 : 1;
      const steps = high - low + 1;
      let seq = range.reverse ? high : low;
      for (let i = 0; i < steps && found.length < range.limit; i += 1, seq += step) {
        const record = recordAt(parts, seq);
        if (record !== undefined) found.push({ seq, record });
      }
    };
    const fromBase = (): void => {
      const limit = range.limit - found.length;
      const below = Math.min(to, span.low - 1);
      if (hidden || limit <= 0 || below < from) return;
      for (const record of this.fromBase(shard, stream, { ...range, from, to: below, limit }, parts))
        found.push(record);
    };
    if (range.reverse) {
      fromOverlay();
      fromBase();
    } else {
      fromBase();
      fromOverlay();
    }
    return found;
  }

  /** Records of the base, in the place of some of them what the overlay has instead. */
  private fromBase(shard: number, stream: string, range: StreamRange, parts: readonly StreamPart[]): StreamRecord[] {
    const found = this.base.records(shard, stream, range);
    if (parts.every(({ replaced }) => replaced === undefined)) return found;
    return found.map(({ seq, record }) => ({ seq, record: replacementAt(parts, seq) ?? record }));
  }

  /** Names of all streams that may have records, in UTF-8 order. */
  streams(shard: number): string[] {
    const names = this.overlay.streams(shard);
    for (const name of this.base.streams(shard)) names.add(name);
    return [...names].sort(compareUtf8);
  }

  last(shard: number, stream: string): number {
    const parts = this.overlay.stream(shard, stream);
    const span = spanOf(parts);
    if (span !== undefined) return span.high;
    return parts.at(-1)?.dropped ? 0 : this.base.last(shard, stream);
  }
}
