import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RunningCluster, startCluster } from '../../scripts/cluster-run.ts';
import { type Random, seededRandom } from '../../src/base/random.ts';
import { compareCopies } from './copies.ts';
import type { Device, TimedMessage } from './device.ts';
import { canBe, type Fault } from './faults.ts';
import { Load } from './load.ts';
import { World } from './world.ts';

export interface BlackBoxOptions {
  /** folders and logs of everything; left behind */
  readonly dir: string;
  /** draws the order of the faults, their victims and how long they last; the machine's timing stays its own */
  readonly seed: number;
  /** in the order of `next`; the run ends when it gives none */
  next(done: number, random: Random): Fault | undefined;
  readonly people: number;
  readonly perSecond: number;
  readonly shards: number;
  /** every process in a network namespace of its own; root only */
  readonly netns: boolean;
  /** told of what happens, a line each */
  tell(line: string): void;
}

export interface BlackBoxResult {
  /** what broke the promise, or did not get well again; empty when all is as it should be */
  readonly faults: string[];
  readonly sent: number;
  readonly acked: number;
  readonly injected: number;
  readonly skipped: readonly string[];
}

/** One of the nodes has a disk of its own, so that it can be full. */
const SMALL_DISK = 'node-3';
const SMALL_DISK_OPTIONS = 'size=512m';
const CLIENTS_LOG = 'clients.log';
const CALM_MS = 2_000;
/** well above the nodes' time to fold */
const REST_MS = 4_000;
const TOLD_MAX = 30;

/** Real processes, real clients, faults one after the other, and after each a look at everything the clients know. */
export async function blackBox(options: BlackBoxOptions): Promise<BlackBoxResult> {
  const { dir, seed, tell } = options;
  const random = seededRandom(seed);
  const smallDisk = mounted(join(dir, SMALL_DISK, 'data'), tell);
  const died: string[] = [];
  let cluster: RunningCluster | undefined;
  let load: Load | undefined;
  try {
    cluster = await startCluster({
      dir,
      port: options.netns ? 5280 : 0,
      shards: options.shards,
      profile: 'bench',
      netns: options.netns,
      env: ENV,
      died: (node, { code, signal }) => void died.push(`${node.id} ended by itself: ${code ?? signal}`),
    });
    const { nodes } = cluster;
    const note = (line: string): void =>
      appendFileSync(join(dir, CLIENTS_LOG), `${new Date().toISOString()} ${line}\n`);
    load = new Load({ ...options, random, note, urls: () => nodes.map(({ webSocketUrl }) => webSocketUrl) });
    const world = new World({ cluster, load, random, smallDisk: smallDisk ? SMALL_DISK : undefined });
    const outcome = await faultsInTurn(world, options);
    if (outcome.faults.length === 0) outcome.faults.push(...(await copyFaults(world, options)));
    return { ...outcome, faults: [...outcome.faults, ...died] };
  } finally {
    await load?.stop();
    await cluster?.stop();
    if (smallDisk) execFileSync('umount', ['-l', join(dir, SMALL_DISK, 'data')]);
  }
}

const ENV = {
  ROOKERY_REGISTRATION_OPEN: 'everyone',
  ROOKERY_LISTEN_TRUSTED_PROXIES: '198.18.0.0/15,127.0.0.1',
  ROOKERY_STORAGE_FOLD_INTERVAL_MS: '1000',
  // A round is shorter than the usual time between two looks.
  ROOKERY_GROUPS_OCCUPANT_CHECK_MS: '20000',
};

function mounted(folder: string, tell: (line: string) => void): boolean {
  mkdirSync(folder, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', SMALL_DISK_OPTIONS, 'tmpfs', folder], { stdio: 'pipe' });
    return true;
  } catch (error) {
    tell(`no small disk, mounting needs root: ${(error as Error).message.split('\n')[0]}`);
    return false;
  }
}

async function faultsInTurn(world: World, options: BlackBoxOptions): Promise<BlackBoxResult> {
  const { load, random } = world;
  const { tell } = options;
  const faults: string[] = [];
  const skipped = new Set<string>();
  let injected = 0;
  try {
    await world.whole();
    await load.start();
    await stretch(world, 'no fault', async () => void (await sleep(CALM_MS)), tell, faults);
    for (let fault = options.next(0, random); fault !== undefined; fault = options.next(injected, random)) {
      injected += 1;
      if (canBe(fault, world)) await stretch(world, fault.name, () => suffer(world, fault), tell, faults);
      else if (!skipped.has(fault.name)) tell(`SKIPPED ${fault.name}: it needs ${fault.needs}`);
      if (!canBe(fault, world)) skipped.add(fault.name);
    }
    await load.settled();
    faults.push(...(await load.faults(true)));
  } catch (error) {
    faults.push((error as Error).message);
    if (!(error instanceof PromiseBroken)) tell(String((error as Error).stack));
    for (const line of await world.picture()) tell(`  ${line}`);
  }
  for (const fault of faults.slice(0, TOLD_MAX)) tell(`FAULT ${fault}`);
  const all = load.sent;
  const acked = all.filter((message) => message.acked).length;
  return { faults, sent: all.length, acked, injected, skipped: [...skipped] };
}

/** The same on every disk, when all has come to rest: nobody is connected, and what was committed is folded. */
async function copyFaults({ load, wanted }: World, { shards, tell }: BlackBoxOptions): Promise<readonly string[]> {
  await load.stop();
  await sleep(REST_MS);
  await Promise.all([...wanted].map((node) => node.kill()));
  const { faults, compared, apart } = await compareCopies(
    new Map([...wanted].map((one) => [one.id, one.folder])),
    shards,
  );
  tell(
    `copies on disk: ${compared - faults.length} shards are the same on all nodes, ${faults.length} differ, ${apart} stand at different places`,
  );
  for (const fault of faults.slice(0, TOLD_MAX)) tell(`FAULT ${fault}`);
  return compared > 0 ? faults : [...faults, 'no copies could be compared'];
}

class PromiseBroken extends Error {
  override readonly name = 'PromiseBroken';
}

/** Injects, waits, heals; resolved when the cluster is whole. @returns ms that healing took */
async function suffer(world: World, { inject, lastsMs }: Fault): Promise<number> {
  const heal = await inject(world);
  if (lastsMs !== undefined) await sleep(lastsMs[0] + world.random.int(lastsMs[1] - lastsMs[0] + 1));
  const began = performance.now();
  await heal();
  await world.whole();
  return performance.now() - began;
}

/**
 * A fault under load, the line about it, and the look at the clients' views.
 * @param faults gets those after which a run can go on @throws PromiseBroken with the others
 */
async function stretch(
  world: World,
  name: string,
  body: () => Promise<number | undefined>,
  tell: (line: string) => void,
  faults: string[],
): Promise<void> {
  const { load } = world;
  const from = performance.now();
  load.resume();
  const healedMs = await body();
  await sleep(CALM_MS);
  await load.settled();
  tell(lineOf(name, from, healedMs, load));
  const stale = load.staleReads();
  for (const read of stale) tell(`  BROKEN ${read}`);
  faults.push(...stale);
  const errors = world.logErrors();
  for (const error of errors) tell(`  log: ${error}`);
  const broken = await load.faults(false);
  broken.push(...errors.filter((error) => /raises an alarm|must not go on|crashed/.test(error)));
  if (broken.length > 0) {
    for (const one of broken.slice(0, TOLD_MAX)) tell(`  BROKEN ${one}`);
    throw new PromiseBroken(`after ${name}: ${broken.length} faults, the first: ${broken[0]}`);
  }
}

function lineOf(name: string, from: number, healedMs: number | undefined, load: Load): string {
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  const sent = load.sent.filter(({ sentAt }) => sentAt >= from);
  const refused = sent.filter((message) => message.refused !== undefined).length;
  const wait = ({ sentAt, ackedAt }: TimedMessage): number => (ackedAt ?? sentAt) - sentAt;
  const slowest = sent.reduce((a, b) => (wait(b) > wait(a) ? b : a), sent[0]!);
  const waits = load.devices.map((device) => Math.max(0, ...device.sent.filter((one) => one.sentAt >= from).map(wait)));
  waits.sort((a, b) => a - b);
  return [
    name.padEnd(20),
    `${seconds(performance.now() - from)} in all`,
    healedMs === undefined ? '' : `whole ${seconds(healedMs)} after healing`,
    `${sent.length} sent, ${sent.filter(({ acked }) => acked).length} acked, ${refused} refused`,
    `slowest ack: ${seconds(wait(slowest))} (${slowest.originId}, sent at ${seconds(slowest.sentAt - from)}), of the median person ${seconds(waits[waits.length >> 1] ?? 0)}`,
    `sockets lost: ${tally(load.devices.flatMap((device) => device.losses.splice(0))) || 'none'}`,
    streams(load),
  ]
    .filter((part) => part !== '')
    .join(' · ');
}

const tally = (words: readonly string[]): string => {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, count]) => `${count} × ${word}`).join(', ');
};

function streams({ devices }: Load): string {
  const sum = (what: keyof Device['stats']): number => devices.reduce((all, { stats }) => all + stats[what], 0);
  const told = devices.reduce((all, { rooms }) => all + rooms.told, 0);
  return `so far ${sum('resumed')} resumed, ${sum('bound')} bound, ${sum('again')} sent again, ${told} told that they are in no room`;
}
