import t from 'tap';
import { openReplica, type ReplicaState } from '../cluster/replica.ts';
import type { ShardConfig } from '../cluster/shard-config.ts';
import { CasQueue, rankOf } from './cas-queue.ts';

/** Takes as long as something may go. @returns shards, in the order in which they go */
function drain(queue: CasQueue<string>): number[] {
  const shards: number[] = [];
  for (let next = queue.take(); next !== undefined; next = queue.take()) shards.push(next.shard);
  return shards;
}

t.test('what is waited for goes first, then what has no leader, then the rest, each as it came', async (t) => {
  const queue = new CasQueue<string>({ atOnce: 10, idleAtOnce: 10 });
  queue.put(1, 'a', 'idle');
  queue.put(2, 'b', 'leaderless');
  queue.put(3, 'c', 'waited');
  queue.put(4, 'd', 'idle');
  queue.put(5, 'e', 'waited');
  queue.put(6, 'f', 'leaderless');
  t.same(drain(queue), [3, 5, 2, 6, 1, 4]);
});

t.test('whoever comes and waits for a shard brings it to the front', async (t) => {
  const queue = new CasQueue<string>({ atOnce: 10, idleAtOnce: 10 });
  for (const shard of [1, 2, 3]) queue.put(shard, 'x', 'idle');
  for (const shard of [4, 5, 6]) queue.put(shard, 'x', 'leaderless');
  t.ok(queue.raise(6));
  t.ok(queue.raise(3));
  t.notOk(queue.raise(3), 'it is there already');
  t.notOk(queue.raise(7), 'nothing of it waits');
  t.same(drain(queue), [6, 3, 4, 5, 1, 2]);
});

t.test('only so many are on their way at once', async (t) => {
  const queue = new CasQueue<string>({ atOnce: 2, idleAtOnce: 2 });
  for (const shard of [1, 2, 3, 4]) queue.put(shard, 'x', 'waited');
  t.same(drain(queue), [1, 2]);
  queue.done('waited');
  t.same(drain(queue), [3]);
  queue.clear();
  queue.done('waited');
  queue.done('waited');
  t.same(drain(queue), [], 'what waited is forgotten');
  queue.put(5, 'x', 'idle');
  t.same(drain(queue), [5], 'and there is room again');
});

t.test('those that nobody waits for leave room for the others', async (t) => {
  const queue = new CasQueue<string>({ atOnce: 3, idleAtOnce: 1 });
  for (const shard of [1, 2, 3]) queue.put(shard, 'x', 'idle');
  t.same(drain(queue), [1]);
  queue.put(4, 'x', 'leaderless');
  queue.raise(3);
  t.same(drain(queue), [3, 4], 'one that was raised counts no longer among them');
  queue.done('waited');
  t.same(drain(queue), [], 'the first of them is not answered yet');
  queue.done('idle');
  t.same(drain(queue), [2]);
});

t.test('a newer one takes the place of the older, at its own rank', async (t) => {
  const queue = new CasQueue<string>({ atOnce: 10, idleAtOnce: 10 });
  queue.put(1, 'old', 'waited');
  queue.put(2, 'x', 'waited');
  queue.put(1, 'new', 'idle');
  t.same(
    [queue.take(), queue.take(), queue.take()].map((next) => next?.cas),
    ['x', 'new', undefined],
  );
});

t.test(
  'a shard is waited for when something is uncommitted, read, or was written under the leader it has lost',
  async (t) => {
    const a = { node: 'a', inc: '1' };
    const b = { node: 'b', inc: '1' };
    const record: ShardConfig = { v: 1, shard: 0, epoch: 3, leader: a, isr: [a, b], replicas: [a, b], nonce: 'n' };
    const shrunk = { ...record, isr: [a], nonce: 'm' };
    const takeOver = { ...shrunk, epoch: 4, leader: b };
    const replica = (bytes: number, commitIdx: number): ReplicaState => {
      const entries = [
        { idx: 1, epoch: 3, bytes: new Uint8Array(0) },
        { idx: 2, epoch: 3, bytes: new Uint8Array(bytes) },
      ];
      const hard = { epoch: 3, leader: a, session: 1, revision: 1 };
      const state = openReplica(0, { hard, base: { idx: 0, epoch: 0 }, commitIdx, entries });
      state.config = { record, revision: 7 };
      return state;
    };
    t.equal(rankOf(replica(9, 2), shrunk, false), 'idle');
    t.equal(rankOf(replica(9, 1), shrunk, false), 'waited', 'a proposal is not committed');
    t.equal(rankOf(replica(9, 2), shrunk, true), 'waited', 'somebody reads');
    t.equal(rankOf(replica(9, 2), takeOver, false), 'waited', 'it was written');
    t.equal(rankOf(replica(0, 2), takeOver, false), 'leaderless', 'the last entry is a no-op');
  },
);
