import t from 'tap';
import { createReplicatedPipeline } from './replicated-pipeline.ts';
import type { ProposeOutcome } from './shard-host-types.ts';

/** A log that commits when told to. */
function bench(pendingMax = 100, offerMax?: number) {
  const settled: string[] = [];
  const proposals: [shard: number, ops: number][] = [];
  let refusal: Extract<ProposeOutcome, { ok: false }>['reason'] | undefined;
  const last = new Map<number, number>();
  const pipeline = createReplicatedPipeline({
    pendingMax,
    monotonicMs: () => 0,
    ...(offerMax !== undefined && { offerMax }),
    propose(shard, ops) {
      if (refusal !== undefined) return { ok: false, reason: refusal };
      proposals.push([shard, ops.length]);
      const idx = (last.get(shard) ?? 0) + 1;
      last.set(shard, idx + ops.length - 1);
      return { ok: true, first: { idx, epoch: 1 } };
    },
  });
  const submit = (name: string, shard: number, op = true): void => {
    pipeline.submit({
      shard,
      writes: op ? [{ t: 'put', key: name, value: 1 }] : [],
      outbox: [],
      settle: (error, idx) => settled.push(`${name}${error === undefined ? `@${idx}` : ` ${error.name}`}`),
    });
  };
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  return {
    pipeline,
    settled,
    proposals,
    submit,
    turn,
    refuse: (reason: typeof refusal) => {
      refusal = reason;
    },
  };
}

t.test('submissions of a tick are one proposal a shard, and settle when it is committed, in order', async (t) => {
  const { pipeline, settled, proposals, submit, turn } = bench();
  for (const [name, shard] of [
    ['a', 1],
    ['b', 2],
    ['c', 1],
  ] as const)
    submit(name, shard);
  t.same(proposals, [], 'nothing before the end of the turn');
  await turn();
  t.same(proposals, [
    [1, 2],
    [2, 1],
  ]);
  pipeline.committed(1, 1);
  t.same(settled, ['a@1']);
  pipeline.committed(2, 1);
  pipeline.committed(1, 2);
  t.same(settled, ['a@1', 'b@1', 'c@2']);
  t.equal(pipeline.stats.pending, 0);
});

t.test('a barrier costs no proposal and settles behind what came before it', async (t) => {
  const { pipeline, settled, submit, turn, proposals } = bench();
  submit('alone', 1, false);
  await turn();
  t.same(settled, ['alone@0']);
  submit('op', 1);
  submit('behind', 1, false);
  await turn();
  submit('later', 1, false);
  await turn();
  t.same(settled, ['alone@0'], 'not before the op');
  pipeline.committed(1, 1);
  t.same(settled, ['alone@0', 'op@1', 'behind@0', 'later@0']);
  t.same(proposals, [[1, 1]]);
});

t.test('what cannot be proposed for the moment waits; what never can fails', async (t) => {
  for (const reason of ['not-ready', 'full', 'busy'] as const) {
    const { pipeline, settled, submit, turn, refuse } = bench();
    refuse(reason);
    submit('a', 1);
    await turn();
    t.same(settled, [], `${reason}: it waits`);
    refuse(undefined);
    pipeline.ready(1);
    await turn();
    pipeline.committed(1, 1);
    t.same(settled, ['a@1'], `${reason}: … and goes on`);
  }
  for (const reason of ['not-leader', 'halted'] as const) {
    const { settled, submit, turn, refuse } = bench();
    refuse(reason);
    submit('a', 1);
    await turn();
    t.same(settled, ['a NotLeaderError'], reason);
  }
});

t.test('a shard that is lost fails what it has, proposed or not, and no other', async (t) => {
  const { pipeline, settled, submit, turn } = bench();
  submit('a', 1);
  submit('other', 2);
  await turn();
  submit('b', 1);
  const drained = pipeline.drained();
  pipeline.lost(1);
  t.same(settled, ['a NotLeaderError', 'b NotLeaderError']);
  pipeline.committed(1, 1);
  t.equal(settled.length, 2, 'a commit that comes late settles nothing');
  pipeline.committed(2, 1);
  await drained;
  t.same(settled.at(-1), 'other@1');
});

t.test('the bound is kept, and named', async (t) => {
  const { settled, submit } = bench(2);
  for (const name of ['a', 'b', 'c']) submit(name, 1);
  t.same(settled, ['c PipelineFullError']);
});

t.test('what gathered while a shard took nothing goes in parts: all at once might never be taken', async (t) => {
  const { pipeline, settled, proposals, submit, turn, refuse } = bench(100, 2);
  refuse('full');
  for (const name of ['a', 'b', 'c', 'd', 'e']) submit(name, 1);
  submit('barrier', 1, false);
  await turn();
  t.same(proposals, []);
  refuse(undefined);
  pipeline.ready(1);
  await turn();
  t.same(proposals, [
    [1, 2],
    [1, 2],
    [1, 1],
  ]);
  pipeline.committed(1, 5);
  t.same(settled, ['a@1', 'b@2', 'c@3', 'd@4', 'e@5', 'barrier@0']);
});
