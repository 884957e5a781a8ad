import type { Command } from 'commander';
import { askNode, shardNumber } from './ask-node.ts';
import { type CommonFlags, withCommonOptions } from './common-options.ts';
import { type Io, tell } from './io.ts';
import { withProgress } from './progress.ts';

const EXAMPLES = `
Examples:
  rookery transfer 17 node-2                           node-2 leads shard 17, without anything being lost
  rookery transfer 17 node-2 --json

The node must be in sync with the shard (rookery shards). The planner evens leaderships out: where this makes one node
lead more than its share it may move one back. To empty a node, drain it.
Exit codes: 0 done, 6 refused (the line says why).`;

export function transferCommand(program: Command, io: Io): void {
  withCommonOptions(program.command('transfer <shard> <node>'))
    .description('hand the leadership of a shard over to a node')
    .option('--json', 'as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (shard: string, node: string, flags: CommonFlags & { readonly json?: boolean }) => {
      const number = shardNumber(shard);
      const work = askNode(io, flags, (api) => api.cluster.transfer(number, node));
      const done = await withProgress(io, `handing shard ${number} over to ${node}`, work);
      if (flags.json === true) io.stdout.write(`${JSON.stringify(done)}\n`);
      else tell(io, `${done.leader} leads shard ${done.shard}, epoch ${done.epoch}`);
    });
}
