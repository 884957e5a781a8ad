import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { prepareAccounts } from '../accounts.ts';
import type { Account } from '../client.ts';
import { type CommonOptions, type Context, closeAll, loginAll } from '../context.ts';
import { siblingScript } from '../files.ts';
import type { IdleOrder, IdleReport } from '../idle-child.ts';
import { type Usage, usageOf } from '../proc.ts';
import { cpuUse, type Phase } from '../report.ts';

export interface IdleOptions {
  readonly sessions: number;
  /** seconds without load before memory is read */
  readonly settle: number;
  /** seconds the sessions are held, to see what an idle one costs */
  readonly hold: number;
}

/** A process may have 20,000 files open here; half of that leaves room for everything else. */
const perProcess = 9_000;
/** Sessions opened and closed first, so that code and pools that come with the first users are not counted. */
const warmSessions = 100;

/**
 * Memory of logged-in sessions that do nothing. Resident memory after minus before, per session, and the same for the
 * second half alone: a growth that comes once (pools, a larger young generation) is in the first figure only.
 */
export async function idle(context: Context<IdleOptions>): Promise<void> {
  const { options, target, report, progress, signal } = context;
  if (target.pid === undefined) {
    throw new Error('idle measures memory: the server must run on this machine (or give --pid)');
  }
  const accounts = await prepareAccounts(options, options.sessions, progress, signal);
  if (target.restart === undefined) {
    report.notes.push('memory the server held from before is in both readings: start it fresh, or use --spawn');
  }
  // What registering left behind must not hide what sessions take.
  await target.restart?.();
  const { pid } = target;
  closeAll(await loginAll(context, accounts.slice(0, warmSessions)));
  await wait(context, options.settle, 'settling');
  const before = usageOf(pid);
  const start = performance.now();
  const children: ChildProcess[] = [];
  try {
    const middle = Math.ceil(accounts.length / 2);
    await openSessions(context, accounts, 0, middle, children);
    const seconds = performance.now() - start;
    await wait(context, options.settle, `${middle} sessions, settling`);
    const halfway = usageOf(pid);
    const again = performance.now();
    await openSessions(context, accounts, middle, accounts.length, children);
    const loginSeconds = (seconds + performance.now() - again) / 1000;
    const all = usageOf(pid);
    await wait(context, options.settle, `${accounts.length} sessions, settling`);
    const settled = usageOf(pid);
    await wait(context, options.hold, `${accounts.length} sessions, idle`);
    const readings = { before, halfway, loggedIn: all, settled, held: usageOf(pid) };
    report.phases.push(phaseOf(options, readings, middle, accounts.length, loginSeconds));
  } finally {
    for (const child of children) if (child.connected) child.disconnect();
  }
}

type Readings = Readonly<Record<'before' | 'halfway' | 'loggedIn' | 'settled' | 'held', Usage>>;

function phaseOf(
  options: CommonOptions & IdleOptions,
  { before, halfway, loggedIn, settled, held }: Readings,
  middle: number,
  sessions: number,
  seconds: number,
): Phase {
  const idleUs = (held.cpuUs - settled.cpuUs) / sessions;
  return {
    name: 'idle',
    target: options.name,
    unit: 'login',
    seconds,
    operations: sessions,
    perSecond: sessions / seconds,
    server: cpuUse(loggedIn.cpuUs - before.cpuUs, sessions, seconds),
    memory: {
      beforeKb: before.rssKb,
      afterKb: settled.rssKb,
      sessions,
      perSessionBytes: ((settled.rssKb - before.rssKb) * 1024) / sessions,
    },
    extra: {
      'KiB per session, second half alone': (settled.rssKb - halfway.rssKb) / (sessions - middle),
      'KiB per session right after login': (loggedIn.rssKb - before.rssKb) / sessions,
      'KiB per session at the end': (held.rssKb - before.rssKb) / sessions,
      ...(options.hold === 0 ? {} : { 'CPU µs per idle session and minute': (idleUs / options.hold) * 60 }),
    },
  };
}

async function wait({ progress, signal }: Context, seconds: number, what: string): Promise<void> {
  const end = performance.now() + seconds * 1000;
  for (let left = seconds * 1000; left > 0 && !signal.aborted; left = end - performance.now()) {
    progress.show(`${what}: ${Math.ceil(left / 1000)} s`);
    await sleep(Math.min(200, left));
  }
}

/** Logs accounts from..to in, from as many client processes as are needed; those hold their sessions till let go. */
async function openSessions(
  context: Context<IdleOptions>,
  accounts: readonly Account[],
  from: number,
  to: number,
  children: ChildProcess[],
): Promise<void> {
  const { options, progress, signal } = context;
  for (let first = from; first < to && !signal.aborted; first += perProcess) {
    const child = fork(siblingScript(import.meta.url, '../idle-child'));
    children.push(child);
    const order: IdleOrder = { options, accounts: accounts.slice(first, Math.min(to, first + perProcess)), first };
    await loggedIn(child, order, (done) => progress.show(`logging in: ${first + done}/${accounts.length}`));
  }
}

/** Gives a client process its order and waits until all are in. @throws Error with what the process says */
function loggedIn(child: ChildProcess, order: IdleOrder, show: (done: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('exit', (code) => reject(new Error(`a client process ended with code ${code}`)));
    child.on('message', ({ done, error }: IdleReport) => {
      if (error !== undefined) reject(new Error(error));
      else if (done === order.accounts.length) resolve();
      else show(done);
    });
    child.send(order);
  });
}
