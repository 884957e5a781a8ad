import t from 'tap';
import { EXIT } from '../base/errors.ts';
import type { DrainProgress } from '../http/admin-cluster.ts';
import { clusterIo } from './cluster.fixture.ts';
import { run } from './run.ts';

const at = (leads: number, copies: number, more: Partial<DrainProgress> = {}): DrainProgress => ({
  node: 'b',
  leads,
  copies,
  done: copies === 0,
  blocked: false,
  ...more,
});

t.test('a drain is watched until the node is empty', async (t) => {
  const steps = [at(2, 9), at(0, 9), at(0, 0)];
  const world = await clusterIo(t, {
    drain: async () => at(5, 9, { note: 'shards go on with 2 copies instead of 3' }),
    drainProgress: async () => steps.shift() ?? at(0, 0),
  });
  const io = world();
  t.equal(await run(['drain', 'b'], io), EXIT.ok);
  t.equal(io.err, 'note: shards go on with 2 copies instead of 3\nb is empty: it can be stopped for good\n');
  t.same(steps, []);
  const json = world();
  t.equal(await run(['drain', 'b', '--json'], json), EXIT.ok);
  t.same(JSON.parse(json.out), at(0, 0));
});

t.test('what takes longer than a second says how far it is', async (t) => {
  let copies = 9;
  const world = await clusterIo(t, { drain: async () => at(3, 9), drainProgress: async () => at(3, copies) });
  const io = world();
  const done = run(['drain', 'b'], io);
  await io.said(/^b still leads 3 shards and has 9 copies\n/);
  copies = 0;
  t.equal(await done, EXIT.ok);
});

t.test('Ctrl-C stops watching, not draining', async (t) => {
  let looks = 0;
  let looked = () => {};
  const world = await clusterIo(t, {
    drain: async () => at(3, 9),
    drainProgress: async () => {
      looks += 1;
      looked();
      return at(3, 9);
    },
    undrain: async () => void t.fail('it is not undone'),
  });
  const io = world();
  const first = new Promise<void>((resolve) => {
    looked = resolve;
  });
  const done = run(['drain', 'b'], io);
  await first;
  io.signals.emit('SIGINT');
  t.equal(await done, EXIT.forced);
  t.match(io.err, /no longer watching: b goes on draining, it still leads 3 shards and has 9 copies/);
  t.equal(io.signals.listenerCount('SIGINT'), 0);
  t.ok(looks > 0);
});

t.test('one that cannot become empty is not waited for', async (t) => {
  const note = 'a shard keeps 2 copies, and 1 other node is up';
  const io = (await clusterIo(t, { drain: async () => at(0, 9, { blocked: true, note }) }))();
  t.equal(await run(['drain', 'b'], io), EXIT.refused);
  t.match(io.err, `rookery: b cannot become empty: ${note}; it still leads 0 shards and has 9 copies.`);
});

t.test('it is undone', async (t) => {
  const undone: string[] = [];
  const undrain = async (node: string) => {
    undone.push(node);
  };
  const io = (await clusterIo(t, { undrain }))();
  t.equal(await run(['drain', 'b', '--undo'], io), EXIT.ok);
  t.same(undone, ['b']);
  t.equal(io.err, 'b takes copies and leaderships again\n');
});
