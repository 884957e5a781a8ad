import { segmentRecordsMax } from './blocks.ts';
import type { Op, PlainWrite, Value } from './log-store.ts';
import { Segment, type Slab, Slabs } from './segment.ts';

/** Marks a row that was deleted since the base was written. */
export const deleted: unique symbol = Symbol('deleted');

/**
 * What a generation knows of one stream. Seq of `records[i]` is `first + i`; undefined is a hole, and a `Segment` stands
 * in each place whose record it has.
 */
export interface StreamPart {
  /** true: what older generations and the base have of this stream is gone */
  dropped: boolean;
  first: number;
  records: (Value | Segment | undefined)[];
  /** place in `records` from which on none has been packed */
  loose: number;
  /** by seq, what takes the place of records that only older generations or the base can have; never one of `records` */
  replaced?: Map<number, Value>;
}

export interface ShardPart {
  readonly rows: Map<string, Value | typeof deleted>;
  readonly streams: Map<string, StreamPart>;
}

/** Writes that were applied and not folded yet, as values. */
export interface Generation {
  readonly shards: Map<number, ShardPart>;
  /** what its segments are in */
  readonly slabs: Slabs;
  /** journal bytes of what was applied: an upper estimate of what the values take, coalesced or not */
  bytes: number;
  /** last journal record applied, 0 when none */
  upTo: number;
}

/** Farthest a record may lie from its stream's other records in memory; beyond it, the caller's numbering is broken. */
const gapMax = 1_000_000;

/**
 * The state that is not in the base yet: the generation being filled and, during a fold, the one being written. A read
 * looks at the newest first. Pure: what to do when is the store's.
 */
export class Overlay {
  readonly #free: Slab[] = [];
  active: Generation = newGeneration(this.#free);
  folding: Generation | undefined;

  get bytes(): number {
    return this.active.bytes + (this.folding?.bytes ?? 0);
  }

  /** Applies one op. Applying the ops of a journal again, in order, ends in the same state. */
  apply(op: Op): void {
    if (op.writes.length === 0) return;
    const { slabs } = this.active;
    let shard = this.active.shards.get(op.shard);
    if (shard === undefined) {
      shard = { rows: new Map(), streams: new Map() };
      this.active.shards.set(op.shard, shard);
    }
    for (const write of op.writes) {
      if (write.t === 'call')
        for (const plain of write.writes ?? write.call.expand(write.args)) applyWrite(shard, plain, slabs);
      else applyWrite(shard, write, slabs);
    }
  }

  /** Nothing of the shard is here any more, nor will a fold that is going on write more of it. */
  forget(shard: number): void {
    this.active.shards.delete(shard);
    this.folding?.shards.delete(shard);
  }

  /** Begins again with what another one holds. */
  replaceBy(other: Overlay): void {
    this.active = other.active;
    this.folding = other.folding;
  }

  /** Names of the streams that the generations know of. */
  streams(shard: number): Set<string> {
    const names = new Set<string>();
    for (const generation of [this.folding, this.active]) {
      for (const name of generation?.shards.get(shard)?.streams.keys() ?? []) names.add(name);
    }
    return names;
  }

  /** Makes the active generation the one to fold. Must not be called while one is being folded. */
  rotate(): Generation {
    if (this.folding !== undefined) throw new Error('a generation is already being folded');
    this.folding = this.active;
    this.active = newGeneration(this.#free);
    this.active.upTo = this.folding.upTo;
    return this.folding;
  }

  /** The folding generation is in the base. */
  retire(): void {
    this.folding?.slabs.giveBack();
    this.folding = undefined;
  }

  /** The row's value, `deleted`, or undefined when only the base can know. */
  row(shard: number, key: string): Value | typeof deleted | undefined {
    const value = this.active.shards.get(shard)?.rows.get(key);
    return value !== undefined ? value : this.folding?.shards.get(shard)?.rows.get(key);
  }

  /** Rows with this prefix, unordered, deletions included. */
  rows(shard: number, prefix: string): Map<string, Value | typeof deleted> {
    const found = new Map<string, Value | typeof deleted>();
    for (const generation of [this.folding, this.active]) {
      for (const [key, value] of generation?.shards.get(shard)?.rows ?? []) {
        if (key.startsWith(prefix)) found.set(key, value);
      }
    }
    return found;
  }

  /** What the generations hold of a stream, newest first. When the last one is `dropped`, the base has nothing. */
  stream(shard: number, stream: string): StreamPart[] {
    const parts: StreamPart[] = [];
    for (const generation of [this.active, this.folding]) {
      const part = generation?.shards.get(shard)?.streams.get(stream);
      if (part === undefined) continue;
      parts.push(part);
      if (part.dropped) break;
    }
    return parts;
  }
}

function newGeneration(free: Slab[]): Generation {
  return { shards: new Map(), slabs: new Slabs(free), bytes: 0, upTo: 0 };
}

function applyWrite(shard: ShardPart, write: PlainWrite, slabs: Slabs): void {
  // A row without a value is no row: memory and disk must agree on it.
  if (write.t === 'put') shard.rows.set(write.key, write.value === undefined ? deleted : write.value);
  else if (write.t === 'del') shard.rows.set(write.key, deleted);
  else if (write.t === 'append') applyAppend(shard.streams, write, slabs);
  else if (write.t === 'replace') applyReplace(shard.streams, write.stream, write.seq, write.record);
  else shard.streams.set(write.stream, { dropped: true, first: 1, records: [], loose: 0 });
}

function applyReplace(streams: Map<string, StreamPart>, stream: string, seq: number, record: Value): void {
  let part = streams.get(stream);
  const known = part?.records[seq - part.first];
  if (part !== undefined && known !== undefined) {
    if (known instanceof Segment) unpack(part, known);
    part.records[seq - part.first] = record;
    return;
  }
  if (part === undefined) {
    part = { dropped: false, first: 1, records: [], loose: 0 };
    streams.set(stream, part);
  }
  if (part.dropped) return;
  part.replaced ??= new Map();
  part.replaced.set(seq, record);
}

function applyAppend(
  streams: Map<string, StreamPart>,
  { stream, seq, record }: Extract<PlainWrite, { t: 'append' }>,
  slabs: Slabs,
): void {
  const part = streams.get(stream);
  if (part === undefined) {
    streams.set(stream, { dropped: false, first: seq, records: [record], loose: 0 });
    return;
  }
  const { records } = part;
  part.replaced?.delete(seq);
  if (records.length === 0) part.first = seq;
  const at = seq - part.first;
  if (at >= 0 && at <= records.length) {
    records[at] = record;
    if (records.length - part.loose >= segmentRecordsMax) packLoose(part, slabs);
    return;
  }
  if (at > records.length + gapMax || at < -gapMax) {
    throw new Error(`seq ${seq} of a stream whose records in memory start at ${part.first}: its numbering is broken`);
  }
  if (at > 0) {
    while (records.length < at) records.push(undefined);
    records.push(record);
  } else {
    part.records = [record, ...new Array<undefined>(-at - 1).fill(undefined), ...records];
    part.first = seq;
    part.loose = part.records.length;
  }
}

/** As many as a segment has, from the first that is loose on; with a hole among them they stay as they are. */
function packLoose(part: StreamPart, slabs: Slabs): void {
  const from = part.loose;
  const to = from + segmentRecordsMax;
  part.loose = to;
  const run = part.records.slice(from, to);
  if (!run.includes(undefined)) part.records.fill(Segment.of(part.first + from, run, slabs), from, to);
}

/** One of its records is to be another one, and nothing of what was there is to stay. */
function unpack({ records, first }: StreamPart, segment: Segment): void {
  for (let seq = segment.first; seq < segment.first + segment.count; seq += 1)
    if (records[seq - first] === segment) records[seq - first] = segment.record(seq);
}

/** Seqs the parts hold: `[low, high]`, or undefined when they hold none. */
export function spanOf(parts: readonly StreamPart[]): { low: number; high: number } | undefined {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const part of parts) {
    if (part.records.length === 0) continue;
    low = Math.min(low, part.first);
    high = Math.max(high, part.first + part.records.length - 1);
  }
  return high === 0 ? undefined : { low, high };
}

/** The newest record of this seq, or undefined. */
export function recordAt(parts: readonly StreamPart[], seq: number): Value | undefined {
  for (const part of parts) {
    const record = part.records[seq - part.first];
    if (record !== undefined)
      return replacementAt(parts, seq) ?? (record instanceof Segment ? record.record(seq) : record);
  }
  return undefined;
}

/** What the newest part that knows of this record has instead of an older one's. */
export function replacementAt(parts: readonly StreamPart[], seq: number): Value | undefined {
  for (const part of parts) {
    const record = part.replaced?.get(seq);
    if (record !== undefined) return record;
    if (part.records[seq - part.first] !== undefined) return undefined;
  }
  return undefined;
}
