/**
 * kill -9 in the middle of bursts, many times on one folder: what was acknowledged is there exactly once and in
 * order, in both archives. A run prints its seed; SEED=n draws the same rounds again (the machine's timing differs).
 */
import { randomInt } from 'node:crypto';
import t from 'tap';
import { seededRandom } from '../../src/base/random.ts';
import { NodeProcess } from '../clients/node-process.ts';
import { crashRounds } from './rounds.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 20);
const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31));

t.test(
  `nothing acknowledged is lost, doubled or reordered by ${ROUNDS} kills (seed ${seed})`,
  { timeout: 240_000 },
  async (t) => {
    const node = await NodeProcess.start({ env: { ROOKERY_PROFILE: 'bench' } });
    t.teardown(() => node.dispose());
    const result = await crashRounds(node, { rounds: ROUNDS, random: seededRandom(seed), burstMax: 600 });
    t.comment(
      `${result.sent} sent, ${result.acked} acknowledged, ${result.again} sent again, ${result.dropped} given up`,
    );
    t.same(result.faults.slice(0, 20), []);
    t.ok(result.acked > ROUNDS, 'the bursts got somewhere');
    t.ok(result.again > 0 && result.dropped > 0, 'the kills came in the middle of something');
  },
);
