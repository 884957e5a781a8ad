#!/usr/bin/env node
import { EXIT } from '../base/errors.ts';
import type { NodeModule } from './io.ts';

/** As in package.json: npm warns of an older one and goes on. */
const [MAJOR, MINOR] = [20, 19] as const;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < MAJOR || (major === MAJOR && minor < MINOR)) {
  process.stderr.write(`rookery: this is Node.js ${process.versions.node}, and ${MAJOR}.${MINOR} or newer is needed\n`);
  process.exit(EXIT.usage);
}

// Not before: an older one may not be able to load it.
const { run } = await import('./run.ts');
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
