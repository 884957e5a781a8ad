import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type Caught, hunt, type Rule } from '../test/sim/cluster-mutants.ts';
import { type SimTheme, themedProfileOf } from '../test/sim/cluster-profile.ts';
import { runAny } from '../test/sim/whole-run.ts';

/**
 * Simulations on all cores: this file is forked once a core, and each of its processes gets one piece of work after the
 * other. A run depends on its seed alone, so it makes no difference where it runs.
 */

/** Seeds in a row, or one rule to be taken out. */
export type Work =
  | { readonly t: 'seeds'; readonly first: number; readonly count: number; readonly theme?: SimTheme }
  | { readonly t: 'mutant'; readonly rule: Rule; readonly seedsMax: number };

export type Outcome =
  /** `failed` is the first of the seeds that breaks a rule; those behind it did not run */
  | { readonly t: 'seeds'; readonly runs: number; readonly acked: number; readonly failed: number | undefined }
  | { readonly t: 'mutant'; readonly caught: Caught };

/** Does a piece of work in this process. */
export async function doWork(work: Work): Promise<Outcome> {
  if (work.t === 'mutant') return { t: 'mutant', caught: await hunt(work.rule, work.seedsMax) };
  let acked = 0;
  for (let i = 0; i < work.count; i++) {
    const result = await runAny(themedProfileOf(work.first + i, work.theme));
    acked += result.acked;
    if (result.failure !== undefined) return { t: 'seeds', runs: i + 1, acked, failed: work.first + i };
  }
  return { t: 'seeds', runs: work.count, acked, failed: undefined };
}

/**
 * Does all of it, on as many processes as there are cores.
 * @param onOutcome hears of each piece; answers false when no more is to be done
 * @throws Error (rejects) when a process ends of itself
 */
export function doAll(all: readonly Work[], onOutcome: (outcome: Outcome) => boolean): Promise<void> {
  const left = [...all];
  const workers = new Set<ChildProcess>();
  return new Promise((resolve, reject) => {
    const end = (error?: Error): void => {
      for (const worker of workers) worker.kill();
      if (error === undefined) resolve();
      else reject(error);
    };
    const give = (worker: ChildProcess): void => {
      const work = left.shift();
      if (work !== undefined) return void worker.send(work);
      workers.delete(worker);
      worker.disconnect();
      if (workers.size === 0) resolve();
    };
    for (let i = Math.min(availableParallelism(), all.length); i > 0; i--) {
      const worker = fork(fileURLToPath(import.meta.url), ['--sim-worker']);
      workers.add(worker);
      worker.on('message', (outcome) => (onOutcome(outcome as Outcome) ? give(worker) : end()));
      worker.on('exit', (code) => {
        if (workers.has(worker) && code !== null && code !== 0) end(new Error(`a simulation ended with ${code}`));
      });
      give(worker);
    }
  });
}

if (process.argv.includes('--sim-worker'))
  process.on('message', (work) => {
    doWork(work as Work).then(
      (outcome) => process.send?.(outcome),
      (error: unknown) => {
        process.stderr.write(`${(error as Error).stack}\n`);
        process.exit(1);
      },
    );
  });
