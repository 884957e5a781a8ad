import { evaluate } from './formula.ts';
import type { Input } from './inputs.ts';
import { limits, parts } from './model.ts';

export interface Computed {
  readonly name: string;
  readonly value: number;
}

/** Every input and every step by name. @throws FormulaError when a formula names what is not known yet */
export function compute(inputs: readonly Input[]): ReadonlyMap<string, number> {
  const known = new Map(inputs.map(({ name, value }) => [name, value]));
  for (const { steps } of parts) {
    for (const { name, formula } of steps)
      known.set(
        name,
        evaluate(formula, (one) => known.get(one)),
      );
  }
  return known;
}

/** Three digits that say something, whole numbers to 9,999 as they are; millions and billions in words. */
export function readable(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (Number.isInteger(value) && Math.abs(value) < 10_000) return value.toLocaleString('en');
  const rounded = value === 0 ? 0 : Number(value.toPrecision(3));
  for (const [size, word] of [
    [1e9, ' billion'],
    [1e6, ' million'],
  ] as const) {
    if (Math.abs(rounded) >= size)
      return `${(rounded / size).toLocaleString('en', { maximumFractionDigits: 2 })}${word}`;
  }
  return rounded.toLocaleString('en', { maximumFractionDigits: 3 });
}

/** The blocks of docs/scaling.md that are computed, by the name of their marker. */
export function blocks(inputs: readonly Input[]): Readonly<Record<string, string>> {
  const known = compute(inputs);
  const value = (name: string) => readable(known.get(name) ?? Number.NaN);
  const steps = parts.map(({ title, steps }) => {
    const rows = steps.map(({ name, formula, unit, says }) => [
      name,
      `\`${formula}\``,
      `**${value(name)}** ${unit}`.trim(),
      says,
    ]);
    return `### ${title}\n\n${table(['', 'is', '', ''], rows)}`;
  });
  const breaks = limits
    .map((limit) => ({ ...limit, nodes: evaluate(limit.formula, (name) => known.get(name)) }))
    .sort((a, b) => a.nodes - b.nodes)
    .map(({ what, formula, nodes, remedy }) => [readable(Math.floor(nodes)), what, `\`${formula}\``, remedy]);
  return {
    inputs: table(
      ['name', 'value', 'kind', 'from'],
      inputs.map(({ name, kind, unit, from }) => [name, `${value(name)} ${unit}`.trim(), kind, from]),
    ),
    steps: steps.join('\n\n'),
    limits: table(['nodes', 'what is reached', 'is', 'then'], breaks),
  };
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`.replace(/\| +(?=\|)/g, '| ');
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

/** The document with its computed blocks replaced. @throws Error when a marker is missing */
export function filled(document: string, computed: Readonly<Record<string, string>>): string {
  return Object.entries(computed).reduce((text, [name, block]) => {
    const begin = `<!-- computed: ${name} -->\n`;
    const end = `\n<!-- end: ${name} -->`;
    const from = text.indexOf(begin);
    const to = text.indexOf(end, from);
    if (from < 0 || to < 0) throw new Error(`the document has no block "${name}"`);
    return text.slice(0, from + begin.length) + block + text.slice(to);
  }, document);
}
