import type { Command } from 'commander';
import { EXIT, ExitError } from '../base/errors.ts';
import type { NodeStatus } from '../http/admin.ts';
import type { ClusterStatus } from '../http/admin-cluster.ts';
import { askNode } from './ask-node.ts';
import { type CommonFlags, withCommonOptions } from './common-options.ts';
import type { Io } from './io.ts';
import { bytesText, durationText, table } from './table.ts';

const EXAMPLES = `
Examples:
  rookery status
  rookery status --data-dir /var/lib/rookery --json | jq .figures

Exit codes: 0 ready, 1 running but not ready, 5 no node runs on the data folder.`;

export function statusCommand(program: Command, io: Io): void {
  withCommonOptions(program.command('status'))
    .description('show how the node on the data folder is doing')
    .option('--json', 'as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: CommonFlags & { readonly json?: boolean }) => {
      const status = await askNode(io, flags, (api) => api.status());
      io.stdout.write(flags.json === true ? `${JSON.stringify(status)}\n` : statusTable(status, Date.now()));
      if (!status.ready) throw new ExitError(`not ready: ${status.reason ?? 'no reason given'}`, EXIT.failure);
    });
}

export function statusTable(status: NodeStatus, nowMs: number): string {
  const rows: string[][] = [
    ['node', `${status.node}, Rookery ${status.version}, process ${status.pid}`],
    ['state', status.ready ? 'ready' : `not ready: ${status.reason ?? 'no reason given'}`],
    ['up', durationText(nowMs - status.startedMs)],
    ['domain', status.domain],
    ['web client', status.webUrl],
    ...status.webSocketUrls.map((url, i) => [i === 0 ? 'WebSocket' : '', url]),
    ['registration', status.registration],
    ...(status.cluster === undefined ? [] : clusterRows(status.cluster)),
    ...Object.entries(status.figures).map(([name, value]) => [inWords(name), figureText(name, value)]),
  ];
  return table(rows);
}

function clusterRows({ name, nodes, shards, leads, copies, inSync, planner }: ClusterStatus): string[][] {
  return [
    ['cluster', `${name}: ${countsText(nodes)}; ${planner ?? 'nobody'} plans`],
    ['shards', countsText(shards)],
    ['of this node', `leads ${figure(leads)}, has ${figure(copies)} copies, ${figure(inSync)} of them in sync`],
  ];
}

/** `{up: 3, draining: 0, silent: 1}` → `3 up, 1 silent` */
function countsText(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).filter(([, count]) => count > 0);
  return parts.length === 0 ? 'none' : parts.map(([name, count]) => `${figure(count)} ${name}`).join(', ');
}

function figure(value: number): string {
  return value.toLocaleString('en-US');
}

/** `freeBytes` → `free`, `openStreams` → `open streams`. */
function inWords(name: string): string {
  return name.replace(/Bytes$/, '').replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function figureText(name: string, value: number): string {
  return name.endsWith('Bytes') ? bytesText(value) : figure(value);
}
