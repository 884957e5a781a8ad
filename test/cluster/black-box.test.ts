/**
 * About three minutes of the black box proof: as many of its faults as fit, in an order drawn from SEED. All of them,
 * for half an hour: npm run black-box.
 */
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openClusterNet } from '../../scripts/cluster-net.ts';
import { findNatsServer, NatsServerMissingError } from '../../scripts/nats-server.ts';
import { blackBox } from './black-box.ts';
import { FAULTS } from './faults.ts';
import { rounds } from './rounds.ts';

/** No fault is begun after that: one takes up to 40 s, and the reading of everything comes behind. */
const BEGIN_MS_MAX = 110_000;
const TIMEOUT_MS = 280_000;
const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31));

function skipped(why: string): void {
  process.stderr.write(`\nNOT TESTED, the black box proof of the cluster: ${why}\n\n`);
}

async function missing(): Promise<string | undefined> {
  try {
    await findNatsServer({ cacheDir: '.cache' });
    return undefined;
  } catch (error) {
    if (!(error instanceof NatsServerMissingError)) throw error;
    return error.message;
  }
}

function hasNamespaces(): boolean {
  try {
    openClusterNet().close();
    return true;
  } catch (error) {
    skipped(`its netsplits, ${(error as Error).message}`);
    return false;
  }
}

t.test(
  `a cluster that is hurt keeps every acknowledged message, once and in order (seed ${seed})`,
  { timeout: TIMEOUT_MS },
  async (t) => {
    const without = await missing();
    if (without !== undefined) {
      skipped(without);
      return t.pass('not tested', { skip: 'nats-server is missing' });
    }
    const dir = mkdtempSync(join(tmpdir(), 'rookery-black-box-'));
    const began = performance.now();
    const result = await blackBox({
      dir,
      seed,
      next: rounds(FAULTS, () => performance.now() - began > BEGIN_MS_MAX),
      people: 18,
      perSecond: 30,
      shards: 32,
      netns: hasNamespaces(),
      tell: (line) => t.comment(line),
    });
    for (const name of result.skipped) skipped(name);
    t.same(result.faults, [], `logs of a failed run are in ${dir}`);
    if (result.faults.length === 0) rmSync(dir, { recursive: true, force: true });
    t.ok(result.injected > result.skipped.length, 'something was done to it');
    t.ok(result.acked > 0, 'messages went through');
  },
);
