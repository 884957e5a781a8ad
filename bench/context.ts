import type { AccountOptions } from './accounts.ts';
import { type Account, Client } from './client.ts';
import { pool } from './pool.ts';
import type { Progress } from './progress.ts';
import type { Report } from './report.ts';
import type { Target, TargetOptions } from './target.ts';

/** Options every scenario has. */
export interface CommonOptions extends TargetOptions, AccountOptions {
  /** how the server is called in reports */
  readonly name: string;
  readonly out?: string;
  /** local addresses 127.0.0.1 … to connect from */
  readonly sources: number;
}

/** What a scenario gets. `target` is undefined for the bare relay. */
export interface Context<O = unknown> {
  readonly options: CommonOptions & O;
  readonly target: Target;
  readonly report: Report;
  readonly progress: Progress;
  /** aborts on Ctrl-C: stop, report what there is */
  readonly signal: AbortSignal;
}

/** Logins under way at once while a scenario sets up. */
const parallel = 16;

/** `127.0.0.1` … for connection i, or undefined (the system chooses) when one address is enough. */
export function sourceAddress(options: { sources: number }, i: number): string | undefined {
  return options.sources <= 1 ? undefined : `127.0.0.${1 + (i % options.sources)}`;
}

/** The addresses of `--url`, one at least: a cluster has several, with commas between. */
export function urlsOf({ url }: { readonly url: string }): string[] {
  return url.split(',');
}

/** Where user i connects: users are dealt out in turn, so the two of a pair (i and i ^ 1) are at different nodes. */
export function urlOf(options: { readonly url: string }, i: number): string {
  const urls = urlsOf(options);
  return urls[i % urls.length]!;
}

/** Logs every account in, in order of the list; initial presence sent. Closes all again when one fails. */
export async function loginAll(
  { options, progress, signal }: Context,
  accounts: readonly Account[],
  extra: { readonly resource?: string; readonly after?: (client: Client) => Promise<void> } = {},
): Promise<Client[]> {
  const clients: Client[] = [];
  let done = 0;
  try {
    await pool(accounts, parallel, signal, async (account, i) => {
      const localAddress = sourceAddress(options, i);
      const client = new Client({
        ...options,
        url: urlOf(options, i),
        account,
        localAddress,
        resource: extra.resource ?? 'bench',
      });
      clients[i] = client;
      await client.login();
      await extra.after?.(client);
      progress.show(`logging in: ${++done}/${accounts.length}`);
    });
  } catch (error) {
    closeAll(clients);
    throw error;
  }
  if (signal.aborted) {
    closeAll(clients);
    throw new Error('stopped before the load began');
  }
  return clients;
}

export function closeAll(clients: readonly Client[]): void {
  for (const client of clients) {
    if (client !== undefined && !client.ended) client.cut();
  }
}
