import t, { type Test } from 'tap';
import { EXIT } from '../base/errors.ts';
import { clusterIo } from './cluster.fixture.ts';
import { run } from './run.ts';

const PLAN = {
  shard: 7,
  epoch: 4,
  lost: ['node-1', 'node-2/old'],
  survivor: 'node-3',
  last: { idx: 1204, epoch: 3 },
  reachable: ['node-3', 'node-4'],
};

async function world(t: Test) {
  const recovered: [number, string][] = [];
  const open = await clusterIo(t, {
    recovery: async () => PLAN,
    recoverUnclean: async (shard, node) => {
      recovered.push([shard, node]);
      return { shard, leader: node, epoch: 5 };
    },
  });
  return { open, recovered };
}

t.test('without --unclean it says what may be lost, and does nothing', async (t) => {
  const { open, recovered } = await world(t);
  const io = open();
  t.equal(await run(['recover', '7'], io), EXIT.usage);
  t.match(io.out, /in sync, all gone +node-1 node-2\/old\n/);
  t.match(io.out, /the copy of node-3, which ends at index 1204 of epoch 3\n/);
  t.match(io.out, /may be lost +what was acknowledged after that/);
  t.equal(io.err, 'rookery: nothing was done; --unclean does it, and accepts the loss\n');
  const json = open();
  t.equal(await run(['recover', '7', '--json'], json), EXIT.usage);
  t.same(JSON.parse(json.out), PLAN);
  t.same(recovered, []);
});

t.test('at a terminal it asks for the number of the shard', async (t) => {
  for (const [typed, code, done] of [
    ['8\n', EXIT.usage, []],
    ['7\n', EXIT.ok, [[7, 'node-3']]],
  ] as const) {
    const { open, recovered } = await world(t);
    const io = open(true);
    const running = run(['recover', '7', '--unclean'], io);
    await io.said(/may be lost[\s\S]*Type the number of the shard again: $/);
    io.type(typed);
    t.equal(await running, code);
    t.same(recovered, done);
    if (code === EXIT.ok)
      t.match(io.err, /node-3 leads shard 7, epoch 5; writes go on when a second copy is in sync\n$/);
    else t.match(io.err, /rookery: nothing was done\n$/);
  }
});

t.test('without a terminal only --yes does it', async (t) => {
  const { open, recovered } = await world(t);
  const io = open();
  t.equal(await run(['recover', '7', '--unclean'], io), EXIT.usage);
  t.match(io.err, /there is no terminal to ask; use --yes/);
  t.same(recovered, []);
  const yes = open();
  t.equal(await run(['recover', '7', '--unclean', '--yes', '--json'], yes), EXIT.ok);
  t.same(JSON.parse(yes.out), { shard: 7, leader: 'node-3', epoch: 5 });
  t.same(recovered, [[7, 'node-3']]);
});
