import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { type Cell, type CellOptions, cells } from './compare-cells.ts';
import type { CommonOptions, Context } from './context.ts';
import { renderHtml } from './html.ts';
import { list, resultOptions, whole } from './options.ts';
import { ejabberd } from './peers/ejabberd.ts';
import { installed, type Peer } from './peers/peer.ts';
import { prosody } from './peers/prosody.ts';
import { rookery } from './peers/rookery.ts';
import { pin } from './proc.ts';
import { Progress } from './progress.ts';
import type { Report } from './report.ts';
import { interruptible, newReport, writeResults } from './run.ts';
import { compareWithRelay, half, relayPhase } from './scenarios/relay.ts';
import { startServer } from './server-process.ts';
import { renderTable } from './table.ts';
import { noTarget, type StartedTarget, startTarget } from './target.ts';

/** One server in one setting. */
interface Variant {
  readonly name: string;
  readonly peer: Peer;
  readonly archive: boolean;
}

interface CompareOptions extends CellOptions {
  readonly out?: string;
  readonly port: number;
  readonly only?: string[];
  readonly servers?: string[];
  readonly serverCore: number;
  readonly loadCore: number;
  readonly prefix: string;
}

const peers: readonly Peer[] = [rookery, ejabberd, prosody];

/** This server keeps every message, so it has one setting; the others are shown without and with their archive. */
function variantsOf(peer: Peer): Variant[] {
  if (peer === rookery) return [{ name: peer.name, peer, archive: true }];
  return [
    { name: peer.name, peer, archive: false },
    { name: `${peer.name} + archive`, peer, archive: true },
  ];
}

function commonOptions(options: CompareOptions, name: string, url: string, domain: string): CommonOptions {
  const { prefix, serverCore, loadCore } = options;
  return {
    name,
    url,
    domain,
    prefix,
    pin: true,
    serverCore,
    loadCore,
    auth: 'auto',
    timeoutMs: 60_000,
    password: 'bench-password-1',
    register: true,
    sources: 4,
  };
}

/** Starts a fresh server, drives one cell at it, ends it, removes its folder. */
async function measure(cell: Cell, variant: Variant, context: Omit<Context<CompareOptions>, 'target'>, extra: object) {
  const { options, progress, report } = context;
  const folder = mkdtempSync(join(tmpdir(), 'rookery-compare-'));
  const start = variant.peer.prepare(folder, options.port, variant.archive);
  const log = join(folder, 'output.log');
  const launch = () => startServer(start.command, start.args, { env: start.env, core: options.serverCore, log });
  const before = report.phases.length;
  let target: StartedTarget | undefined;
  try {
    target = await startTarget(start.url, launch, progress);
    const common = commonOptions(options, variant.name, start.url, start.domain);
    await cell.work({ ...context, options: { ...common, ...extra }, target });
  } catch (error) {
    if (target?.ended() !== undefined || target === undefined) progress.say(readFileSync(log, 'utf8').slice(-2_000));
    throw error;
  } finally {
    await target?.stop();
    rmSync(folder, { recursive: true, force: true });
    for (const [i, phase] of report.phases.entries()) {
      const own = phase.name === variant.name || phase.name.startsWith('relay');
      if (i >= before && !own) report.phases[i] = { ...phase, name: `${variant.name}: ${phase.name}` };
    }
  }
}

async function runCell(
  cell: Cell,
  variants: readonly Variant[],
  done: readonly Report[],
  base: Omit<Context<CompareOptions>, 'target' | 'report'>,
): Promise<Report> {
  const { options, progress, signal } = base;
  const report = newReport(cell.title, { ...options, pin: true, ...cell.options('', done) });
  const context = { ...base, report };
  const relay = async (name: string) => {
    if (cell.floor === undefined || signal.aborted) return;
    const pattern = { ...commonOptions(options, 'relay', '', 'localhost'), ...(cell.options('', done) as PatternLike) };
    report.phases.push(await relayPhase(half({ ...context, options: pattern, target: noTarget }), cell.floor, name));
  };
  await relay('relay before');
  for (const variant of variants) {
    const extra = cell.options(variant.name, done);
    if (signal.aborted || extra === undefined || (cell.archive && !variant.archive)) continue;
    progress.say(`${cell.title}: ${variant.name}`);
    try {
      await measure(cell, variant, context, extra);
    } catch (error) {
      report.notes.push(`${variant.name} failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  await relay('relay after');
  for (const variant of variants) compareWithRelay(report, variant);
  compareWithFirst(report, variants);
  return report;
}

type PatternLike = { outstanding: number; body: number; warmup: number; duration: number };

/** CPU of the other servers as a multiple of the first one's. */
function compareWithFirst(report: Report, variants: readonly Variant[]): void {
  const cost = (name: string) => report.phases.find((phase) => phase.name === name)?.server?.perOperationUs;
  const [first, ...others] = variants;
  const own = first === undefined ? undefined : cost(first.name);
  if (own === undefined) return;
  for (const { name } of others) {
    const value = (cost(name) ?? Number.NaN) / own;
    if (Number.isFinite(value)) report.ratios.push({ name: `${name} / ${first!.name}, CPU per operation`, value });
  }
}

async function compare(options: CompareOptions): Promise<void> {
  const progress = new Progress();
  const signal = interruptible(progress);
  const asked = peers.filter((peer) => options.servers === undefined || options.servers.includes(peer.name));
  const missing = asked.filter((peer) => !installed(peer));
  for (const peer of missing) progress.say(`${peer.name} is left out: ${peer.needs} is not there`);
  const variants = asked.filter(installed).flatMap(variantsOf);
  if (variants.length === 0) throw new Error('no server to compare');
  pin(process.pid, options.loadCore);
  const all = cells(commonOptions(options, '', '', 'localhost'), options);
  const reports: Report[] = [];
  for (const cell of all.filter(({ key }) => options.only === undefined || options.only.includes(key))) {
    if (signal.aborted) break;
    const report = await runCell(cell, variants, reports, { options: options as never, progress, signal });
    report.finishedAt = new Date().toISOString();
    report.interrupted = signal.aborted;
    reports.push(report);
    progress.clear();
    process.stdout.write(`\n${renderTable(report)}`);
  }
  if (signal.aborted) process.exitCode = 130;
  if (options.out === undefined || reports.length === 0) return;
  writeResults(
    options.out,
    { schema: 'rookery-bench-compare/1', reports },
    renderHtml(reports, 'Rookery and its peers'),
  );
}

const command = resultOptions(new Command('compare'))
  .description(
    'Rookery, ejabberd and Prosody under the same loads, one after the other, with the bare relay in the same run.',
  )
  .option('--servers <list>', `of ${peers.map((peer) => peer.name).join(', ')}`, list(peers.map((peer) => peer.name)))
  .option(
    '--only <list>',
    'measure these alone: pairs-200x5, pairs-1000x1, half-load, fanout, connect, idle, history',
    (v) => v.split(','),
  )
  .option('--duration <seconds>', 'each measured stretch', whole(2, 600), 10)
  .option('--sessions <n>', 'idle sessions', whole(10, 19_000), 2_000)
  .option('--messages <n>', 'messages of the archive that is read', whole(100, 1_000_000), 5_000)
  .option('--sm', 'with stream management; acknowledged messages are looked up in the archives', false)
  .option('--port <n>', 'port the servers listen on', whole(1024, 65_535), 15_222)
  .addHelpText('after', '\nExample:\n  $ node dist/bench/compare.js --out bench/results/compare')
  .exitOverride()
  .showHelpAfterError('(--help shows the options)')
  .action(compare);

try {
  await command.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError))
    process.stderr.write(`compare: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = error instanceof CommanderError ? (error.exitCode === 0 ? 0 : 2) : 1;
}
process.exit();
