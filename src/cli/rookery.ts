#!/usr/bin/env node
import type { NodeModule } from './io.ts';
import { run } from './run.ts';

const code = await run(process.argv.slice(2), {
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signals: process,
  exit: (exitCode) => process.exit(exitCode),
  monotonicMs: () => performance.now(),
  loadNode: (): Promise<NodeModule> => import('../node.ts'),
});
// A start that failed half-way may have left a thread or a timer; writes to files, pipes and terminals are done by now.
process.exit(code);
