import { prepareAccounts } from '../accounts.ts';
import { verifyArchives } from '../archive-check.ts';
import type { Account, Client } from '../client.ts';
import { type Context, urlsOf } from '../context.ts';
import { type Checks, findMark, readMark } from '../flow.ts';
import { Load } from '../load.ts';
import { Meter, nowUs } from '../meter.ts';
import { pool } from '../pool.ts';
import { Progress } from '../progress.ts';
import { type Acks, latencyOf, type Phase } from '../report.ts';
import { pairTopology } from '../topology.ts';
import type { BedOptions } from './bed.ts';
import { Pauses, type Stretch } from './pauses.ts';
import { noCounts, refusalOf, seenByClients, Writer, type WriterCounts } from './writer.ts';

export interface SteadyOptions extends BedOptions {
  readonly users: number;
  /** messages a second in all */
  readonly rate: number;
  readonly body: number;
  /** seconds of load before anything is looked at */
  readonly warmup: number;
  /** seconds of load before the event: what is usual */
  readonly before: number;
  /** seconds that the event may take at most */
  readonly limit: number;
}

/** A stretch, and what clients had to put up with in it. */
export type Seen = Stretch & { readonly clients: WriterCounts };

/** What happened while the load went on. */
export interface SteadyLoad {
  readonly pauses: Pauses;
  readonly writers: readonly Writer[];
  /** where clients connect, and come back to; may be changed */
  readonly urls: string[];
  /** Ends the stretch of now, adds it to the report, and begins the next. */
  next(name: string): Seen;
  /** Waits, less when the run is stopped. @param until ends the wait as well */
  wait(what: string, ms: number, until?: () => boolean): Promise<void>;
}

const attemptsMax = 300;
const retryMs = 100;
const parallel = 16;
/** ms to wait for the acks of the last messages */
const lastAcksMs = 20_000;
/** The event ends the load; this is a bound, ms. */
const loadMsMax = 14_400_000;
/** One answer of the server while a writer comes back, ms: then it tries another node. */
const answerMs = 10_000;

/**
 * An even, bounded load of users who come back after whatever happens; `event` is what happens. Afterwards every
 * archive is held against what was acknowledged.
 */
export async function steadily(
  context: Context<SteadyOptions>,
  event: (load: SteadyLoad) => Promise<void>,
): Promise<void> {
  const { options, report, progress, signal } = context;
  const accounts = await prepareAccounts(options, options.users, progress, signal);
  const done = new AbortController();
  const urls = urlsOf(options);
  const seen = { counts: noCounts(), pauses: new Pauses(options.users, 'warm-up', nowUs()) };
  const writers: Writer[] = [];
  const load = loadOf(context, accounts, writers, AbortSignal.any([signal, done.signal]));
  writers.push(...accounts.map((account, i) => writerOf(options, account, i, urls, load, seen, writers)));
  try {
    await pool(writers, parallel, signal, (writer) => writer.start());
    const driven = load.drive('delivered', options.name);
    const steady: SteadyLoad = {
      get pauses() {
        return seen.pauses;
      },
      writers,
      urls,
      next: (name) => {
        const stretch = seen.pauses.next(name, nowUs(), (i) => writers[i]!.oldestDueUs);
        const ended = { ...stretch, clients: seen.counts };
        seen.counts = noCounts();
        report.phases.push(phaseOf(ended, options.name));
        return ended;
      },
      wait: (what, ms, until) => wait(context, what, ms, until),
    };
    await steady.wait('warming up', options.warmup * 1000);
    seen.pauses = new Pauses(options.users, 'before', nowUs());
    await steady.wait('before', options.before * 1000);
    await event(steady);
    done.abort();
    report.timeline = seen.pauses.timeline;
    const phase = await settle(context, load, writers, driven);
    report.phases.push({ ...phase, errors: { ...phase.errors, ...seenByClients(seen.counts) } });
  } finally {
    done.abort();
    for (const writer of writers) writer.cut();
  }
}

/** What goes on is told by the event, not by the load. */
class Unseen extends Progress {
  override show(): void {}
}

function loadOf(
  { options }: Context<SteadyOptions>,
  accounts: readonly Account[],
  writers: readonly Writer[],
  signal: AbortSignal,
): Load {
  const load: Load = new Load({
    topology: pairTopology(options.users, (i) => `${accounts[i]!.user}@${options.domain}`),
    outstanding: 1,
    rate: options.rate,
    bodyBytes: options.body,
    warmupMs: 0,
    durationMs: loadMsMax,
    send: (i, xml) => {
      const { seq, timeUs } = readMark(xml, findMark(xml, load.run));
      writers[i]!.send(seq, load.originUs + timeUs, xml);
    },
    meter: new Meter(undefined),
    progress: new Unseen(),
    signal,
  });
  return load;
}

function writerOf(
  { domain, auth }: SteadyOptions,
  account: Account,
  i: number,
  urls: string[],
  load: Load,
  seen: { readonly counts: WriterCounts; readonly pauses: Pauses },
  writers: readonly Writer[],
): Writer {
  return new Writer({
    client: { domain, auth, resource: 'bench', timeoutMs: answerMs },
    account,
    urls,
    at: i,
    counts: () => seen.counts,
    onAcknowledged: (_seq, dueUs) => seen.pauses.acknowledged(i, dueUs, nowUs()),
    onStanza: (xml) => {
      const refused = refusalOf(xml, load.run);
      if (refused?.sender === i) writers[i]!.onRefused(refused.seq, xml);
      load.receive(i, xml);
    },
    attemptsMax,
    retryMs,
  });
}

/** Waits for the last deliveries and acks, and reads the archives. The phase counts deliveries of the whole load. */
async function settle(
  { report, progress, signal }: Context<SteadyOptions>,
  load: Load,
  writers: readonly Writer[],
  driven: Promise<Phase>,
): Promise<Phase> {
  const phase = await driven;
  const until = performance.now() + lastAcksMs;
  const open = () => writers.some((writer) => writer.gaveUp === undefined && writer.oldestDueUs !== undefined);
  while (open() && performance.now() < until && !signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (const writer of writers) writer.stop();
  const refused = writers.reduce((sum, writer) => sum + writer.refused.size, 0);
  const acks: Acks = {
    sent: load.sent.reduce((a, b) => a + b, 0),
    acknowledged: writers.reduce((sum, writer) => sum + writer.acknowledgedUpTo, 0) - refused,
  };
  const clients = writers.map(({ client }) => client);
  const away = clients.filter((client) => client === undefined).length;
  if (away === 0 && !signal.aborted) {
    acks.archived = await verifyArchives({
      clients: clients as Client[],
      run: load.run,
      acked: writers.map(({ acknowledgedUpTo }) => acknowledgedUpTo),
      refused: (user, seq) => writers[user]!.refused.has(seq),
      onMissing: (archiveOf, sender, seq) =>
        void report.notes.push(
          `user ${archiveOf}'s archive lacks message ${seq} of user ${sender}, acknowledged up to ` +
            `${writers[sender]!.acknowledgedUpTo}`,
        ),
      progress,
      signal,
    });
  }
  const checks: Checks = load.checks();
  const gaveUp = writers.flatMap((writer) => writer.gaveUp ?? []);
  const errors: Record<string, number> = {
    ...phase.errors,
    ...(away === 0 ? {} : { 'writers away at the end: archives not read': away }),
  };
  for (const reason of gaveUp) errors[`gave up: ${reason}`] = (errors[`gave up: ${reason}`] ?? 0) + 1;
  return { ...phase, checks, acks, errors };
}

/** A stretch as a phase: an operation is an acknowledged write, its latency the wait for that. */
function phaseOf(seen: Seen, target: string): Phase {
  const { name, seconds, acknowledged, waits, gapsMs, waitsMs, clients } = seen;
  return {
    name,
    target,
    unit: 'acknowledged write',
    seconds,
    operations: acknowledged,
    perSecond: acknowledged / seconds,
    ...(acknowledged === 0 ? {} : { latency: latencyOf(waits) }),
    errors: seenByClients(clients),
    extra: {
      'ms, longest gap between two acknowledgements of a writer': Math.max(...gapsMs),
      'ms, median over writers of their longest gap': median(gapsMs),
      'ms, longest wait of a write': Math.max(...waitsMs),
      'ms, median over writers of their longest wait': median(waitsMs),
    },
  };
}

/** @returns NaN for none */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

async function wait(
  { progress, signal }: Context,
  what: string,
  ms: number,
  until: () => boolean = () => false,
): Promise<void> {
  const end = performance.now() + ms;
  while (performance.now() < end && !signal.aborted && !until()) {
    progress.show(`${what}: ${((end - performance.now()) / 1000).toFixed(0)} s at most`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
