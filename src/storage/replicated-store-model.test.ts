/**
 * One seeded run of a member's store against a plain model: entries written, truncated and applied at random, folds at
 * random points, outboxes acknowledged, copies wiped and installed from snapshots of each other, clean restarts, and
 * crashes (a copy of the folder taken while the store runs). The memory store does the same. Checked all the time: reads
 * are those of the applied entries; after a restart nothing written is missing, nothing truncated is back, and what is
 * applied is at most what was, and exactly the state of the place it says. A failure prints its seed: run it again with
 * ROOKERY_SEED=n.
 */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { decodeOp, encodeOp } from './codec.ts';
import type { OpBody, Write } from './log-store.ts';
import { type Entry, type HardState, noHardState, type ReplicatedLogStore } from './replicated-store.ts';
import { createMemoryMemberDisk, openMemoryReplicatedStore } from './replicated-store-memory.ts';
import { openReplicatedStore, type RocksReplicatedStore } from './replicated-store-rocks.ts';

const steps = 220;
const shards = [0, 1, 2];
const seeds = process.env['ROOKERY_SEED'] ? [Number(process.env['ROOKERY_SEED'])] : [1, 2, 3, 4, 5, 6];

type Random = (below: number) => number;

function seeded(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) % below;
  };
}

/** The whole log of a copy, from idx 1 on: a snapshot takes it along. */
interface ModelShard {
  entries: Entry[];
  applied: number;
  hard: HardState;
  acked: Set<number>;
  ackedUpTo: number;
}

class Model {
  readonly shards = new Map<number, ModelShard>(
    shards.map((shard) => [shard, { entries: [], applied: 0, hard: noHardState, acked: new Set(), ackedUpTo: 0 }]),
  );

  of(shard: number): ModelShard {
    return this.shards.get(shard) as ModelShard;
  }
}

/** Rows and streams after the first `count` entries, as one comparable text. */
function stateOf(entries: readonly Entry[], count: number): string {
  const rows = new Map<string, unknown>();
  const streams = new Map<string, [number, unknown][]>();
  for (const { bytes } of entries.slice(0, count)) {
    for (const write of decodeOp(bytes).writes) {
      if (write.t === 'put') rows.set(write.key, write.value);
      else if (write.t === 'del') rows.delete(write.key);
      else if (write.t === 'drop') streams.delete(write.stream);
      else if (write.t === 'append') {
        const records = streams.get(write.stream) ?? [];
        records.push([write.seq, write.record]);
        streams.set(write.stream, records);
      } else if (write.t === 'replace') {
        const found = streams.get(write.stream)?.find(([seq]) => seq === write.seq);
        if (found !== undefined) found[1] = write.record;
      }
    }
  }
  return textOf([...rows], (name) => streams.get(name) ?? []);
}

const keys = ['a', 'a:1', 'b', 'é'];
const names = ['s', 's:1', 'log'];

function textOf(rows: [string, unknown][], records: (name: string) => [number, unknown][]): string {
  rows.sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([rows, names.map((name) => records(name))]);
}

function stateIn(store: ReplicatedLogStore, shard: number): string {
  const all = { from: 1, to: Number.POSITIVE_INFINITY, limit: Number.POSITIVE_INFINITY };
  return textOf(store.scan(shard, '', Number.POSITIVE_INFINITY), (name) =>
    store.read(shard, name, all).map(({ seq, record }) => [seq, record]),
  );
}

/** An op that fits behind these entries, whatever of them is applied. */
function randomOp(random: Random, entries: readonly Entry[], step: number): OpBody {
  const last = new Map<string, number>();
  for (const { bytes } of entries) {
    for (const write of decodeOp(bytes).writes) {
      if (write.t === 'append') last.set(write.stream, write.seq);
      else if (write.t === 'drop') last.delete(write.stream);
    }
  }
  const writes: Write[] = [];
  for (let count = random(4); count > 0; count -= 1) {
    const kind = random(20);
    const stream = names[random(names.length)]!;
    const key = keys[random(keys.length)]!;
    if (kind < 6) writes.push({ t: 'put', key, value: { step, text: 'v'.repeat(random(40)) } });
    else if (kind < 8) writes.push({ t: 'del', key });
    else if (kind < 9) {
      writes.push({ t: 'drop', stream });
      last.delete(stream);
    } else if (kind < 12) {
      const seq = 1 + random((last.get(stream) ?? 0) + 2);
      writes.push({ t: 'replace', stream, seq, record: [step, 'replaced', 'r'.repeat(random(60))] });
    } else {
      const seq = (last.get(stream) ?? 0) + 1;
      writes.push({ t: 'append', stream, seq, record: [step, 'r'.repeat(random(60))] });
      last.set(stream, seq);
    }
  }
  return { writes, outbox: random(3) === 0 ? [{ to: 'session:a@x', body: step }] : [] };
}

/** Makes the same changes to the stores and to the model. */
class Run {
  readonly model = new Model();
  epoch = 1;
  step = 0;
  readonly t: Test;
  readonly random: Random;
  stores: ReplicatedLogStore[] = [];
  /** something in the background, before a copy is voided */
  disturb: () => Promise<void> = async () => {};

  constructor(t: Test, random: Random) {
    this.t = t;
    this.random = random;
  }

  async write(shard: number): Promise<void> {
    const { random } = this;
    const of = this.model.of(shard);
    const room = of.entries.length - of.applied;
    const cut = random(4) === 0 && room > 0 ? of.applied + random(room) : undefined;
    if (cut !== undefined) {
      of.entries.length = cut;
      this.epoch += 1;
    }
    const entries: Entry[] = [];
    for (let count = random(4); count > 0; count -= 1) {
      const op = randomOp(random, [...of.entries, ...entries], this.step);
      const bytes = random(8) === 0 ? new Uint8Array(0) : encodeOp(op);
      entries.push({ idx: of.entries.length + entries.length + 1, epoch: this.epoch, bytes });
    }
    of.entries.push(...entries);
    const hard = { ...noHardState, epoch: this.epoch, session: this.step };
    of.hard = hard;
    const items = [
      { t: 'append', shard, entries, truncateTo: cut },
      { t: 'hard', shard, hard },
    ] as const;
    await Promise.all(this.stores.map((store) => store.write(items)));
  }

  apply(shard: number): void {
    const of = this.model.of(shard);
    const upTo = of.applied + this.random(1 + of.entries.length - of.applied);
    for (const one of of.entries.slice(of.applied, upTo)) {
      for (const store of this.stores) store.apply(shard, one, decodeOp(one.bytes));
    }
    of.applied = upTo;
  }

  acknowledge(shard: number): void {
    const of = this.model.of(shard);
    if (this.random(3) === 0) {
      const upTo = this.random(of.applied + 1);
      of.ackedUpTo = Math.max(of.ackedUpTo, upTo);
      for (const store of this.stores) store.ackedUpTo(shard, upTo);
      return;
    }
    for (const idx of this.waiting(of)) {
      if (this.random(3) > 0) continue;
      of.acked.add(idx);
      for (const store of this.stores) store.acked(shard, idx);
    }
  }

  /** idxs of applied ops whose outbox nobody acknowledged */
  waiting({ entries, applied, acked, ackedUpTo }: ModelShard): number[] {
    return entries
      .slice(0, applied)
      .filter(({ idx, bytes }) => idx > ackedUpTo && !acked.has(idx) && decodeOp(bytes).outbox.length > 0)
      .map(({ idx }) => idx);
  }

  async wipe(shard: number): Promise<void> {
    await this.disturb();
    Object.assign(this.model.of(shard), { entries: [], applied: 0, acked: new Set(), ackedUpTo: 0 });
    await Promise.all(this.stores.map((store) => store.write([{ t: 'wipe', shard }])));
  }

  /** Loads a copy from another one, and sometimes from nothing more than its beginning. */
  async install(from: number, to: number, whole: boolean): Promise<void> {
    const source = this.model.of(from);
    if (from === to || source.entries.length === 0) return;
    const target = this.model.of(to);
    Object.assign(target, { entries: [], applied: 0, acked: new Set(), ackedUpTo: 0 });
    for (const store of this.stores) {
      const snapshot = await store.openSnapshot(from);
      this.t.equal(snapshot.at.idx, source.applied, 'the snapshot is of what is applied');
      await this.disturb();
      await store.write([{ t: 'load', shard: to }]);
      const install = store.install(to);
      for await (const chunk of snapshot.chunks()) await install.add(chunk);
      snapshot.close();
      if (whole) await install.finish(snapshot.at);
      else install.abort();
    }
    if (!whole) return;
    const { entries, applied, acked, ackedUpTo } = source;
    Object.assign(target, { entries: entries.slice(0, applied), applied, acked: new Set(acked), ackedUpTo });
    this.epoch += 1;
  }

  /** A copy that is loading stays void until it is wiped. */
  async unload(shard: number): Promise<void> {
    await Promise.all(this.stores.map((store) => store.write([{ t: 'wipe', shard }])));
  }

  check(): string[] {
    const wrong: string[] = [];
    for (const [i, store] of this.stores.entries()) {
      for (const shard of shards) {
        const of = this.model.of(shard);
        const name = `store ${i}, shard ${shard}`;
        if (store.applied(shard).idx !== of.applied) wrong.push(`${name}: applied ${store.applied(shard).idx}`);
        if (store.tail(shard).idx !== of.entries.length) wrong.push(`${name}: tail ${store.tail(shard).idx}`);
        const want = stateOf(of.entries, of.applied);
        const got = stateIn(store, shard);
        if (got !== want) wrong.push(`${name} at ${of.applied}: got ${got}, want ${want}`);
        const [waits, must] = [store.unacked(shard, 0, 9999).map(({ idx }) => idx), this.waiting(of)];
        if (String(waits) !== String(must)) wrong.push(`${name}: waiting ${waits}, not ${must}`);
      }
    }
    const [first, ...others] = this.stores.map((store) => shards.map((shard) => store.checksum(shard)).join());
    if (others.some((sum) => sum !== first)) wrong.push('checksums differ');
    return wrong;
  }

  /** After a restart: what is there fits to the model. The rest of what was applied is applied again. */
  compareRecovered(store: ReplicatedLogStore): string[] {
    const wrong: string[] = [];
    for (const shard of shards) {
      const of = this.model.of(shard);
      const { base, commitIdx, entries, hard } = store.recovered.get(shard) ?? {
        base: { idx: 0 },
        commitIdx: 0,
        entries: [],
        hard: noHardState,
      };
      const name = `recovered shard ${shard}`;
      if (commitIdx > of.applied || commitIdx < base.idx) wrong.push(`${name}: applied ${commitIdx} of ${of.applied}`);
      const text = (some: readonly Entry[]): string =>
        some.map(({ idx, epoch, bytes }) => `${idx}/${epoch}/${Buffer.from(bytes).toString('hex')}`).join();
      if (text(entries) !== text(of.entries.slice(base.idx))) wrong.push(`${name}: other entries behind ${base.idx}`);
      if (JSON.stringify(hard) !== JSON.stringify(of.hard)) wrong.push(`${name}: hard ${JSON.stringify(hard)}`);
      if (stateIn(store, shard) !== stateOf(of.entries, commitIdx))
        wrong.push(`${name}: not the state at ${commitIdx}`);
      for (const one of of.entries.slice(commitIdx, of.applied)) store.apply(shard, one, decodeOp(one.bytes));
      const waits = store.unacked(shard, 0, 9999).map(({ idx }) => idx);
      if (this.waiting(of).some((idx) => !waits.includes(idx))) wrong.push(`${name}: waiting ${waits}`);
      // Single acknowledgements are forgotten, the leader's word is not always on disk yet.
      store.ackedUpTo(shard, of.ackedUpTo);
      for (const idx of of.acked) store.acked(shard, idx);
    }
    return wrong;
  }
}

async function runSeed(t: Test, seed: number): Promise<void> {
  const random = seeded(seed);
  const run = new Run(t, random);
  const dir = t.testdir({ store0: {} });
  const options = {
    foldIntervalMs: 3_600_000,
    freeBytesMin: 0,
    blockRecordsMax: 2 + random(6),
    blockBytesMax: 200 + random(300),
    blockMergeBytesMax: random(200),
    journalRecordsMax: 1 + random(30),
    foldSliceBytes: 1 + random(2) * 4096,
    snapshotChunkBytes: 100 + random(3000),
  };
  let lives = 0;
  const openRocks = (): Promise<RocksReplicatedStore> =>
    openReplicatedStore({ folder: join(dir, `store${lives}`), ...options });
  const disk = createMemoryMemberDisk('memory');
  let rocks = await openRocks();
  run.stores = [await openMemoryReplicatedStore({ disk }), rocks];
  let folding: Promise<void> = Promise.resolve();
  /** Begins a fold and leaves it somewhere on its way: with small slices each entry is one. */
  const beginFold = async (): Promise<void> => {
    await folding;
    folding = rocks.fold();
    if (random(2) === 0) await new Promise((resolve) => setTimeout(resolve, random(6)));
    else for (let left = random(8); left > 0; left -= 1) await new Promise((resolve) => setImmediate(resolve));
  };
  run.disturb = async () => {
    if (random(3) > 0) await beginFold();
  };

  const restart = async (crash: boolean): Promise<string[]> => {
    if (crash) {
      if (random(4) > 0) await beginFold();
      const dead = join(dir, `store${lives}`);
      lives += 1;
      await cp(dead, join(dir, `store${lives}`), { recursive: true });
    } else await run.stores[0]!.close();
    await folding;
    await rocks.close();
    rocks = await openRocks();
    run.stores = [await openMemoryReplicatedStore({ disk }), rocks];
    return run.stores.flatMap((store) => run.compareRecovered(store));
  };

  for (run.step = 0; run.step < steps; run.step += 1) {
    const shard = random(shards.length);
    let wrong: string[] = [];
    const kind = random(100);
    if (kind < 50) await run.write(shard);
    else if (kind < 80) run.apply(shard);
    else if (kind < 85) run.acknowledge(shard);
    else if (kind < 90) await beginFold();
    else if (kind < 92) await run.wipe(shard);
    else if (kind < 95) await run.install(random(shards.length), shard, true);
    else if (kind < 96 && run.model.of((shard + 1) % 3).entries.length > 0) {
      await run.install((shard + 1) % 3, shard, false);
      if (random(2) === 0) wrong = await restart(true);
      else await run.unload(shard);
    } else if (kind >= 96) wrong = await restart(random(3) > 0);
    wrong.push(...run.check());
    if (wrong.length > 0) {
      t.fail(`ROOKERY_SEED=${seed}, step ${run.step}, kind ${kind}: ${wrong.join('\n')}`);
      break;
    }
  }
  await folding;
  await Promise.all(run.stores.map((store) => store.close()));
  t.pass(`${lives} crashes`);
}

for (const seed of seeds) {
  t.test(`seed ${seed}: the model, memory and RocksDB agree`, (t) => runSeed(t, seed));
}
