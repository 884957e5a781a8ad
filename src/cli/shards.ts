import type { Command } from 'commander';
import { EXIT, ExitError } from '../base/errors.ts';
import { type ClusterShard, SHARD_STATES } from '../http/admin-cluster.ts';
import { askNode } from './ask-node.ts';
import { type CommonFlags, withCommonOptions } from './common-options.ts';
import type { Io } from './io.ts';
import { table } from './table.ts';

interface ShardsFlags extends CommonFlags {
  readonly of?: string;
  readonly state?: string;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  rookery shards --of node-2                          those with a copy on node-2
  rookery shards --state lost --json | jq '.[].shard'

States: ${SHARD_STATES.join(', ')}. docs/operating.md says what each means and asks for.`;

export function shardsCommand(program: Command, io: Io): void {
  withCommonOptions(program.command('shards'))
    .description('list the shards of the cluster: who leads them, who has copies')
    .option('--of <node>', 'only those with a copy on this node')
    .option('--state <state>', 'only those in this state')
    .option('--json', 'as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: ShardsFlags) => {
      if (flags.state !== undefined && !SHARD_STATES.some((state) => state === flags.state))
        throw new ExitError(`--state must be one of ${SHARD_STATES.join(', ')}`, EXIT.usage);
      const all = await askNode(io, flags, (api) => api.cluster.shards(flags.of));
      const shards = all.filter(({ state }) => flags.state === undefined || state === flags.state);
      io.stdout.write(flags.json === true ? `${JSON.stringify(shards)}\n` : shardsTable(shards));
    });
}

export function shardsTable(shards: readonly ClusterShard[]): string {
  const rows = shards.map(({ shard, epoch, leader, isr, replicas, state }) => {
    const behind = replicas.filter((name) => !isr.includes(name));
    return [String(shard), String(epoch), state, leader ?? '-', isr.join(' ') || '-', behind.join(' ') || '-'];
  });
  return table([['SHARD', 'EPOCH', 'STATE', 'LEADER', 'IN SYNC', 'BEHIND'], ...rows]);
}
