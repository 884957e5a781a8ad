import { prepareAccounts } from '../accounts.ts';
import { type Account, Client } from '../client.ts';
import { type Context, closeAll, sourceAddress, urlOf } from '../context.ts';
import { Meter, nowUs } from '../meter.ts';
import type { Phase } from '../report.ts';

export interface ConnectOptions {
  readonly users: number;
  readonly parallel: number;
  /** seconds, each phase */
  readonly duration: number;
  readonly resume: boolean;
}

/** One round of a lane; the returned function ends what it opened, outside of the time that is measured. */
type Round = (account: Account, i: number) => Promise<() => Promise<void>>;

/**
 * What it costs to come in: `open` = WebSocket + stream, `auth` = that + SASL, `login` = that + bind + presence,
 * `resume` = auth + XEP-0198 resumption of a stream whose socket was cut. Each phase holds the closing too.
 */
export async function connect(context: Context<ConnectOptions>): Promise<void> {
  const { options, report, progress, signal } = context;
  const accounts = await prepareAccounts(options, options.users, progress, signal);
  const client = (account: Account, i: number) =>
    new Client({
      ...options,
      url: urlOf(options, i),
      account,
      resource: 'bench',
      localAddress: sourceAddress(options, i),
    });
  const open = await phase(context, accounts, 'open', async (account, i) => {
    const one = client(account, i);
    await one.connect();
    return () => leave(one);
  });
  const auth = await phase(context, accounts, 'auth', async (account, i) => {
    const one = client(account, i);
    await one.connect();
    await one.authenticate();
    return () => leave(one);
  });
  const login = await phase(context, accounts, 'login', async (account, i) => {
    const one = client(account, i);
    await one.login();
    return () => leave(one);
  });
  report.phases.push(open, auth, login);
  if (options.resume && !signal.aborted) report.phases.push(await resumePhase(context, accounts, client));
  addDifferences(report.phases);
}

async function resumePhase(
  context: Context<ConnectOptions>,
  accounts: readonly Account[],
  client: (account: Account, i: number) => Client,
): Promise<Phase> {
  const streams = new Map<Account, Client>();
  for (const [i, account] of accounts.entries()) {
    if (context.signal.aborted) break;
    const one = client(account, i);
    await one.login();
    await one.enableSm(true);
    if (one.smId === '') throw new Error('the server enables stream management without resumption');
    streams.set(account, one);
    context.progress.show(`streams to resume: ${i + 1}/${accounts.length}`);
  }
  try {
    return await phase(context, accounts, 'resume', async (account, i) => {
      const previous = streams.get(account)!;
      previous.cut();
      const one = client(account, i);
      await one.connect();
      await one.authenticate();
      await one.resume(previous);
      streams.set(account, one);
      return async () => {};
    });
  } finally {
    closeAll([...streams.values()]);
  }
}

const units: Readonly<Record<string, string>> = { open: 'connection', resume: 'resume' };

/** Lanes go round their own accounts for the duration; lane l has the accounts l, l + parallel … */
async function phase(
  { options, target, progress, signal }: Context<ConnectOptions>,
  accounts: readonly Account[],
  name: string,
  round: Round,
): Promise<Phase> {
  const meter = new Meter(target.measured ?? target.pid);
  const errors: Record<string, number> = {};
  const lanes = Math.min(options.parallel, accounts.length);
  meter.start();
  const end = performance.now() + options.duration * 1000;
  const lane = async (l: number) => {
    for (let i = l; performance.now() < end && !signal.aborted; i = i + lanes < accounts.length ? i + lanes : l) {
      const since = nowUs();
      try {
        const after = await round(accounts[i]!, i);
        meter.done(since, nowUs());
        await after();
      } catch (error) {
        const reason = error instanceof Error ? error.message.replace(accounts[i]!.user, '…') : String(error);
        errors[reason] = (errors[reason] ?? 0) + 1;
        if (errors[reason] > 100) throw error;
      }
      progress.show(
        `${name}: ${meter.operations} done, ${Math.max(0, Math.round((end - performance.now()) / 1000))} s to go`,
      );
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, l) => lane(l)));
  const done = meter.stop(name, options.name, units[name] ?? 'login');
  if (Object.keys(errors).length > 0) done.errors = errors;
  return done;
}

/** Closes and waits for the server's part, 2 s at most. */
function leave(client: Client): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 2_000);
    client.onEnd = () => {
      clearTimeout(timer);
      resolve();
    };
    client.close();
  });
}

/** What SASL costs beyond the open stream, and what bind + presence, or resumption, cost beyond that. */
function addDifferences(phases: readonly Phase[]): void {
  const cost = (name: string) => phases.find((phase) => phase.name === name)?.server?.perOperationUs;
  for (const [name, base] of [
    ['auth', 'open'],
    ['login', 'auth'],
    ['resume', 'auth'],
  ] as const) {
    const phase = phases.find((one) => one.name === name);
    const below = cost(base);
    if (phase?.server === undefined || below === undefined) continue;
    phase.extra = { [`CPU µs beyond ${base}`]: phase.server.perOperationUs - below };
  }
}
