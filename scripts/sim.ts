/**
 * Hunts for broken promises by seeds: `node --import=tsx scripts/sim.ts --seeds 100000`. A seed that fails is shrunk and
 * shown as a trace; `--seed n` (or SEED=n) runs one again, `--trace` shows all of it, `--theme` looks at one theme by
 * itself, whose runs have other seeds. `--mutants` takes one rule out after the other and wants each one's checker to
 * notice within `--mutant-seeds` runs. All cores are used.
 */
import { parseArgs } from 'node:util';
import { RULES } from '../test/sim/cluster-mutants.ts';
import { LEADER, type Profile, type SimTheme, THEME_NAMES, themedProfileOf } from '../test/sim/cluster-profile.ts';
import { shrink } from '../test/sim/cluster-shrink.ts';
import { runAny } from '../test/sim/whole-run.ts';
import { doAll, type Work } from './sim-pool.ts';

/** Lines of a shrunk trace that are shown without `--trace`. */
const TRACE_LINES = 80;
/** Seeds that a process gets at a time: half a second's worth. */
const CHUNK = 160;
const PROGRESS_MS = 2_000;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: process.env['SEEDS'] ?? '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string', ...(process.env['SEED'] === undefined ? {} : { default: process.env['SEED'] }) },
    theme: { type: 'string' },
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

/** What is looked at: all of it, or one theme, whose runs have other seeds. */
function themeOf(name: string | undefined): SimTheme | undefined {
  const theme = THEME_NAMES.find((one) => one === name);
  if (name === undefined || theme !== undefined) return theme;
  process.stderr.write(`--theme is one of ${THEME_NAMES.join(', ')}, not ${name}\n`);
  process.exit(2);
}

const theme = themeOf(values.theme);

function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
}

/** Shows why a seed fails. */
async function explain(seed: number): Promise<void> {
  const { profile, result, runs } = await shrink(themedProfileOf(seed, theme), {});
  const lines: string[] = [];
  await runAny(profile, { trace: (line) => lines.push(line) });
  const shown = values.trace ? lines : lines.slice(-TRACE_LINES);
  process.stdout.write(
    `\nseed ${seed} fails, shrunk in ${runs} runs:\n${describe(profile)}\n\n` +
      (shown.length < lines.length ? `… ${lines.length - shown.length} lines before (--trace shows them)\n` : '') +
      `${shown.join('\n')}\n\n${result.failure?.check}: ${result.failure?.detail}\n` +
      `again: node --import=tsx scripts/sim.ts --seed ${seed}${theme === undefined ? '' : ` --theme ${theme}`}\n`,
  );
}

function describe({ ops, options: _, whole, ...rest }: Profile): string {
  const noise = Object.entries({ ...rest, ...whole }).map(([name, value]) => `${name} ${value}`);
  const node = (at: number): string => (at === LEADER ? 'leader' : `n${at}`);
  const faults = ops.map((op) => `  ${op.at} ms: ${op.t} a=${node(op.a)} b=${node(op.b)} s${op.shard}, ${op.ms} ms`);
  return [noise.join(', '), ...faults].join('\n');
}

async function seeds(first: number, count: number): Promise<boolean> {
  const started = performance.now();
  let told = started;
  let acked = 0;
  let runs = 0;
  let failed = Number.POSITIVE_INFINITY;
  const chunks: Work[] = [];
  for (let at = 0; at < count; at += CHUNK)
    chunks.push({ t: 'seeds', first: first + at, count: Math.min(CHUNK, count - at), ...(theme && { theme }) });
  await doAll(chunks, (outcome) => {
    if (outcome.t !== 'seeds') return false;
    acked += outcome.acked;
    runs += outcome.runs;
    failed = outcome.failed ?? failed;
    if (performance.now() - told > PROGRESS_MS) {
      told = performance.now();
      progress(`${runs} of ${count} seeds, ${Math.round((runs * 1000) / (told - started))} a second`);
    }
    return failed === Number.POSITIVE_INFINITY;
  });
  const seconds = (performance.now() - started) / 1000;
  progress('');
  if (failed < Number.POSITIVE_INFINITY) {
    await explain(failed);
    return false;
  }
  process.stdout.write(
    `${count} seeds from ${first}: no rule broken, ${acked} acknowledged writes, ${seconds.toFixed(1)} s, ` +
      `${Math.round(count / seconds)} seeds a second\n`,
  );
  return true;
}

async function mutants(seedsMax: number): Promise<boolean> {
  let missed = 0;
  const all = RULES.map((rule): Work => ({ t: 'mutant', rule, seedsMax }));
  await doAll(all, (outcome) => {
    if (outcome.t !== 'mutant') return false;
    const { rule, seed, check, detail } = outcome.caught;
    if (seed === undefined) missed += 1;
    const found =
      seed === undefined
        ? `NOT CAUGHT in ${seedsMax} runs by ${check}`
        : `caught by ${check} at seed ${seed}: ${detail}`;
    process.stdout.write(`without ${rule.padEnd(21)} ${found}\n`);
    return true;
  });
  process.stdout.write(`${RULES.length - missed} of ${RULES.length} mutants caught\n`);
  return missed === 0;
}

async function main(): Promise<boolean> {
  if (values.mutants) return mutants(whole('mutant-seeds', values['mutant-seeds']));
  if (values.seed === undefined) return seeds(whole('from', values.from), whole('seeds', values.seeds));
  const seed = whole('seed', values.seed);
  const trace = values.trace ? { trace: (line: string) => void process.stdout.write(`${line}\n`) } : {};
  const { failure } = await runAny(themedProfileOf(seed, theme), trace);
  if (failure !== undefined) await explain(seed);
  else process.stdout.write(`seed ${seed}: no rule broken\n`);
  return failure === undefined;
}

process.exitCode = (await main()) ? 0 : 1;
