/**
 * Hunts for broken promises by seeds: `node --import=tsx scripts/sim.ts --seeds 100000`. A seed that fails is shrunk and
 * shown as a trace; `--seed n` (or SEED=n) runs one again, `--trace` shows all of it. `--mutants` takes one rule out
 * after the other and wants each one's checker to notice within `--mutant-seeds` runs.
 */
import { parseArgs } from 'node:util';
import { ALL_RULES } from '../src/cluster/rules.ts';
import { hunt, RULES } from '../test/sim/cluster-mutants.ts';
import { LEADER, type Profile, profileOf } from '../test/sim/cluster-profile.ts';
import { run } from '../test/sim/cluster-run.ts';
import { shrink } from '../test/sim/cluster-shrink.ts';

/** Lines of a shrunk trace that are shown without `--trace`. */
const TRACE_LINES = 80;
const PROGRESS_MS = 2_000;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: process.env['SEEDS'] ?? '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string', ...(process.env['SEED'] === undefined ? {} : { default: process.env['SEED'] }) },
    trace: { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
    'mutant-seeds': { type: 'string', default: '20000' },
  },
});

function whole(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  process.stderr.write(`--${name} wants a whole number, not ${text}\n`);
  process.exit(2);
}

function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
}

/** Shows why a seed fails. */
function explain(seed: number): void {
  const { profile, result, runs } = shrink(profileOf(seed), {});
  const lines: string[] = [];
  run(profile, { trace: (line) => lines.push(line) });
  const shown = values.trace ? lines : lines.slice(-TRACE_LINES);
  process.stdout.write(
    `\nseed ${seed} fails, shrunk in ${runs} runs:\n${describe(profile)}\n\n` +
      (shown.length < lines.length ? `… ${lines.length - shown.length} lines before (--trace shows them)\n` : '') +
      `${shown.join('\n')}\n\n${result.failure?.check}: ${result.failure?.detail}\n` +
      `again: node --import=tsx scripts/sim.ts --seed ${seed}\n`,
  );
}

function describe({ ops, options: _, ...rest }: Profile): string {
  const noise = Object.entries(rest).map(([name, value]) => `${name} ${value}`);
  const node = (at: number): string => (at === LEADER ? 'leader' : `n${at}`);
  const faults = ops.map((op) => `  ${op.at} ms: ${op.t} a=${node(op.a)} b=${node(op.b)} s${op.shard}, ${op.ms} ms`);
  return [noise.join(', '), ...faults].join('\n');
}

function seeds(first: number, count: number): boolean {
  const started = performance.now();
  let told = started;
  let acked = 0;
  for (let i = 0; i < count; i++) {
    const result = run(profileOf(first + i));
    acked += result.acked;
    if (result.failure !== undefined) {
      explain(first + i);
      return false;
    }
    if (performance.now() - told > PROGRESS_MS) {
      told = performance.now();
      progress(`${i + 1} of ${count} seeds, ${Math.round(((i + 1) * 1000) / (told - started))} a second`);
    }
  }
  const seconds = (performance.now() - started) / 1000;
  progress('');
  process.stdout.write(
    `${count} seeds from ${first}: no rule broken, ${acked} acknowledged writes, ${seconds.toFixed(1)} s, ` +
      `${Math.round(count / seconds)} seeds a second\n`,
  );
  return true;
}

function mutants(seedsMax: number): boolean {
  let missed = 0;
  for (const rule of RULES) {
    progress(`without ${rule} …`);
    const caught = hunt(rule, seedsMax);
    progress('');
    if (caught.seed === undefined) missed += 1;
    const outcome =
      caught.seed === undefined
        ? `NOT CAUGHT in ${seedsMax} runs by ${caught.check}`
        : `caught by ${caught.check} at seed ${caught.seed}: ${caught.detail}`;
    process.stdout.write(`without ${rule.padEnd(20)} ${outcome}\n`);
  }
  process.stdout.write(`${RULES.length - missed} of ${Object.keys(ALL_RULES).length} mutants caught\n`);
  return missed === 0;
}

function main(): boolean {
  if (values.mutants) return mutants(whole('mutant-seeds', values['mutant-seeds']));
  if (values.seed === undefined) return seeds(whole('from', values.from), whole('seeds', values.seeds));
  const seed = whole('seed', values.seed);
  const trace = values.trace ? { trace: (line: string) => void process.stdout.write(`${line}\n`) } : {};
  const { failure } = run(profileOf(seed), trace);
  if (failure !== undefined) explain(seed);
  else process.stdout.write(`seed ${seed}: no rule broken\n`);
  return failure === undefined;
}

process.exitCode = main() ? 0 : 1;
