import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { prepareAccounts } from '../accounts.ts';
import type { Account } from '../client.ts';
import { type Context, closeAll, loginAll } from '../context.ts';
import { siblingScript } from '../files.ts';
import type { IdleOrder, IdleReport } from '../idle-child.ts';
import { usageOf } from '../proc.ts';
import { cpuUse } from '../report.ts';

export interface IdleOptions {
  readonly sessions: number;
  /** seconds without load before memory is read */
  readonly settle: number;
  /** seconds the sessions are held, to see what an idle one costs */
  readonly hold: number;
}

/** A process may have 20,000 files open here; half of it leaves room for everything else. */
const perProcess = 9_000;
/** Sessions opened and closed first, so that code and pools that come with the first users are not counted. */
const warmSessions = 100;

/** Memory of logged-in sessions that do nothing: resident memory after minus before, per session. */
export async function idle(context: Context<IdleOptions>): Promise<void> {
  const { options, target, report, progress, signal } = context;
  const { pid } = target;
  if (pid === undefined) throw new Error('idle measures memory: the server must run on this machine (or give --pid)');
  const accounts = await prepareAccounts(options, options.sessions, progress, signal);
  closeAll(await loginAll(context, accounts.slice(0, warmSessions)));
  await wait(context, options.settle, 'settling');
  const before = usageOf(pid);
  const start = performance.now();
  const children = await openSessions(context, accounts);
  const seconds = (performance.now() - start) / 1000;
  try {
    const loggedIn = usageOf(pid);
    await wait(context, options.settle, `${accounts.length} sessions, settling`);
    const settled = usageOf(pid);
    await wait(context, options.hold, `${accounts.length} sessions, idle`);
    const held = usageOf(pid);
    report.phases.push({
      name: 'idle',
      target: options.name,
      unit: 'login',
      seconds,
      operations: accounts.length,
      perSecond: accounts.length / seconds,
      server: cpuUse(loggedIn.cpuUs - before.cpuUs, accounts.length, seconds),
      memory: {
        beforeKb: before.rssKb,
        afterKb: settled.rssKb,
        sessions: accounts.length,
        perSessionBytes: ((settled.rssKb - before.rssKb) * 1024) / accounts.length,
      },
      extra: {
        'KiB per session right after login': (loggedIn.rssKb - before.rssKb) / accounts.length,
        'KiB per session at the end': (held.rssKb - before.rssKb) / accounts.length,
        'CPU µs per idle session and minute':
          options.hold === 0 ? 0 : ((held.cpuUs - settled.cpuUs) / accounts.length / options.hold) * 60,
      },
    });
  } finally {
    for (const child of children) child.disconnect();
  }
}

async function wait({ progress, signal }: Context, seconds: number, what: string): Promise<void> {
  const end = performance.now() + seconds * 1000;
  for (let left = seconds * 1000; left > 0 && !signal.aborted; left = end - performance.now()) {
    progress.show(`${what}: ${Math.ceil(left / 1000)} s`);
    await sleep(Math.min(200, left));
  }
}

/** Logs in from as many client processes as are needed; they hold their sessions until disconnected. */
async function openSessions(context: Context<IdleOptions>, accounts: readonly Account[]): Promise<ChildProcess[]> {
  const { options, progress, signal } = context;
  const parts = Math.ceil(accounts.length / perProcess);
  const each = Math.ceil(accounts.length / parts);
  const children: ChildProcess[] = [];
  let before = 0;
  for (let p = 0; p < parts && !signal.aborted; p++) {
    const child = fork(siblingScript(import.meta.url, '../idle-child'));
    children.push(child);
    const order: IdleOrder = { options, accounts: accounts.slice(p * each, (p + 1) * each), first: p * each };
    child.send(order);
    let last: IdleReport = { done: 0 };
    while (last.done < order.accounts.length && last.error === undefined) {
      const gone = once(child, 'exit').then(([code]) => [{ done: 0, error: `client process ended, code ${code}` }]);
      [last] = (await Promise.race([once(child, 'message'), gone])) as [IdleReport];
      progress.show(`logging in: ${before + last.done}/${accounts.length}`);
    }
    if (last.error !== undefined) {
      for (const one of children) if (one.connected) one.disconnect();
      throw new Error(last.error);
    }
    before += last.done;
  }
  return children;
}
