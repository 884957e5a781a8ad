/**
 * One seeded sequence of ops against three stores: plain maps (the oracle), memory, and RocksDB with tiny blocks, folds
 * at random points, clean restarts, and crashes (a copy of the folder taken while the store runs). All reads must agree
 * at every step. A failure prints its seed: run it again with ROOKERY_SEED=n.
 */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { compareUtf8 } from './keys.ts';
import type { CallType, LogStore, Op, StreamRange, StreamRecord, Value, Write } from './log-store.ts';
import { createMemoryDisk, openMemoryStore } from './log-store-memory.ts';
import { openRocksStore, type RocksLogStore } from './log-store-rocks.ts';

const steps = 250;
const shards = 3;
const keys = ['', 'a', 'a:1', 'a:2', 'b', 'é', '\uffee', '\u{1f600}'];
const streams = ['s', 's:1', 'log'];
const seeds = process.env['ROOKERY_SEED'] ? [Number(process.env['ROOKERY_SEED'])] : [1, 2, 3, 4];

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

/** What the stores must say, kept the simplest way there is. */
class Oracle {
  readonly rows = new Map<string, Value>();
  readonly streams = new Map<string, StreamRecord[]>();
  readonly idx = new Map<number, number>();
  readonly unacked = new Set<string>();

  apply(op: Op): void {
    this.idx.set(op.shard, op.idx);
    if (op.outbox.length > 0) this.unacked.add(`${op.shard}/${op.idx}`);
    for (const write of op.writes.flatMap((one) => (one.t === 'call' ? one.call.expand(one.args) : [one]))) {
      if (write.t === 'put') this.rows.set(`${op.shard}/${write.key}`, write.value);
      else if (write.t === 'del') this.rows.delete(`${op.shard}/${write.key}`);
      else if (write.t === 'drop') this.streams.delete(`${op.shard}/${write.stream}`);
      else if (write.t === 'replace') {
        const records = this.records(op.shard, write.stream);
        const at = records.findIndex(({ seq }) => seq === write.seq);
        if (at >= 0) records[at] = { seq: write.seq, record: write.record };
      } else if (write.t === 'append')
        this.records(op.shard, write.stream).push({ seq: write.seq, record: write.record });
    }
  }

  records(shard: number, stream: string): StreamRecord[] {
    const name = `${shard}/${stream}`;
    const found = this.streams.get(name) ?? [];
    this.streams.set(name, found);
    return found;
  }

  scan(shard: number, prefix: string, limit: number): [string, Value][] {
    return keys
      .filter((key) => key.startsWith(prefix) && this.rows.has(`${shard}/${key}`))
      .sort(compareUtf8)
      .slice(0, limit)
      .map((key) => [key, this.rows.get(`${shard}/${key}`)]);
  }

  read(shard: number, stream: string, { from, to, limit, reverse }: StreamRange): StreamRecord[] {
    const found = this.records(shard, stream).filter(({ seq }) => seq >= from && seq <= to);
    return (reverse ? found.toReversed() : found).slice(0, limit);
  }
}

/** A record and a row that counts it, as one call. */
const noted: CallType = {
  name: 'noted',
  expand: ([stream, seq, record]) => [
    { t: 'append', stream: stream as string, seq: seq as number, record },
    { t: 'put', key: 'b', value: { last: seq } },
  ],
};

function randomOp(random: Random, oracle: Oracle, step: number): Op {
  const shard = random(shards);
  const writes: Write[] = [];
  const next = new Map<string, number>();
  for (let count = random(6); count > 0; count -= 1) {
    const key = keys[random(keys.length)]!;
    const stream = streams[random(streams.length)]!;
    const kind = random(40);
    if (kind < 12) writes.push({ t: 'put', key, value: { step, text: 'v'.repeat(random(60)) } });
    else if (kind < 16) writes.push({ t: 'del', key });
    else if (kind < 17) {
      writes.push({ t: 'drop', stream });
      next.set(stream, 1 + random(5));
    } else if (kind < 22) {
      // Old, new, of this op, or beyond the end.
      const last = (next.get(stream) ?? (oracle.records(shard, stream).at(-1)?.seq ?? 0) + 1) - 1;
      const seq = 1 + random(last + 2);
      writes.push({ t: 'replace', stream, seq, record: [step, 'replaced', 'r'.repeat(random(80))] });
    } else {
      for (let more = 1 + random(5); more > 0; more -= 1) {
        const seq = next.get(stream) ?? (oracle.records(shard, stream).at(-1)?.seq ?? 0) + 1;
        const record = [step, 'r'.repeat(random(80))];
        if (random(4) === 0) writes.push({ t: 'call', call: noted, args: [stream, seq, record] });
        else writes.push({ t: 'append', stream, seq, record });
        next.set(stream, seq + 1);
      }
    }
  }
  const outbox = random(3) === 0 ? [{ to: 'session:a@x', body: step }] : [];
  return { shard, epoch: 1, idx: (oracle.idx.get(shard) ?? 0) + 1, writes, outbox };
}

/** Every row and stream, and a few random pages, of each store against the oracle. Returns what differs. */
function differences(store: LogStore, oracle: Oracle, random: Random): string[] {
  const wrong: string[] = [];
  const same = (what: string, got: unknown, want: unknown): void => {
    const [a, b] = [JSON.stringify(got), JSON.stringify(want)];
    if (a !== b) wrong.push(`${what}: got ${a}, want ${b}`);
  };
  for (let shard = 0; shard < shards; shard += 1) {
    const prefix = ['', 'a', 'a:', 'none'][random(4)]!;
    const limit = 1 + random(9);
    same(`scan ${shard} ${prefix} ${limit}`, store.scan(shard, prefix, limit), oracle.scan(shard, prefix, limit));
    const key = keys[random(keys.length)]!;
    same(`get ${shard} ${key}`, store.get(shard, key), oracle.rows.get(`${shard}/${key}`));
    for (const stream of streams) {
      const want = oracle.records(shard, stream);
      same(`last ${shard} ${stream}`, store.last(shard, stream), want.at(-1)?.seq ?? 0);
      const from = random(1 + (want.at(-1)?.seq ?? 0));
      const reverse = random(2) === 0;
      const range = { from, to: random(4) === 0 ? Infinity : from + random(40), limit: 1 + random(30), reverse };
      const what = `read ${shard} ${stream} ${JSON.stringify(range)}`;
      same(what, store.read(shard, stream, range), oracle.read(shard, stream, range));
    }
  }
  return wrong;
}

async function runSeed(t: Test, seed: number): Promise<void> {
  const random = seeded(seed);
  const oracle = new Oracle();
  const dir = t.testdir({ store0: {} });
  let copies = 0;
  const options = {
    foldIntervalMs: 3_600_000,
    freeBytesMin: 0,
    blockRecordsMax: 2 + random(6),
    blockBytesMax: 200 + random(300),
    blockMergeBytesMax: random(200),
    journalRecordsMax: 1 + random(30),
    foldSliceBytes: 1,
  };
  const memoryDisk = createMemoryDisk();
  let memory = await openMemoryStore({ disk: memoryDisk });
  let rocks: RocksLogStore = await openRocksStore({ folder: join(dir, 'store0'), ...options }, {}, [noted]);
  let folding: Promise<void> = Promise.resolve();

  const restart = async (crash: boolean): Promise<void> => {
    const folder = join(dir, `store${copies}`);
    const old = rocks;
    if (crash) {
      // Most crashes in the middle of a fold: each entry is a slice of its own.
      await folding;
      if (random(4) > 0) folding = old.fold();
      for (let turns = random(6); turns > 0; turns -= 1) await new Promise((resolve) => setImmediate(resolve));
      copies += 1;
      await cp(folder, join(dir, `store${copies}`), { recursive: true });
    }
    await folding;
    await old.close();
    rocks = await openRocksStore({ folder: join(dir, `store${copies}`), ...options }, {}, [noted]);
    await memory.close();
    memory = await openMemoryStore({ disk: memoryDisk });
    const came = new Set(rocks.recovered.unacked.map(({ shard, idx }) => `${shard}/${idx}`));
    t.ok(
      [...oracle.unacked].every((id) => came.has(id)),
      'unacked ops come again',
    );
    t.same(new Map([...rocks.recovered.tails].map(([shard, { idx }]) => [shard, idx])), oracle.idx, 'tails');
  };

  for (let step = 0; step < steps; step += 1) {
    const ops: Op[] = [];
    for (let count = 1 + random(3); count > 0; count -= 1) {
      const op = randomOp(random, oracle, step);
      oracle.apply(op);
      ops.push(op);
    }
    await Promise.all([memory.append(ops), rocks.append(ops)]);
    if (random(12) === 0) {
      await folding;
      folding = rocks.fold();
      if (random(2) === 0) await folding;
    }
    for (const id of oracle.unacked) {
      if (random(8) !== 0) continue;
      const [shard, idx] = id.split('/').map(Number);
      for (const store of [memory, rocks]) store.acked(shard!, idx!);
      oracle.unacked.delete(id);
    }
    if (random(50) === 0) await restart(random(3) > 0);
    const reads = random(2 ** 32);
    for (const [name, store] of [
      ['memory', memory],
      ['rocks', rocks],
    ] as const) {
      const wrong = differences(store, oracle, seeded(reads));
      if (wrong.length > 0) {
        t.fail(`ROOKERY_SEED=${seed}, step ${step}, ${name}: ${wrong.join('\n')}`);
        step = steps;
      }
    }
  }
  await folding;
  await Promise.all([memory.close(), rocks.close()]);
}

for (const seed of seeds) {
  t.test(`seed ${seed}: the oracle, memory and RocksDB give the same answers`, (t) => runSeed(t, seed));
}
