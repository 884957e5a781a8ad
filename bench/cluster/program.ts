import { Command, InvalidArgumentError } from 'commander';
import type { Context } from '../context.ts';
import { even, resultOptions, whole } from '../options.ts';
import { runScenario } from '../run.ts';
import { type CostOptions, cost, scale } from './cost.ts';
import { type FailoverOptions, failover } from './failover.ts';
import { drain, join, type MoveOptions } from './moves.ts';

const NODES_MAX = 12;

/** Options of every measurement of a cluster. */
function clusterCommand(name: string, description: string, examples: readonly string[]): Command {
  const lines = examples.map((example) => `  $ npm run bench:cluster -- ${name} ${example}`.trimEnd());
  return resultOptions(new Command(name))
    .description(description)
    .allowExcessArguments(false)
    .option('--shards <n>', 'shards of the cluster (default: as the setting)', whole(1, 65_536))
    .option(
      '--dir <folder>',
      'where the nodes keep their data; a folder in it is made and removed (default: temporary)',
    )
    .option('--keep', 'leave those folders behind, for the logs of the nodes', false)
    .option('--body <bytes>', 'length of a message body', whole(23, 200_000), 100)
    .addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}

const nodesOption = (command: Command) => command.option('--nodes <n>', 'nodes', whole(2, NODES_MAX), 3);

function costOptions(command: Command): Command {
  return command
    .option('--users <n>', 'connected users, in pairs, the two at different nodes', even(2, 9_000), 200)
    .option('--outstanding <n>', 'messages each user keeps under way at full load', whole(1, 1_000), 5)
    .option('--rate <n>', 'messages a second at half load (default: half of the first full load)', whole(1, 1_000_000))
    .option('--warmup <seconds>', 'load before each measured stretch; fresh processes compile', whole(0, 600), 12)
    .option('--duration <seconds>', 'each measured stretch', whole(1, 3_600), 10)
    .option('--idle <seconds>', 'a cluster is watched before anything is sent', whole(0, 600), 5);
}

function steadyOptions(command: Command, defaults: { users: number; rate: number; limit: number }): Command {
  return nodesOption(command)
    .option('--users <n>', 'writers, in pairs, the two at different nodes', even(2, 2_000), defaults.users)
    .option('--rate <n>', 'messages a second in all', whole(1, 100_000), defaults.rate)
    .option('--warmup <seconds>', 'load before anything is looked at', whole(0, 600), 5)
    .option('--before <seconds>', 'load before the event: what is usual', whole(1, 600), 8)
    .option('--limit <seconds>', 'that the event may take at most', whole(1, 3_600), defaults.limit);
}

/** Every bed is started by us, with accounts of its own. */
const fixed = {
  name: 'cluster',
  url: '',
  domain: 'localhost',
  auth: 'auto' as const,
  password: 'bench-password-1',
  register: true,
  sources: 1,
  timeoutMs: 60_000,
  port: 15_222,
};

function act<O>(name: string, work: (context: Context<O>) => Promise<void>) {
  return (options: O & { readonly out?: string }) =>
    runScenario<O>(`cluster ${name}`, { ...fixed, ...options } as never, work, false);
}

function sizes(value: string): number[] {
  return value.split(',').map((text) => {
    const n = Number(text);
    if (!Number.isInteger(n) || n < 2 || n > NODES_MAX)
      throw new InvalidArgumentError(`Numbers of nodes from 2 to ${NODES_MAX} are wanted, with commas between.`);
    return n;
  });
}

/** The command line of `npm run bench:cluster`. */
export function clusterProgram(): Command {
  const commands = [
    nodesOption(
      costOptions(
        clusterCommand('cost', 'CPU of a delivered message and latency: cluster, single node, relay in one run', [
          '--out bench/results/cluster-cost',
          '--users 40 --warmup 2 --duration 4',
        ]),
      ),
    ).action(act<CostOptions & { nodes: number }>('cost', cost)),
    costOptions(
      clusterCommand('scale', 'CPU of a delivered message on clusters of different sizes, under the same load', [
        '--sizes 3,6 --out bench/results/cluster-scale',
      ]),
    )
      .option('--sizes <list>', 'numbers of nodes', sizes, [3, 6])
      .action(act<CostOptions & { sizes: number[] }>('scale', scale)),
    steadyOptions(
      clusterCommand('failover', 'kill -9 of a node under load: when do its writers write again?', [
        '--rounds 3 --out bench/results/cluster-failover',
      ]),
      { users: 120, rate: 300, limit: 30 },
    )
      .option('--rounds <n>', 'nodes killed, one after the other', whole(1, 20), 1)
      .action(act<FailoverOptions>('failover', failover)),
    steadyOptions(
      clusterCommand('join', 'one node more under load: pauses, errors, losses', ['--out bench/results/cluster-join']),
      { users: 40, rate: 300, limit: 300 },
    ).action(act<MoveOptions>('join', join)),
    steadyOptions(
      clusterCommand('drain', 'one node is emptied and stopped under load: pauses, errors, losses', [
        '--nodes 4 --out bench/results/cluster-drain',
      ]),
      { users: 40, rate: 300, limit: 300 },
    ).action(act<MoveOptions>('drain', drain)),
  ];
  const root = new Command('bench:cluster')
    .description('Starts clusters on this machine and measures what a message costs, and what faults and moves cost.')
    .helpCommand(false);
  for (const command of commands)
    root.addCommand(command.exitOverride().showHelpAfterError('(--help shows the options)'));
  return root.exitOverride().showHelpAfterError('(--help shows what can be measured)');
}
