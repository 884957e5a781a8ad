import t from 'tap';
import { abandon, commit, openShardLog, propose, type ShardLog } from './shard-log.ts';

t.test('a shard starts empty, or behind what recovery found under the next epoch', async (t) => {
  t.same(openShardLog(3, undefined), { shard: 3, epoch: 1, proposed: 0, committed: 0 });
  t.same(openShardLog(3, { idx: 40, epoch: 7 }), { shard: 3, epoch: 8, proposed: 40, committed: 40 });
});

t.test('numbers are given out densely, and again only under a higher epoch', async (t) => {
  const steps: [
    what: string,
    act: (log: ShardLog) => unknown,
    state: [epoch: number, proposed: number, committed: number],
  ][] = [
    ['propose', (log) => propose(log), [1, 1, 0]],
    ['propose', (log) => propose(log), [1, 2, 0]],
    ['commit the first', (log) => commit(log, 1), [1, 2, 1]],
    ['an older commit says nothing new', (log) => commit(log, 0), [1, 2, 1]],
    ['abandon the second', (log) => abandon(log), [2, 1, 1]],
    ['propose', (log) => propose(log), [2, 2, 1]],
    ['commit it', (log) => commit(log, 2), [2, 2, 2]],
    ['abandon nothing', (log) => abandon(log), [3, 2, 2]],
  ];
  const log = openShardLog(0, undefined);
  const seen = new Set<string>();
  for (const [what, act, [epoch, proposed, committed]] of steps) {
    const given = act(log);
    t.same([log.epoch, log.proposed, log.committed], [epoch, proposed, committed], what);
    if (given === undefined) continue;
    const name = `${given}@${log.epoch}`;
    t.notOk(seen.has(name), `${name} is given out once`);
    seen.add(name);
  }
});
