// Runs the README's test command and closes with the line that says how many assertions passed and failed.
import { spawn } from 'node:child_process';

const child = spawn('npm', ['test'], { stdio: ['ignore', 'pipe', 'inherit'] });
let tail = '';
let passed = 0;
let failed = 0;
child.stdout.on('data', (chunk) => {
  process.stdout.write(chunk);
  tail += chunk;
  // The last summary line of tap counts all assertions of all files; what was skipped is neither.
  for (const [summary, pass] of tail.matchAll(/^# \{ total: \d+, pass: (\d+).*$/gm)) {
    passed = Number(pass);
    failed = Number(/fail: (\d+)/.exec(summary)?.[1] ?? 0);
  }
  tail = tail.slice(-4096);
});
child.on('close', (code) => {
  if (code !== 0 && failed === 0) failed = 1;
  console.log(`\n${passed} passed, ${failed} failed`);
  process.exit(code ?? 1);
});
