import t from 'tap';
import type { LogStore, Op } from '../storage/log-store.ts';
import { createPipeline, type Pipeline, PipelineFullError } from './pipeline.ts';

interface Rig {
  readonly pipeline: Pipeline;
  readonly log: string[];
  readonly appended: Op[][];
  /** lets the append that waits succeed, or fail */
  finish(error?: Error): Promise<void>;
  put(name: string, shard?: number): void;
  barrier(name: string): void;
}

function rig(pendingMax = 100): Rig {
  const log: string[] = [];
  const appended: Op[][] = [];
  const waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const store = {
    recovered: { tails: new Map([[5, { idx: 40, epoch: 3 }]]), unacked: [] },
    append(ops: readonly Op[]) {
      appended.push([...ops]);
      return new Promise<void>((resolve, reject) => waiting.push({ resolve, reject }));
    },
  } as unknown as LogStore;
  const options = { pendingMax, busyOps: Number.MAX_SAFE_INTEGER, busyTickMs: 0, monotonicMs: () => 0 };
  const pipeline = createPipeline(store, options);
  const settle = (name: string) => (error: Error | undefined, idx: number) =>
    void log.push(error === undefined ? `${name}:${idx}` : `${name}!`);
  return {
    pipeline,
    log,
    appended,
    async finish(error) {
      await tick();
      const next = waiting.shift();
      if (error === undefined) next?.resolve();
      else next?.reject(error);
      await tick();
    },
    put: (name, shard = 1) =>
      pipeline.submit({ shard, writes: [{ t: 'put', key: name, value: 1 }], outbox: [], settle: settle(name) }),
    barrier: (name) => pipeline.submit({ shard: 1, writes: [], outbox: [], settle: settle(name) }),
  };
}

async function tick(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

t.test('nothing settles before the disk has it, and everything in the order it was submitted', async (t) => {
  const { pipeline, log, appended, put, finish } = rig();
  put('a', 1);
  put('b', 2);
  put('c', 1);
  await tick();
  t.same(log, []);
  t.equal(appended.length, 1, 'one append for the ops of all shards');
  await finish();
  t.same(log, ['a:1', 'b:1', 'c:2']);
  t.equal(pipeline.stats.pending, 0);
});

t.test('what comes while the disk works goes with the next append', async (t) => {
  const { log, appended, put, finish } = rig();
  put('a');
  await tick();
  put('b');
  put('c');
  await tick();
  t.equal(appended.length, 1);
  await finish();
  t.same(log, ['a:1']);
  await finish();
  t.same(log, ['a:1', 'b:2', 'c:3']);
  t.same(
    appended.map((ops) => ops.length),
    [1, 2],
  );
});

t.test('a barrier keeps the order and costs no disk', async (t) => {
  const { log, appended, put, barrier, finish } = rig();
  barrier('x');
  await tick();
  t.same(log, ['x:0']);
  t.equal(appended.length, 0);
  put('a');
  barrier('y');
  await tick();
  barrier('z');
  await tick();
  t.same(log, ['x:0'], 'behind a turn that is not committed it waits');
  await finish();
  t.same(log, ['x:0', 'a:1', 'y:0', 'z:0']);
});

t.test(
  'a refused append fails all that was decided on it, and its numbers are given out again under a new epoch',
  async (t) => {
    const { log, appended, put, barrier, finish } = rig();
    put('a');
    await tick();
    put('b');
    barrier('x');
    await finish(new Error('full'));
    t.same(log, ['a!', 'b!', 'x!']);
    put('c');
    await finish();
    t.same(log.at(-1), 'c:1');
    t.same(
      appended.flat().map(({ idx, epoch }) => `${idx}@${epoch}`),
      ['1@1', '1@3'],
    );
  },
);

t.test('a shard goes on behind what recovery found, in a new epoch', async (t) => {
  const { appended, put, finish } = rig();
  put('a', 5);
  await finish();
  t.same([appended[0]?.[0]?.idx, appended[0]?.[0]?.epoch], [41, 4]);
});

t.test('beyond its bound a submission is refused at once', async (t) => {
  const { pipeline, log, put, finish } = rig(2);
  put('a');
  put('b');
  let refused: Error | undefined;
  pipeline.submit({
    shard: 1,
    writes: [],
    outbox: [],
    settle: (error) => {
      refused = error;
    },
  });
  t.ok(refused instanceof PipelineFullError);
  await finish();
  t.same(log, ['a:1', 'b:2']);
  put('c');
  await finish();
  t.same(log.at(-1), 'c:3', 'with room again it takes more');
});

t.test('drained resolves when everything submitted so far has settled', async (t) => {
  const { pipeline, log, put, finish } = rig();
  await pipeline.drained();
  put('a');
  await tick();
  put('b');
  let drained = false;
  const done = pipeline.drained().then(() => {
    drained = true;
  });
  await finish();
  t.equal(drained, false);
  await finish();
  await done;
  t.same(log, ['a:1', 'b:2']);
});
