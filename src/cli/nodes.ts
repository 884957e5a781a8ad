import type { Command } from 'commander';
import type { ClusterNode } from '../http/admin-cluster.ts';
import { askNode } from './ask-node.ts';
import { type CommonFlags, withCommonOptions } from './common-options.ts';
import type { Io } from './io.ts';
import { durationText, table } from './table.ts';

const EXAMPLES = `
Examples:
  rookery nodes --data-dir /var/lib/rookery
  rookery nodes --json | jq -r '.[] | select(.suspectedForMs > 0) | .node'

It is how the node on the data folder sees the cluster. STATE: up, draining, left (stopped in good order), silent (not
heard from, FOR so long), or gone (the same for longer than cluster.replaceAfterMs; rookery forget removes it from the
list). REMARKS: planner is the node that plans moves, asked the one that answered.`;

export function nodesCommand(program: Command, io: Io): void {
  withCommonOptions(program.command('nodes'))
    .description('list the nodes of the cluster')
    .option('--json', 'as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: CommonFlags & { readonly json?: boolean }) => {
      const nodes = await askNode(io, flags, (api) => api.cluster.nodes());
      io.stdout.write(flags.json === true ? `${JSON.stringify(nodes)}\n` : nodesTable(nodes, Date.now()));
    });
}

export function nodesTable(nodes: readonly ClusterNode[], nowMs: number): string {
  const head = ['NODE', 'ZONE', 'VERSION', 'STATE', 'FOR', 'LEADS', 'COPIES', 'IN SYNC', 'REMARKS', 'INCARNATION'];
  const rows = nodes.map((node) => {
    const silent = node.gone || (node.state !== 'left' && node.suspectedForMs > 0);
    const remarks = [node.planner && 'planner', node.self && 'asked', silent && node.state !== 'up' && node.state];
    return [
      node.node,
      node.zone,
      node.version,
      node.gone ? 'gone' : silent ? 'silent' : node.state,
      durationText(silent ? node.suspectedForMs : Math.max(0, nowMs - node.since)),
      String(node.leads),
      String(node.copies),
      String(node.inSync),
      remarks.filter((remark) => remark !== false).join(', ') || '-',
      node.inc,
    ];
  });
  return table([head, ...rows]);
}
