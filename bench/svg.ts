import { number } from './table.ts';

export interface Series {
  readonly name: string;
  /** index into the page's colours */
  readonly colour: number;
  readonly dashed?: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Tick {
  readonly at: number;
  readonly label: string;
}

export interface LineChart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
  readonly xTicks?: readonly Tick[];
  readonly logY: boolean;
}

export interface Bar {
  readonly name: string;
  readonly value: number;
  readonly colour: number;
  /** said after the value */
  readonly remark?: string;
}

const width = 680;
const height = 300;
const left = 64;
const right = 30;
const top = 12;
const bottom = 46;

/** Text made safe for HTML and SVG. */
export function html(value: string): string {
  return value.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** 1, 2 or 5 times a power of ten, about `count` of them from 0 to `max`. */
export function linearTicks(max: number, count = 5): number[] {
  if (!(max > 0)) return [0, 1];
  const raw = max / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw) ?? raw;
  return Array.from({ length: Math.ceil(max / step - 1e-9) + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

/** Powers of ten that enclose min and max; 2 and 5 between them when there are few. */
export function logTicks(min: number, max: number): number[] {
  const from = Math.floor(Math.log10(min));
  const to = Math.max(from + 1, Math.ceil(Math.log10(max)));
  const between = to - from <= 2 ? [1, 2, 5] : [1];
  const ticks = Array.from({ length: to - from }, (_, i) => between.map((m) => m * 10 ** (from + i))).flat();
  return [...ticks, 10 ** to].map((tick) => Number(tick.toPrecision(12)));
}

/** Lines on one pair of axes, as an inline SVG in a figure. Points that a log axis cannot show are left out. */
export function lineChart(chart: LineChart): string {
  const series = chart.series
    .map((one) => ({ ...one, points: one.points.filter(([, y]) => !chart.logY || y > 0) }))
    .filter((one) => one.points.length > 0);
  const all = series.flatMap((one) => one.points);
  if (all.length === 0) return '';
  const ys = all.map(([, y]) => y);
  const xMax = Math.max(...all.map(([x]) => x), ...(chart.xTicks ?? []).map((tick) => tick.at));
  const yTicks = chart.logY ? logTicks(Math.min(...ys), Math.max(...ys)) : linearTicks(Math.max(...ys));
  const scale = chart.logY ? Math.log10 : (v: number) => v;
  const [low, high] = [scale(yTicks[0]!), scale(yTicks.at(-1)!)];
  const px = (x: number) => left + (x / (xMax || 1)) * (width - left - right);
  const py = (y: number) => height - bottom - ((scale(y) - low) / (high - low)) * (height - top - bottom);
  const xTicks =
    chart.xTicks ??
    linearTicks(xMax, 8)
      .filter((v) => v <= xMax)
      .map((v) => ({ at: v, label: number(v) }));
  const grid = yTicks.map(
    (v) =>
      `<line class="grid" x1="${left}" x2="${width - right}" y1="${fixed(py(v))}" y2="${fixed(py(v))}"/>` +
      `<text x="${left - 8}" y="${fixed(py(v) + 4)}" text-anchor="end">${number(v)}</text>`,
  );
  const marks = xTicks.map(
    (tick) =>
      `<line class="tick" x1="${fixed(px(tick.at))}" x2="${fixed(px(tick.at))}" y1="${height - bottom}" ` +
      `y2="${height - bottom + 5}"/>` +
      `<text x="${fixed(px(tick.at))}" y="${height - bottom + 18}" text-anchor="middle">${html(tick.label)}</text>`,
  );
  const lines = series.map((one) => {
    const path = one.points.map(([x, y]) => `${fixed(px(x))},${fixed(py(y))}`).join(' ');
    const kind = `line c${one.colour}${one.dashed ? ' dashed' : ''}`;
    return `<polyline class="${kind}" points="${path}"><title>${html(one.name)}</title></polyline>`;
  });
  const labels =
    `<text x="${(left + width - right) / 2}" y="${height - 6}" text-anchor="middle">${html(chart.xLabel)}</text>` +
    `<text transform="translate(13 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">` +
    `${html(chart.yLabel)}</text>`;
  const legend = series
    .map((one) => `<span><i class="b${one.colour}${one.dashed ? ' faint' : ''}"></i>${html(one.name)}</span>`)
    .join('');
  return figure(
    chart.title,
    `<div class="legend">${legend}</div>`,
    height,
    [...grid, ...marks, ...lines, labels].join(''),
  );
}

/** Horizontal bars from zero, each with its value. */
export function barChart(title: string, unit: string, bars: readonly Bar[]): string {
  const shown = bars.filter((bar) => Number.isFinite(bar.value));
  if (shown.length === 0) return '';
  const row = 30;
  const names = Math.min(260, 24 + 7 * Math.max(...shown.map((bar) => bar.name.length)));
  const max = Math.max(...shown.map((bar) => bar.value), 0) || 1;
  const room = width - names - 190;
  const body = shown.map((bar, i) => {
    const y = i * row + 6;
    const length = Math.max(1, (Math.max(0, bar.value) / max) * room);
    const remark = bar.remark === undefined ? '' : ` · ${bar.remark}`;
    return (
      `<text x="${names - 8}" y="${y + 15}" text-anchor="end">${html(bar.name)}</text>` +
      `<rect class="f${bar.colour}" x="${names}" y="${y}" width="${fixed(length)}" height="${row - 10}" rx="3"/>` +
      `<text class="value" x="${fixed(names + length + 6)}" y="${y + 15}">` +
      `${number(bar.value)} ${html(unit + remark)}</text>`
    );
  });
  return figure(title, '', shown.length * row + 8, body.join(''));
}

function figure(title: string, above: string, tall: number, body: string): string {
  return (
    `<figure><figcaption>${html(title)}</figcaption>${above}` +
    `<svg viewBox="0 0 ${width} ${tall}" role="img" aria-label="${html(title)}">${body}</svg></figure>`
  );
}

const fixed = (value: number) => value.toFixed(1);
