import type { Command } from 'commander';
import { EXIT, ExitError } from '../base/errors.ts';
import type { NodeStatus } from '../http/admin.ts';
import { adminClient, NotRunningError } from '../http/admin-client.ts';
import { adminSocketPath } from '../http/admin-socket.ts';
import { type CommonFlags, configOf, withCommonOptions } from './common-options.ts';
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
      const { node } = await configOf(io.env, flags);
      const status = await statusOf(node.dataDir);
      io.stdout.write(flags.json === true ? `${JSON.stringify(status)}\n` : statusTable(status, Date.now()));
      if (!status.ready) throw new ExitError(`not ready: ${status.reason ?? 'no reason given'}`, EXIT.failure);
    });
}

async function statusOf(dataDir: string): Promise<NodeStatus> {
  try {
    return await adminClient(adminSocketPath(dataDir)).status();
  } catch (error) {
    if (!(error instanceof NotRunningError)) throw error;
    throw new ExitError(`no node runs on ${dataDir}; rookery start starts one`, EXIT.notRunning);
  }
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
    ...Object.entries(status.figures).map(([name, value]) => [inWords(name), figureText(name, value)]),
  ];
  return table(rows);
}

/** `freeBytes` → `free`, `openStreams` → `open streams`. */
function inWords(name: string): string {
  return name.replace(/Bytes$/, '').replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function figureText(name: string, value: number): string {
  return name.endsWith('Bytes') ? bytesText(value) : value.toLocaleString('en-US');
}
