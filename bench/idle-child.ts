import { type Account, Client } from './client.ts';
import { type CommonOptions, sourceAddress, urlOf } from './context.ts';
import { pool } from './pool.ts';

/** What the parent sends first. `first` is the number of the first account over all processes. */
export interface IdleOrder {
  readonly options: CommonOptions;
  readonly accounts: readonly Account[];
  readonly first: number;
}

/** What comes back, every so often and at the end. */
export interface IdleReport {
  readonly done: number;
  readonly error?: string;
}

const parallel = 16;
const reportEvery = 50;

/** A client process of the scenario `idle`: logs its accounts in, holds them, ends when the parent lets go. */
async function work({ options, accounts, first }: IdleOrder): Promise<void> {
  const report = (message: IdleReport) => process.connected && process.send?.(message);
  let done = 0;
  try {
    await pool(accounts, parallel, new AbortController().signal, async (account, i) => {
      const client = new Client({
        ...options,
        url: urlOf(options, first + i),
        account,
        resource: 'bench',
        localAddress: sourceAddress(options, first + i),
      });
      await client.login();
      client.onEnd = (reason) => report({ done, error: `an idle session was lost: ${reason}` });
      if (++done % reportEvery === 0 && done < accounts.length) report({ done });
    });
    report({ done });
  } catch (error) {
    report({ done, error: error instanceof Error ? error.message : String(error) });
  }
}

process.once('message', (order: IdleOrder) => void work(order));
process.on('disconnect', () => process.exit(0));
// The parent decides: Ctrl-C reaches the whole terminal group.
process.on('SIGINT', () => {});
