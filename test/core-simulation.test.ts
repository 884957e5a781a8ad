import t from 'tap';
import { CHECKS } from './sim/core-checks.ts';
import { World } from './sim/core-world.ts';

/**
 * The promise, hunted by seeds: the whole actor runtime on a disk that is slow, full or gone with its process, with
 * clients whose sockets break. `SEED=n` replays one run; `SEEDS=n` runs that many.
 */
t.setTimeout(600_000);
const only = process.env['SEED'];
const seeds =
  only === undefined ? Array.from({ length: Number(process.env['SEEDS'] ?? 200) }, (_, i) => i + 1) : [Number(only)];

t.test('an acknowledged message is never lost, doubled or reordered', { timeout: 600_000 }, async (t) => {
  const acked = { messages: 0 };
  for (const seed of seeds) {
    const world = new World(seed);
    await world.start();
    await world.run();
    await world.heal();
    for (const check of CHECKS) check(world);
    await world.stop();
    for (const client of world.clients) acked.messages += client.sent.filter((one) => one.acked && !one.refused).length;
    if (world.faultsFound.length === 0) continue;
    const found = world.faultsFound.slice(0, 10).join('\n  ');
    t.fail(`SEED=${seed} ${JSON.stringify(world.faults)}\n  ${found}`);
    break;
  }
  t.ok(acked.messages > seeds.length, `${acked.messages} acknowledged messages in ${seeds.length} runs`);
});
