/**
 * Runs the README's test command, says at the end again what failed and how, and closes with the line that says how many
 * assertions passed and failed.
 */
import { spawn } from 'node:child_process';
import { FailedFiles } from './failed-files.ts';

const child = spawn('npm', ['test'], { stdio: ['ignore', 'pipe', 'inherit'] });
const failures = new FailedFiles();
let rest = '';
let passed = 0;
let failed = 0;

const take = (line: string): void => {
  failures.take(line);
  // The last summary line of tap counts all assertions of all files; what was skipped is neither.
  const summary = /^# \{ total: \d+, pass: (\d+)/.exec(line);
  if (summary === null) return;
  passed = Number(summary[1]);
  failed = Number(/fail: (\d+)/.exec(line)?.[1] ?? 0);
};

child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
  process.stdout.write(chunk);
  const lines = (rest + chunk).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) take(line);
});
child.on('close', (code) => {
  take(rest);
  if (code !== 0 && failed === 0) failed = 1;
  process.stdout.write(failures.report());
  console.log(`\n${passed} passed, ${failed} failed`);
  process.exitCode = code ?? 1;
});
