import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Command, CommanderError } from 'commander';
import type { CommonOptions, Context } from './context.ts';
import { renderHtml } from './html.ts';
import { machine } from './machine.ts';
import { Progress } from './progress.ts';
import type { Report } from './report.ts';
import { renderTable } from './table.ts';
import { findTarget, noTarget, type Target } from './target.ts';

/** Aborts on the first Ctrl-C (or SIGTERM); the second ends the process at once. */
export function interruptible(progress: Progress): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
    progress.say('stopping: the report follows (Ctrl-C again ends at once)');
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return controller.signal;
}

export function newReport(scenario: string, options: object): Report {
  const { password: _, ...shown } = options as Record<string, unknown>;
  return {
    schema: 'rookery-bench/1',
    scenario,
    startedAt: new Date().toISOString(),
    finishedAt: '',
    interrupted: false,
    options: shown,
    machine: machine(),
    phases: [],
    ratios: [],
    notes: [],
  };
}

/** Writes `<out>.json` and `<out>.html`. */
export function writeResults(out: string, json: unknown, page: string): void {
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(`${out}.json`, `${JSON.stringify(json, null, 2)}\n`);
  writeFileSync(`${out}.html`, page);
  process.stdout.write(`\nwritten: ${out}.json, ${out}.html\n`);
}

/** Prints the table; writes JSON and HTML when asked. */
function publish(report: Report, out: string | undefined): void {
  report.finishedAt = new Date().toISOString();
  process.stdout.write(`\n${renderTable(report)}`);
  if (out !== undefined) writeResults(out, report, renderHtml([report]));
}

/** Runs one scenario from start to report. What was measured is reported even when the scenario fails. */
export async function runScenario<O>(
  name: string,
  options: CommonOptions & O,
  work: (context: Context<O>) => Promise<void>,
  withTarget = true,
): Promise<void> {
  const progress = new Progress();
  const signal = interruptible(progress);
  const report = newReport(name, options);
  const target: Target = withTarget ? await findTarget(options, progress) : noTarget;
  try {
    await work({ options, target, report, progress, signal });
  } catch (error) {
    if (!signal.aborted) report.notes.push(`failed: ${error instanceof Error ? error.message : String(error)}`);
    if (!signal.aborted && report.phases.length === 0) throw error;
    process.exitCode = 1;
  } finally {
    progress.clear();
    await target.stop();
  }
  report.interrupted = signal.aborted;
  if (signal.aborted) process.exitCode = 130;
  publish(report, options.out);
}

/** The command line as a whole process: exit code 2 for faulty options, 1 for what failed. Does not return. */
export async function runProgram(name: string, program: Command): Promise<never> {
  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
    } else {
      process.stderr.write(`${name}: ${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = 1;
    }
  }
  // Sockets of an aborted set-up may linger; the report is out.
  process.exit();
}
