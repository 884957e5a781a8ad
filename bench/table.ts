import type { Phase, Ratio, Report } from './report.ts';

/** Columns padded to their widest cell; the first is left-aligned, the others right-aligned. */
export function align(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}

/** Thousands separated, and as many digits as say something. */
export function number(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '-';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return Number.isInteger(value)
    ? value.toLocaleString('en')
    : value.toLocaleString('en', { maximumFractionDigits: digits });
}

const per = (phases: readonly Phase[]) => new Set(phases.map((phase) => phase.unit)).size > 1;

/** The report as text, readable at 100 columns. */
export function renderTable(report: Report): string {
  const { machine, phases } = report;
  const lines = [
    `${report.scenario} · ${machine.cpu}, ${machine.cores} cores · ${machine.kernel} · node ${machine.node}`,
    ...(report.interrupted ? ['stopped by hand: figures cover what was done until then'] : []),
    '',
    ...align([
      ['phase', 'count', '/s', 'server µs', 'cores', 'load µs', 'p50 ms', 'p90', 'p99', 'p99.9', 'max'],
      ...phases.map((phase) => [
        phase.name,
        number(phase.operations),
        number(Math.round(phase.perSecond)),
        number(phase.server?.perOperationUs),
        phase.server?.cores.toFixed(2) ?? '-',
        number(phase.load?.perOperationUs),
        ...(['p50Ms', 'p90Ms', 'p99Ms', 'p999Ms', 'maxMs'] as const).map((key) => number(phase.latency?.[key])),
      ]),
    ]),
  ];
  const units = [...new Set(phases.map((phase) => phase.unit))];
  lines.push('', `µs = CPU per ${units.join(' or ')}, user + system, all threads${per(phases) ? ' (by phase)' : ''}`);
  for (const phase of phases) lines.push(...details(phase));
  for (const ratio of report.ratios) lines.push(ratioLine(ratio));
  for (const note of report.notes) lines.push(`note: ${note}`);
  return `${lines.join('\n')}\n`;
}

function ratioLine({ name, value, unit = '×', atMost }: Ratio): string {
  const figure = (of: number) => `${number(of)} ${unit}`.trimEnd();
  const goal = atMost === undefined ? '' : ` (to reach: ≤ ${figure(atMost)}: ${value <= atMost ? 'met' : 'MISSED'})`;
  return `${name}: ${figure(value)}${goal}`;
}

function details(phase: Phase): string[] {
  const lines: string[] = [];
  const { checks, memory, acks } = phase;
  if (checks !== undefined) {
    lines.push(`${phase.name}: ${checks.lost} lost, ${checks.duplicated} duplicated, ${checks.reordered} reordered`);
  }
  if (memory !== undefined) {
    lines.push(
      `${phase.name}: ${number(memory.perSessionBytes / 1024)} KiB RSS per session ` +
        `(${number(memory.sessions)} sessions, ${number(memory.beforeKb)} → ${number(memory.afterKb)} KiB)`,
    );
  }
  if (acks !== undefined)
    lines.push(`${phase.name}: ${number(acks.acknowledged)} of ${number(acks.sent)} acknowledged`);
  if (acks?.archived !== undefined) {
    const { archives, missing, duplicated, reordered, ordersDiffer } = acks.archived;
    lines.push(
      `${phase.name}: in ${archives} archives ${missing} acknowledged missing, ${duplicated} duplicated, ` +
        `${reordered} reordered; ${ordersDiffer} pairs differ in order`,
    );
  }
  for (const [part, cpu] of Object.entries(phase.parts ?? {})) {
    lines.push(`${phase.name}: ${part} ${number(cpu.perOperationUs)} µs more, ${cpu.cores.toFixed(2)} cores`);
  }
  for (const [name, value] of Object.entries(phase.extra ?? {})) lines.push(`${phase.name}: ${name} ${number(value)}`);
  for (const [name, value] of Object.entries(phase.errors ?? {}))
    lines.push(`${phase.name}: ${number(value)} × ${name}`);
  return lines;
}
