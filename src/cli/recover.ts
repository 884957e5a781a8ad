import type { Command } from 'commander';
import { EXIT, ExitError } from '../base/errors.ts';
import type { RecoveryPlan } from '../http/admin-cluster.ts';
import { askNode, shardNumber } from './ask-node.ts';
import { type CommonFlags, withCommonOptions } from './common-options.ts';
import { confirmed } from './confirm.ts';
import { type Io, tell } from './io.ts';
import { withProgress } from './progress.ts';
import { table } from './table.ts';

interface RecoverFlags extends CommonFlags {
  readonly unclean?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  rookery recover 17                                   what it would do and what may be lost; does nothing
  rookery recover 17 --unclean                         asks first, since it cannot be undone
  rookery recover 17 --unclean --yes --json

Only for a shard whose in-sync members are all gone for good: first try everything to start one of them again, nothing
is lost then. Needs the shard to be in state lost (rookery shards --state lost), else it is refused (exit code 6).`;

export function recoverCommand(program: Command, io: Io): void {
  withCommonOptions(program.command('recover <shard>'))
    .description('make a copy that may lack acknowledged messages the truth: the last resort')
    .option('--unclean', 'accept that acknowledged messages may be lost')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (text: string, flags: RecoverFlags) => {
      const shard = shardNumber(text);
      const look = askNode(io, flags, (api) => api.cluster.recovery(shard));
      const plan = await withProgress(io, 'asking for the copies that are there', look);
      if (flags.unclean !== true) {
        io.stdout.write(flags.json === true ? `${JSON.stringify(plan)}\n` : planTable(plan));
        throw new ExitError('nothing was done; --unclean does it, and accepts the loss', EXIT.usage);
      }
      io.stderr.write(planTable(plan));
      const question = `This cannot be undone. Type the number of the shard again: `;
      if (flags.yes !== true) await confirmed(io, question, String(shard), 'nothing was done');
      const work = askNode(io, flags, (api) => api.cluster.recoverUnclean(shard, plan.survivor));
      const done = await withProgress(io, `making the copy of ${plan.survivor} the truth`, work);
      if (flags.json === true) io.stdout.write(`${JSON.stringify(done)}\n`);
      else
        tell(
          io,
          `${done.leader} leads shard ${shard}, epoch ${done.epoch}; writes go on when a second copy is in sync`,
        );
    });
}

export function planTable({ shard, lost, survivor, last, reachable }: RecoveryPlan): string {
  return table([
    ['shard', String(shard)],
    ['in sync, all gone', lost.join(' ')],
    ['copies that are there', reachable.join(' ')],
    ['becomes the truth', `the copy of ${survivor}, which ends at index ${last.idx} of epoch ${last.epoch}`],
    ['may be lost', `what was acknowledged after that: messages of every user and chat of shard ${shard}`],
    ['for good', `${lost.join(' ')} will drop what they have more of it, should they come back`],
  ]);
}
