import t from 'tap';
import { ShardReads } from './shard-reads.ts';

function rig() {
  const until = [100, Number.NEGATIVE_INFINITY];
  const seen: string[] = [];
  const reads = new ShardReads(2, {
    readableUntil: (shard) => {
      seen.push(`look ${shard}`);
      return until[shard]!;
    },
    ask: (shard) => seen.push(`ask ${shard}`),
    readable: (shard) => seen.push(`readable ${shard}`),
  });
  return { reads, until, seen, turn: () => new Promise((resolve) => setImmediate(resolve)) };
}

t.test('a lease is looked at once, and again when it has run out or who could take over has changed', async (t) => {
  const { reads, until, seen } = rig();
  for (const now of [1, 2, 99]) t.ok(reads.may(0, now));
  t.same(seen, ['look 0']);
  until[0] = 200;
  t.ok(reads.may(0, 100));
  until[0] = Number.NEGATIVE_INFINITY;
  t.ok(reads.may(0, 150), 'what was given holds');
  reads.forget(0);
  t.notOk(reads.may(0, 150));
});

t.test('who may not read is asked for, and told once', async (t) => {
  const { reads, until, seen, turn } = rig();
  t.notOk(reads.may(1, 5));
  t.notOk(reads.may(1, 5));
  await turn();
  t.same(seen.splice(0), ['look 1', 'look 1', 'ask 1']);
  reads.changed(1, true, 6);
  reads.changed(0, true, 6);
  reads.askAll();
  t.same(seen.splice(0), ['look 1', 'ask 1'], 'not yet; nobody waits for shard 0');
  until[1] = 50;
  reads.changed(1, true, 7);
  reads.changed(1, true, 7);
  reads.askAll();
  t.same(seen.splice(0), ['look 1', 'readable 1']);
});

t.test('whoever waits for a shard that is lost hears nothing', async (t) => {
  const { reads, until, seen } = rig();
  reads.may(1, 5);
  until[1] = 50;
  reads.changed(1, false, 6);
  reads.changed(1, true, 6);
  t.same(seen, ['look 1']);
  reads.may(0, 1000);
  reads.forgetAll();
  reads.askAll();
  t.same(seen, ['look 1', 'look 0']);
});
