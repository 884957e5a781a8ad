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
 * nats-servers for one test, ended with it. Where none can be had the test is skipped, and says so loudly.
 * @returns undefined when the test was skipped
 */
export async function natsForTest(
  t: Test,
  options: Partial<NatsClusterOptions> = {},
): Promise<NatsCluster | undefined> {
  let binary: string;
  try {
    binary = await findNatsServer({ cacheDir: join(process.cwd(), '.cache') });
  } catch (error) {
    if (!(error instanceof NatsServerMissingError)) throw error;
    process.stderr.write(`\nNOT TESTED, nats-server is missing: ${t.name}\n${error.message}\n\n`);
    t.pass('not tested', { skip: 'nats-server is missing' });
    return undefined;
  }
  const dir = mkdtempSync(join(tmpdir(), 'rookery-nats-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const nats = await startNatsCluster({ binary, servers: 1, dir, ...options });
  t.teardown(() => nats.stop());
  return nats;
}
