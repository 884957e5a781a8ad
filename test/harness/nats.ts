import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import {
  findNatsServer,
  type NatsCluster,
  type NatsClusterOptions,
  NatsServerMissingError,
  startNatsCluster,
} from '../../scripts/nats-server.ts';

/**
 * The nats-server there is. Where none can be had the test is skipped, and says so loudly.
 * @returns its path; undefined when the test was skipped
 */
export async function natsServerFor(t: Test): Promise<string | undefined> {
  try {
    return await findNatsServer({ cacheDir: join(process.cwd(), '.cache') });
  } catch (error) {
    if (!(error instanceof NatsServerMissingError)) throw error;
    process.stderr.write(`\nNOT TESTED, nats-server is missing: ${t.name}\n${error.message}\n\n`);
    t.pass('not tested', { skip: 'nats-server is missing' });
    return undefined;
  }
}

/**
 * nats-servers for one test, ended with it.
 * @returns undefined when the test was skipped
 */
export async function natsForTest(
  t: Test,
  options: Partial<NatsClusterOptions> = {},
): Promise<NatsCluster | undefined> {
  const binary = await natsServerFor(t);
  if (binary === undefined) return undefined;
  const dir = mkdtempSync(join(tmpdir(), 'rookery-nats-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const nats = await startNatsCluster({ binary, servers: 1, dir, ...options });
  t.teardown(() => nats.stop());
  return nats;
}
