import t from 'tap';
import { renderHtml } from './html.ts';
import { histogram } from './meter.ts';
import { cpuUse, latencyOf, type Phase, type Report } from './report.ts';
import { newReport } from './run.ts';
import { linearTicks, logTicks } from './svg.ts';
import { align, number, renderTable } from './table.ts';

function phase(name: string, target: string): Phase {
  const latencies = histogram();
  for (let us = 100; us <= 100_000; us += 100) latencies.recordValue(us);
  return {
    name,
    target,
    unit: 'delivered message',
    seconds: 10,
    operations: 1000,
    perSecond: 100,
    latency: latencyOf(latencies),
    checks: { lost: 1, duplicated: 2, reordered: 3 },
    server: cpuUse(50_000, 1000, 10),
    series: { binMs: 500, perSecond: [90, 0, 110] },
  };
}

const report: Report = {
  schema: 'rookery-bench/1',
  scenario: 'pairs',
  startedAt: '2026-01-01T00:00:00.000Z',
  finishedAt: '',
  interrupted: true,
  options: { users: 2, name: '<b>' },
  machine: { cpu: 'a <cpu>', cores: 2, memoryGb: 4, kernel: 'Linux', system: 'x', node: 'v20' },
  phases: [phase('relay before', 'relay'), phase('server', 'server')],
  ratios: [{ name: 'server / relay', value: 1 }],
  notes: ['mind this'],
};

t.test('latencies are given in ms, from the histogram of µs', async (t) => {
  const { latency } = phase('x', 'x');
  t.equal(latency?.count, 1000);
  t.ok(Math.abs(latency!.p50Ms - 50) < 0.2);
  t.ok(Math.abs(latency!.p99Ms - 99) < 0.2);
  t.equal(latency?.curve.at(-1)?.[0], 100);
});

t.test('the page holds every figure, asks for nothing from elsewhere and escapes what it is given', async (t) => {
  const page = renderHtml([report]);
  t.match(page, /<svg/);
  t.match(page, '1.0 × relay');
  t.notMatch(page, /<script|src=|href=|url\(/);
  t.notMatch(page, '<cpu>');
  t.notMatch(page, '<b>');
});

t.test('the table fits 100 columns and says what went missing', async (t) => {
  const table = renderTable(report);
  for (const line of table.split('\n')) t.ok(line.length <= 100, line);
  t.match(table, 'server: 1 lost, 2 duplicated, 3 reordered');
  t.match(table, 'stopped by hand');
  t.match(table, 'note: mind this');
});

t.test('columns are aligned, numbers keep the digits that count', async (t) => {
  t.strictSame(
    align([
      ['a', '1'],
      ['bb', '22'],
    ]),
    ['a    1', 'bb  22'],
  );
  for (const [value, shown] of [
    [1234567, '1,234,567'],
    [123.456, '123'],
    [12.345, '12.3'],
    [1.234, '1.23'],
    [0.12345, '0.123'],
    [undefined, '-'],
    [Number.NaN, '-'],
  ] as const) {
    t.equal(number(value), shown);
  }
});

t.test('axes end at round numbers that enclose the values', async (t) => {
  t.strictSame(linearTicks(10), [0, 2, 4, 6, 8, 10]);
  t.strictSame(linearTicks(0), [0, 1]);
  t.strictSame(logTicks(0.3, 200), [0.1, 1, 10, 100, 1000]);
  t.strictSame(logTicks(2, 30), [1, 2, 5, 10, 20, 50, 100]);
});

t.test('a timeline shows what happened when, names that would lie on each other once', async (t) => {
  const report: Report = {
    ...newReport('failover', {}),
    timeline: {
      binMs: 100,
      acknowledgedPerSecond: Array.from({ length: 100 }, () => 50),
      waitMsMax: Array.from({ length: 100 }, (_, i) => 1 + i),
      events: [
        { atSeconds: 2, label: 'kill <n>' },
        { atSeconds: 2.5, label: 'concealed' },
        { atSeconds: 6, label: 'back' },
      ],
    },
  };
  const page = renderHtml([report]);
  t.match(page, 'Longest wait for an acknowledgement');
  t.match(page, 'kill &#60;n&#62;, 2 s');
  t.match(page, 'back, 6 s');
  t.notMatch(page, 'concealed');
});

t.test('a ratio with a goal says whether it is met', async (t) => {
  const ratios = [
    { name: 'a', value: 2, atMost: 2.5 },
    { name: 'b', value: 31, unit: 'ms', atMost: 25 },
    { name: 'c', value: 0, unit: '', atMost: 0 },
  ];
  const text = renderTable({ ...newReport('cost', {}), ratios });
  t.match(text, 'a: 2 × (to reach: ≤ 2.5 ×: met)');
  t.match(text, 'b: 31 ms (to reach: ≤ 25 ms: MISSED)');
  t.match(text, 'c: 0 (to reach: ≤ 0: met)');
});
