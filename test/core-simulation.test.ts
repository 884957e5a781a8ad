import t, { type Test } from 'tap';
import { CHECKS } from './sim/core-checks.ts';
import { World } from './sim/core-world.ts';
import { CrossingWorld } from './sim/crossing-world.ts';

/**
 * The promise, hunted by seeds: the whole actor runtime on a disk that is slow, full or gone with its process; then
 * several of them whose buses lose, whose shards move and that die. Clients have sockets that break. `SEED=n` replays
 * one run of each, `SEEDS=n` runs that many.
 */
t.setTimeout(600_000);
const only = process.env['SEED'];
const seeds =
  only === undefined ? Array.from({ length: Number(process.env['SEEDS'] ?? 200) }, (_, i) => i + 1) : [Number(only)];

/** Runs every seed, up to the first that breaks the promise. @returns messages acknowledged in all */
async function hunt<W extends World | CrossingWorld>(
  t: Test,
  make: (seed: number) => W,
  ran: (world: W) => void = () => {},
): Promise<number> {
  let acked = 0;
  for (const seed of seeds) {
    const world = make(seed);
    await world.start();
    await world.run();
    await world.heal();
    for (const check of CHECKS) check(world);
    await world.stop();
    for (const client of world.clients) acked += client.sent.filter((one) => one.acked && !one.refused).length;
    ran(world);
    if (world.faultsFound.length === 0) continue;
    const found = world.faultsFound.slice(0, 10).join('\n  ');
    t.fail(`SEED=${seed} ${JSON.stringify(world.faults)}\n  ${found}`);
    break;
  }
  t.ok(acked > seeds.length, `${acked} acknowledged messages in ${seeds.length} runs`);
  return acked;
}

t.test('an acknowledged message is never lost, doubled or reordered', { timeout: 600_000 }, async (t) => {
  let heard = 0;
  await hunt(
    t,
    (seed) => new World(seed),
    ({ heardInRoom }) => {
      heard += heardInRoom;
    },
  );
  if (only === undefined) t.ok(heard > seeds.length / 4, `${heard} messages heard in rooms`);
});

t.test('nor is it between nodes: lossy buses, shards that move, nodes that die', { timeout: 600_000 }, async (t) => {
  let envelopes = 0;
  const acked = await hunt(
    t,
    (seed) => new CrossingWorld(seed),
    ({ net }) => {
      envelopes += net.carried;
    },
  );
  t.ok(envelopes > acked, `${envelopes} envelopes between nodes`);
});
