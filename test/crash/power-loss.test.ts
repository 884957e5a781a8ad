/**
 * A power failure, as far as files go: the node runs under strace, dies by SIGKILL, and then every byte that no
 * finished fsync covers may be gone: all of them, or a random part (a torn tail). kill -9 alone would leave them in
 * the page cache. Nothing acknowledged may be missing. SEED=n draws the same rounds again.
 */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { type Random, seededRandom } from '../../src/base/random.ts';
import { NodeProcess } from '../clients/node-process.ts';
import { filesOnDisk, TRACED } from './disk-trace.ts';
import { crashRounds } from './rounds.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 8);
const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31));
const traceable = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0;
const skip = traceable ? false : 'NO STRACE (OR NO PTRACE ALLOWED) HERE: POWER LOSS WAS NOT TRIED';
if (skip) console.error(`# ${skip}`);

async function sizes(folder: string): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const about = await stat(path);
    // Files of clients lie in folders of their own; no round makes any.
    if (about.isFile()) found.set(path, about.size);
  }
  return found;
}

/** @returns bytes lost, and bytes that syncs kept */
async function losePower(folder: string, trace: string, before: ReadonlyMap<string, number>, random: Random) {
  const lines: string[] = [];
  for await (const line of createInterface({ input: createReadStream(trace) })) lines.push(line);
  const files = filesOnDisk(lines, folder, before);
  let lost = 0;
  let synced = 0;
  for (const [path, bytes] of await sizes(folder)) {
    const file = files.get(path);
    // Made by no call that was traced to its end.
    if (file === undefined || (!file.named && file.synced === 0)) {
      await rm(path);
      lost += bytes;
      continue;
    }
    synced += file.synced - (before.get(path) ?? 0);
    if (bytes <= file.synced) continue;
    const kept = random.int(2) === 0 ? file.synced : file.synced + random.int(bytes - file.synced + 1);
    await truncate(path, kept);
    lost += bytes - kept;
  }
  return { lost, synced };
}

t.test(
  `nothing acknowledged is lost in ${ROUNDS} power failures (seed ${seed})`,
  { skip, timeout: 240_000 },
  async (t) => {
    const traces = await mkdtemp(join(tmpdir(), 'rookery-trace-'));
    const trace = join(traces, 'calls');
    const wrapper = ['strace', '-f', '-y', '-s', '0', '--seccomp-bpf', '-e', `trace=${TRACED.join(',')}`, '-o', trace];
    const node = await NodeProcess.start({ env: { ROOKERY_PROFILE: 'bench' }, wrapper });
    t.teardown(async () => {
      await node.dispose();
      await rm(traces, { recursive: true, force: true });
    });
    const folder = join(node.folder, 'data');
    const random = seededRandom(seed);
    let before: ReadonlyMap<string, number> = new Map();
    const losses: { lost: number; synced: number }[] = [];
    const whileDead = async (): Promise<void> => {
      losses.push(await losePower(folder, trace, before, random));
      before = await sizes(folder);
    };
    const result = await crashRounds(node, { rounds: ROUNDS, random, burstMax: 400, whileDead });
    t.comment(
      `${result.sent} sent, ${result.acked} acknowledged; bytes lost: ${losses.map(({ lost }) => lost).join(' ')}`,
    );
    t.same(result.faults.slice(0, 20), []);
    t.ok(result.acked > ROUNDS, 'the bursts got somewhere');
    // Whether a kill falls between a write and its sync is chance; that the trace sees the syncs is not.
    t.ok(
      losses.every(({ synced }) => synced > 0),
      'every round synced something',
    );
  },
);
