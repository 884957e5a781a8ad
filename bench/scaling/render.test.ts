import { readFileSync } from 'node:fs';
import t from 'tap';
import { currentInputs, inputs } from './inputs.ts';
import { limits, parts } from './model.ts';
import { blocks, compute, filled, readable } from './render.ts';

t.test('docs/scaling.md says what is computed from bench/results; if not: npm run docs:scaling', async (t) => {
  const document = readFileSync('docs/scaling.md', 'utf8');
  t.equal(filled(document, blocks(currentInputs('bench/results'))), document);
});

t.test('every input is used, and no name is used twice', async (t) => {
  const steps = parts.flatMap((part) => part.steps);
  const names = [...inputs, ...steps].map(({ name }) => name);
  t.same([...new Set(names)], names);
  const formulas = [...steps, ...limits].map(({ formula }) => formula).join(' ');
  const unused = inputs.filter(({ name }) => !new RegExp(`\\b${name}\\b`).test(formulas));
  t.same(
    unused.map(({ name }) => name),
    [],
  );
});

t.test('the calculation follows its inputs', async (t) => {
  const of = (name: string, change: Readonly<Record<string, number>> = {}) =>
    compute(inputs.map((input) => ({ ...input, value: change[input.name] ?? input.value }))).get(name)!;
  t.equal(of('messagesPerSecond'), 100e9 / 86_400);
  t.equal(of('coresMessages', { clusterRatio: 5 }), 2 * of('coresMessages', { clusterRatio: 2.5 }));
  t.equal(of('deliveriesPerMessage', { groupShare: 0 }), 1);
  t.equal(of('nodes', { connections: 1, messagesPerDay: 1 }), 1);
  t.ok(of('cells', { nodesPerCell: 48 }) > of('cells', { nodesPerCell: 96 }));
});

t.test('figures are rounded to what says something', async (t) => {
  for (const [value, text] of [
    [15_000, '15,000'],
    [1_024, '1,024'],
    [15_432, '15,400'],
    [123_456_789, '123 million'],
    [1.0499e9, '1.05 billion'],
    [0.9432, '0.943'],
    [0, '0'],
    [Number.NaN, '–'],
  ] as const) {
    t.equal(readable(value), text);
  }
});

t.test('a document without its markers is refused', async (t) => {
  t.throws(() => filled('nothing', { inputs: '' }), /no block "inputs"/);
});
