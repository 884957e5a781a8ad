import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { EXIT, ExitError } from '../base/errors.ts';
import type { DrainProgress } from '../http/admin-cluster.ts';
import { askNode } from './ask-node.ts';
import { type CommonFlags, withCommonOptions } from './common-options.ts';
import { type Io, tell } from './io.ts';

interface DrainFlags extends CommonFlags {
  readonly undo?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  rookery drain node-3                                 moves everything off node-3 and watches until it is empty
  rookery drain node-3 --undo                          node-3 takes copies and leaderships again

Any node of the cluster can be asked. Ctrl-C stops watching, not draining. A drained node that is started again takes
part again. Exit codes: 0 empty, 6 it cannot become empty as things are (the line says why), 130 no longer watched.`;

/** ms between two looks: the first, and the longest */
const LOOK_MS = 50;
const LOOK_MS_MAX = 1_000;
/** ms until the first progress line, and between two of them */
const FIRST_LINE_MS = 1_000;
const LINE_MS = 2_000;

export function drainCommand(program: Command, io: Io): void {
  withCommonOptions(program.command('drain <node>'))
    .description('move everything off a node of the cluster, so that it can be stopped for good')
    .option('--undo', 'let the node take copies and leaderships again')
    .option('--json', 'as JSON, once it is empty')
    .addHelpText('after', EXAMPLES)
    .action(async (node: string, flags: DrainFlags) => {
      if (flags.undo === true) {
        await askNode(io, flags, (api) => api.cluster.undrain(node));
        tell(io, `${node} takes copies and leaderships again`);
        return;
      }
      const ended = await watched(io, node, flags);
      if (flags.json === true) io.stdout.write(`${JSON.stringify(ended)}\n`);
      conclude(io, ended);
    });
}

/** Asks for the drain and looks until it is done, cannot be, or Ctrl-C comes. */
async function watched(io: Io, node: string, flags: DrainFlags): Promise<DrainProgress> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  io.signals.on('SIGINT', onSignal);
  try {
    let progress = await askNode(io, flags, (api) => api.cluster.drain(node));
    if (progress.note !== undefined && !progress.blocked) tell(io, `note: ${progress.note}`);
    let lineDueMs = performance.now() + FIRST_LINE_MS;
    for (let wait = LOOK_MS; !progress.done && !progress.blocked; wait = Math.min(2 * wait, LOOK_MS_MAX)) {
      if (performance.now() >= lineDueMs) {
        tell(io, `${node} still leads ${progress.leads} shards and has ${progress.copies} copies`);
        lineDueMs = performance.now() + LINE_MS;
      }
      await sleep(wait, undefined, { signal: stop.signal }).catch(() => undefined); // the signal is asked next
      if (stop.signal.aborted) return progress;
      progress = await askNode(io, flags, (api) => api.cluster.drainProgress(node));
    }
    return progress;
  } finally {
    io.signals.off('SIGINT', onSignal);
  }
}

function conclude(io: Io, { node, leads, copies, done, blocked, note }: DrainProgress): void {
  if (done) return tell(io, `${node} is empty: it can be stopped for good`);
  const left = `it still leads ${leads} shards and has ${copies} copies`;
  if (blocked)
    throw new ExitError(
      `${node} cannot become empty: ${note ?? 'too few nodes are up'}; ${left}. It goes on draining when another node is up`,
      EXIT.refused,
    );
  throw new ExitError(
    `no longer watching: ${node} goes on draining, ${left}; rookery drain ${node} watches again, --undo ends it`,
    EXIT.forced,
  );
}
