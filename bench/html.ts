import type { Phase, Report, Timeline } from './report.ts';
import { barChart, html, lineChart, type Tick } from './svg.ts';
import { renderTable } from './table.ts';

const colours = 6;
/** Percentiles that are named on the axis of the latency plot; the axis is log(1 / (1 - p)). */
const percentileTicks = [0, 50, 90, 99, 99.9, 99.99];

const nines = (percentile: number) => Math.log10(100 / (100 - percentile));

/** One page with everything of these reports: no script, nothing loaded from elsewhere, light and dark. */
export function renderHtml(reports: readonly Report[], title = 'Rookery bench'): string {
  const first = reports[0];
  const machine = first?.machine;
  const about =
    machine === undefined
      ? ''
      : `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB · ${machine.system}, ${machine.kernel} · ` +
        `node ${machine.node} · ${first?.startedAt ?? ''}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${html(title)}</title><style>${style}</style></head>
<body><h1>${html(title)}</h1><p>${html(about)}</p>
${reports.map(section).join('\n')}
</body></html>
`;
}

function section(report: Report): string {
  const { phases } = report;
  const colour = colouring(phases);
  const options = Object.entries(report.options)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ');
  const names = [...new Set(phases.filter((phase) => phase.target !== 'relay').map((phase) => phase.target))].join(
    ', ',
  );
  return `<section><h2>${html(report.scenario)}${names === '' ? '' : ` · ${html(names)}`}</h2>
<p class="options">${html(options)}</p>
<div class="charts">${charts(phases, colour)}${report.timeline === undefined ? '' : timeline(report.timeline)}</div>
<pre>${html(renderTable(report))}</pre></section>`;
}

/** What happened, by its time, on the axis of both charts. */
function timeline({ binMs, acknowledgedPerSecond, waitMsMax, events }: Timeline): string {
  const seconds = (acknowledgedPerSecond.length * binMs) / 1000;
  const xTicks: Tick[] = [];
  let named = Number.NEGATIVE_INFINITY;
  for (const { atSeconds, label } of events) {
    // Names that would lie on each other are left out; the mark stays.
    const near = atSeconds - named < seconds / 6;
    xTicks.push({ at: atSeconds, label: near ? '' : `${label}, ${atSeconds.toFixed(0)} s` });
    if (!near) named = atSeconds;
  }
  const points = (values: readonly number[]) => values.map((v, i) => [((i + 0.5) * binMs) / 1000, v] as const);
  const chart = (title: string, yLabel: string, values: readonly number[], logY: boolean) =>
    lineChart({
      title,
      xLabel: 'seconds',
      yLabel,
      logY,
      ...(xTicks.length > 0 && { xTicks }),
      series: [{ name: `in ${binMs} ms`, colour: 0, points: points(values) }],
    });
  return (
    chart('Longest wait for an acknowledgement', 'ms', waitMsMax, true) +
    chart('Acknowledged writes', 'per second', acknowledgedPerSecond, false)
  );
}

/** Phases of one target share a colour, unless there is but one target: then each has its own. */
function colouring(phases: readonly Phase[]): (phase: Phase) => number {
  const targets = [...new Set(phases.map((phase) => phase.target))];
  return targets.length > 1
    ? (phase) => targets.indexOf(phase.target) % colours
    : (phase) => phases.indexOf(phase) % colours;
}

function charts(phases: readonly Phase[], colour: (phase: Phase) => number): string {
  const ticks: Tick[] = percentileTicks.map((p) => ({ at: nines(p), label: `${p} %` }));
  const repeated = (phase: Phase) => phases.find((one) => one.target === phase.target) !== phase;
  const floors = phases.filter((phase) => phase.target === 'relay' && phase.server !== undefined);
  const floor = floors.reduce((sum, phase) => sum + phase.server!.perOperationUs, 0) / floors.length;
  const measured = phases.filter((phase) => phase.server !== undefined);
  return [
    lineChart({
      title: 'Latency by percentile',
      xLabel: 'percentile',
      yLabel: 'ms',
      logY: true,
      xTicks: ticks,
      series: phases.flatMap((phase) =>
        phase.latency === undefined
          ? []
          : [
              {
                name: phase.name,
                colour: colour(phase),
                dashed: repeated(phase),
                points: phase.latency.curve.filter(([p]) => p <= 99.99).map(([p, ms]) => [nines(p), ms] as const),
              },
            ],
      ),
    }),
    lineChart({
      title: 'Operations per second over time',
      xLabel: 'seconds into the phase',
      yLabel: 'per second',
      logY: true,
      series: phases.flatMap((phase) =>
        phase.series === undefined || phase.series.perSecond.length < 2
          ? []
          : [
              {
                name: phase.name,
                colour: colour(phase),
                dashed: repeated(phase),
                points: phase.series.perSecond.map((v, i) => [((i + 0.5) * phase.series!.binMs) / 1000, v] as const),
              },
            ],
      ),
    }),
    barChart(
      'CPU of the server per operation',
      'µs',
      measured.map((phase) => ({
        name: phase.name,
        value: phase.server!.perOperationUs,
        colour: colour(phase),
        ...(phase.target !== 'relay' && floors.length > 0
          ? { remark: `${(phase.server!.perOperationUs / floor).toFixed(1)} × relay` }
          : {}),
      })),
    ),
    barChart(
      'Resident memory per session',
      'KiB',
      phases.flatMap((phase) =>
        phase.memory === undefined
          ? []
          : [{ name: phase.name, value: phase.memory.perSessionBytes / 1024, colour: colour(phase) }],
      ),
    ),
  ].join('');
}

const palette = ['#3b6fd4', '#d9772b', '#2f9e6e', '#b1488f', '#8a7a1f', '#5f6b7a'];
const style = `
:root{color-scheme:light dark;--ink:#1c2330;--soft:#5b6575;--line:#d9dee6;--paper:#fff;--card:#f6f8fb}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf1;--soft:#9aa5b5;--line:#364052;--paper:#12161d;--card:#1a202a}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
body{margin:2rem auto;max-width:1480px;padding:0 1.5rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .25rem}p{color:var(--soft);margin:.25rem 0}
.options{font-size:.8rem;overflow-wrap:anywhere}
.charts{display:grid;gap:1rem;margin:1rem 0;align-items:start}
.charts{grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr))}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.75rem}
figcaption{font-weight:600;margin-bottom:.25rem}svg{width:100%;height:auto;display:block}
svg text{font:12px system-ui,sans-serif;fill:var(--soft)}svg text.value{fill:var(--ink)}
.grid,.tick{stroke:var(--line)}.line{fill:none;stroke-width:2;stroke-linejoin:round}
.dashed{stroke-dasharray:5 4}.faint{opacity:.5}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1rem;font-size:.8rem;color:var(--soft)}
.legend i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.35em}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.75rem}
pre{overflow-x:auto;font-size:.8rem}
${palette.map((c, i) => `.c${i}{stroke:${c}}.f${i}{fill:${c}}.legend .b${i}{background:${c}}`).join('\n')}`;
