import { Command, CommanderError } from 'commander';
import { nodeView, World } from '../src/cluster/planner.fixture.ts';
import { plannerDefaults } from '../src/cluster/planner.ts';
import { renderHtml } from './html.ts';
import { type Machine, machine } from './machine.ts';
import { type Assignment, bareRendezvous, difference, evenness, type Model, ring } from './placement-models.ts';
import { Progress } from './progress.ts';
import { writeResults } from './run.ts';
import { html, lineChart } from './svg.ts';
import { align } from './table.ts';

/** What a way of placing shards does at one size. Figures are ratios: 1 is the ideal, nothing moved needlessly. */
export interface PlacementCell {
  readonly way: string;
  readonly shards: number;
  readonly nodes: number;
  /** busiest node over the mean */
  readonly maxMeanCopies: number;
  readonly maxMeanLeaders: number;
  /** the least that whole numbers allow */
  readonly leastMaxMeanLeaders: number;
  readonly join: Moved;
  /** absent where too few nodes would be left */
  readonly leave?: Moved;
  readonly death?: Moved;
}

/** Copies made and leaderships that changed, over those that had to: the new node's even share, the lost node's. */
interface Moved {
  readonly copies: number;
  readonly leaders: number;
  /** share of all copies */
  readonly copiesShare: number;
  /** afterwards */
  readonly maxMeanLeaders: number;
}

interface PlacementResults {
  readonly schema: 'rookery-bench-placement/1';
  readonly startedAt: string;
  finishedAt: string;
  readonly machine: Machine;
  readonly options: Readonly<Record<string, unknown>>;
  readonly cells: PlacementCell[];
  readonly notes: readonly string[];
}

/** Nodes, by number of shards. */
const sizes: Readonly<Record<number, readonly number[]>> = {
  1024: [3, 4, 6, 10, 20, 40, 100],
  8192: [3, 10, 30, 100],
};
const shardCounts = Object.keys(sizes).map(Number);
const ringPoints = 128;
const { copies } = plannerDefaults;
/** As in production for 1,024 shards. For more, more at a time: the run is shorter, and ends as even. */
const movesPerNode = (shards: number): number => (shards <= 1024 ? plannerDefaults.movesPerNode : shards / 16);

const idOf = (i: number): string => `n${String(i).padStart(3, '0')}`;
const joiner = idOf(999);
const leaver = idOf(1);

/** Ideal shares: a new node takes 1/(n + 1) of everything, a lost one leaves 1/n to be placed anew. */
function moved(done: { copies: number; leaders: number }, ideal: number, shards: number, after: number): Moved {
  return {
    copies: done.copies / (shards * copies * ideal),
    leaders: done.leaders / (shards * ideal),
    copiesShare: done.copies / (shards * copies),
    maxMeanLeaders: after,
  };
}

const assignmentOf = (world: World): Assignment =>
  world.shards.map(({ leader, isr }) => [
    leader!.node,
    ...isr.map(({ node }) => node).filter((node) => node !== leader!.node),
  ]);

/** One event on a new cluster, and all rounds until nothing is left to move. */
function planned(fresh: World, ideal: number, event: (world: World) => void): Moved {
  const shards = fresh.shards.length;
  const world = new World(fresh.nodes, fresh.shards, { movesPerNode: movesPerNode(shards) });
  event(world);
  world.settle(10_000);
  const { added, transferred, failedOver } = world.done;
  const left = world.loads().leaders.size;
  const after = evenness(assignmentOf(world), left).leaders;
  return moved({ copies: added, leaders: transferred + failedOver }, ideal, shards, after);
}

function evenCell(way: string, shards: number, count: number, even: ReturnType<typeof evenness>) {
  return {
    way,
    shards,
    nodes: count,
    maxMeanCopies: even.copies,
    maxMeanLeaders: even.leaders,
    leastMaxMeanLeaders: (Math.ceil(shards / count) * count) / shards,
  };
}

function plannerCell(way: string, shards: number, count: number, zones: number): PlacementCell {
  const nodes = Array.from({ length: count }, (_, i) => nodeView(idOf(i), { zone: `z${i % zones}` }));
  const fresh = World.fresh(nodes, shards);
  const even = evenness(assignmentOf(fresh), count);
  const small = count <= copies;
  return {
    ...evenCell(way, shards, count, even),
    join: planned(fresh, 1 / (count + 1), (world) => {
      world.nodes = [...world.nodes, nodeView(joiner, { zone: `z${count % zones}` })];
    }),
    ...(small
      ? {}
      : {
          leave: planned(fresh, 1 / count, (world) => world.set(leaver, { state: 'draining' })),
          death: planned(fresh, 1 / count, (world) =>
            world.set(leaver, { suspectedForMs: plannerDefaults.replaceAfterMs }),
          ),
        }),
  };
}

function modelCell(way: string, shards: number, count: number, model: Model): PlacementCell {
  const names = Array.from({ length: count }, (_, i) => idOf(i));
  const before = model(new Set(names));
  const joined = model(new Set([...names, joiner]));
  const rest = model(new Set(names.filter((node) => node !== leaver)));
  const even = evenness(before, count);
  const lost = moved(difference(before, rest), 1 / count, shards, evenness(rest, count - 1).leaders);
  const joins = difference(before, joined);
  return {
    ...evenCell(way, shards, count, even),
    join: moved(joins, 1 / (count + 1), shards, evenness(joined, count + 1).leaders),
    ...(count <= copies ? {} : { leave: lost, death: lost }),
  };
}

function measure(progress: Progress): PlacementCell[] {
  const cells: PlacementCell[] = [];
  for (const shards of shardCounts) {
    for (const count of sizes[shards]!) {
      progress.show(`${shards} shards on ${count} nodes`);
      const all = [...Array.from({ length: count }, (_, i) => idOf(i)), joiner];
      cells.push(plannerCell('planner', shards, count, 1));
      if (shards === shardCounts[0] && count > 9) cells.push(plannerCell('planner, 3 zones', shards, count, 3));
      cells.push(modelCell('rendezvous', shards, count, bareRendezvous(shards, all, copies)));
      cells.push(modelCell('ring', shards, count, ring(shards, all, copies, ringPoints)));
    }
  }
  return cells;
}

const fixed = (value: number | undefined, digits = 2): string => (value === undefined ? '-' : value.toFixed(digits));

function table(cells: readonly PlacementCell[], shards: number): string {
  const rows = cells
    .filter((cell) => cell.shards === shards)
    .map((cell) => [
      cell.way,
      String(cell.nodes),
      fixed(cell.maxMeanLeaders, 3),
      fixed(cell.leastMaxMeanLeaders, 3),
      fixed(cell.maxMeanCopies, 3),
      ...[cell.join, cell.leave, cell.death].flatMap((event) => [fixed(event?.copies), fixed(event?.leaders)]),
      fixed(cell.join.maxMeanLeaders, 3),
    ]);
  const head = ['way', 'nodes', 'leaders', 'least', 'copies', 'join c', 'l', 'leave c', 'l', 'death c', 'l', 'then'];
  return [
    `${shards.toLocaleString('en')} shards, ${copies} copies`,
    ...align([head, ...rows]),
    'leaders, copies: busiest node over the mean; least: the best that whole numbers allow; then: leaders after a join',
    'join, leave, death: copies made (c) and leaderships changed (l), over the ideal share of the one node',
    '',
  ].join('\n');
}

function charts(cells: readonly PlacementCell[], shards: number): string {
  const here = cells.filter((cell) => cell.shards === shards);
  const ways = [...new Set(here.map(({ way }) => way))];
  const chart = (title: string, yLabel: string, of: (cell: PlacementCell) => number | undefined): string =>
    lineChart({
      title,
      xLabel: 'nodes',
      yLabel,
      logY: false,
      series: ways.map((way, colour) => ({
        name: way,
        colour,
        points: here.flatMap((cell) => {
          const y = of(cell);
          return cell.way === way && y !== undefined ? [[cell.nodes, y] as const] : [];
        }),
      })),
    });
  return [
    chart('Leaderships of the busiest node', 'over the mean', (cell) => cell.maxMeanLeaders),
    chart('Copies of the busiest node', 'over the mean', (cell) => cell.maxMeanCopies),
    chart('Copies made when a node joins', 'over the ideal', (cell) => cell.join.copies),
    chart('Leaderships changed when a node joins', 'over the ideal', (cell) => cell.join.leaders),
    chart('Copies made when a node is drained', 'over the ideal', (cell) => cell.leave?.copies),
    chart('Leaderships changed when a node dies', 'over the ideal', (cell) => cell.death?.leaders),
  ].join('');
}

function page(results: PlacementResults): string {
  const { machine: on, cells, notes } = results;
  const about = `${on.cpu}, ${on.cores} cores · ${on.kernel} · node ${on.node} · ${results.startedAt}`;
  const sections = shardCounts.map(
    (shards) =>
      `<section><h2>${shards.toLocaleString('en')} shards</h2><div class="charts">${charts(cells, shards)}</div>` +
      `<pre>${html(table(cells, shards))}</pre></section>`,
  );
  const remarks = notes.map((note) => `<p>${html(note)}</p>`);
  const body = [`<p>${html(about)}</p>`, ...remarks, ...sections].join('\n');
  return renderHtml([], 'Placement of shards').replace('</body>', () => `${body}\n</body>`);
}

function run({ out }: { out?: string }): void {
  const progress = new Progress();
  const results: PlacementResults = {
    schema: 'rookery-bench-placement/1',
    startedAt: new Date().toISOString(),
    finishedAt: '',
    machine: machine(),
    options: { copies, ringPoints, sizes, shardCounts, movesPerNode: shardCounts.map(movesPerNode) },
    cells: measure(progress),
    notes: [
      'A simulation: moves are counted, not timed. Planner: from a new cluster, one event, until nothing is left to move.',
      `Rendezvous and ring (${ringPoints} points a node): computed anew from the list of nodes, the first one leads.`,
      'Three zones: a zone with fewer nodes has as many copies as the others, so its nodes hold more; by rule, not by chance.',
    ],
  };
  results.finishedAt = new Date().toISOString();
  progress.clear();
  process.stdout.write(`\n${shardCounts.map((shards) => table(results.cells, shards)).join('\n')}`);
  if (out !== undefined) writeResults(out, results, page(results));
}

const command = new Command('placement')
  .description('How even the planner places shards and how much it moves, against rendezvous hashing and a ring')
  .option('--out <path>', 'write <path>.json and <path>.html as well')
  .exitOverride()
  .showHelpAfterError('(--help shows the options)')
  .action(run);

try {
  command.parse();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
