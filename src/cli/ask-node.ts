import { EXIT, ExitError } from '../base/errors.ts';
import type { AdminApi } from '../http/admin.ts';
import { adminClient, NotRunningError } from '../http/admin-client.ts';
import { adminSocketPath } from '../http/admin-socket.ts';
import { type CommonFlags, configOf } from './common-options.ts';
import type { Io } from './io.ts';

/**
 * Asks the node that runs on the data folder.
 * @throws ExitError (notRunning) when none does; AdminError when it says no
 */
export async function askNode<T>(io: Io, flags: CommonFlags, question: (api: AdminApi) => Promise<T>): Promise<T> {
  const { dataDir } = (await configOf(io.env, flags)).node;
  try {
    return await question(adminClient(adminSocketPath(dataDir)));
  } catch (error) {
    if (!(error instanceof NotRunningError)) throw error;
    throw new ExitError(`no node runs on ${dataDir}; rookery start starts one`, EXIT.notRunning);
  }
}

/** The number that was typed for a shard. @throws ExitError (usage) */
export function shardNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new ExitError(`${text} is no number of a shard`, EXIT.usage);
  return Number(text);
}
