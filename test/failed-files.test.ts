import t from 'tap';
import { FailedFiles } from '../scripts/failed-files.ts';

function reportOf(output: string): string {
  const failures = new FailedFiles();
  for (const line of output.split('\n')) failures.take(line);
  return failures.report();
}

t.test('a run without failures has no report', async (t) => {
  t.equal(reportOf('# Subtest: a.test.ts\n    ok 1 - fine\n    1..1\nok 1 - a.test.ts\n'), '');
  t.equal(reportOf(`    not ok 1 - later # ${'TO'}DO\nok 1 - a.test.ts`), '', 'a todo is no failure');
});

t.test('a failed assertion is told with what tap says of it, and nothing that passed', async (t) => {
  const report = reportOf(`# Subtest: a.test.ts
    # Subtest: inner
        ok 1 - fine
        not ok 2 - should be equal
          ---
          diff: |
            -1
            +2
          ...
        ok 3 - fine again
    not ok 1 - inner # time=1ms
not ok 1 - a.test.ts # time=2ms
  ---
  exitCode: 1
  ...
# Subtest: b.test.ts
    ok 1 - b is fine
ok 2 - b.test.ts`);
  t.match(report, /should be equal\n {10}---\n {10}diff: \|\n {12}-1\n {12}\+2\n {10}\.\.\.\n {4}not ok 1 - inner/);
  t.match(report, /not ok 1 - a\.test\.ts .*\n {2}---\n {2}exitCode: 1\n {2}\.\.\./);
  t.notMatch(report, /fine/);
});

t.test('of a file that ends without a failed assertion, its last lines are told', async (t) => {
  const many = Array.from({ length: 30 }, (_, i) => `    ok ${i} - step ${i}`).join('\n');
  const report = reportOf(
    `# Subtest: a.test.ts\n${many}\nnot ok 1 - a.test.ts # time=300000ms\n  ---\n  signal: SIGKILL\n  ...`,
  );
  t.match(report, /step 29/);
  t.notMatch(report, /step 9\n/);
  t.match(report, /signal: SIGKILL/);
});

t.test('a report has a bound', async (t) => {
  const report = reportOf(Array.from({ length: 2000 }, (_, i) => `    not ok ${i} - bad`).join('\n'));
  t.ok(report.split('\n').length < 610);
});
