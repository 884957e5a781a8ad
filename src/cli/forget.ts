import type { Command } from 'commander';
import { askNode } from './ask-node.ts';
import { type CommonFlags, withCommonOptions } from './common-options.ts';
import { type Io, tell } from './io.ts';

const EXAMPLES = `
Examples:
  rookery forget node-3                               node-3 is gone for good: nobody misses it any more
  rookery forget node-3 --json

It deletes the node's record, no data. Refused (exit code 6) while the node runs, and while shards still name it: drain
it before you stop it, or wait until others have taken its copies. A node that comes back after all joins anew.`;

export function forgetCommand(program: Command, io: Io): void {
  withCommonOptions(program.command('forget <node>'))
    .description('delete the record of a node that has been stopped for good')
    .option('--json', 'as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (node: string, flags: CommonFlags & { readonly json?: boolean }) => {
      await askNode(io, flags, (api) => api.cluster.forget(node));
      if (flags.json === true) io.stdout.write(`${JSON.stringify({ node, forgotten: true })}\n`);
      else tell(io, `${node} is forgotten`);
    });
}
