import { Command, CommanderError } from 'commander';
import { EXIT, type ExitCode, ExitError, messageOf } from '../base/errors.ts';
import { AdminError } from '../http/admin.ts';
import { StorageFailedError, StorageFullError, StorageRefusedError } from '../storage/errors.ts';
import { VERSION } from '../version.ts';
import { drainCommand } from './drain.ts';
import { forgetCommand } from './forget.ts';
import { type Io, tell } from './io.ts';
import { nodesCommand } from './nodes.ts';
import { recoverCommand } from './recover.ts';
import { shardsCommand } from './shards.ts';
import { startCommand } from './start.ts';
import { statusCommand } from './status.ts';
import { transferCommand } from './transfer.ts';
import { userCommand } from './user.ts';

const EPILOGUE = `
Examples:
  rookery start                 serve chat at http://127.0.0.1:5280/
  rookery user add alice        make an account
  rookery status                how the node is doing
  rookery nodes                 the nodes of its cluster

rookery <command> --help tells more. Exit codes are in docs/errors.md.`;

/** Runs the command. @param args without node and script. @returns the exit code; never throws */
export async function run(args: readonly string[], io: Io): Promise<ExitCode> {
  try {
    await program(io).parseAsync([...args], { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    return explain(error, io);
  }
}

function program(io: Io): Command {
  const root = new Command('rookery')
    .description('Rookery: an XMPP chat server over WebSocket that keeps what it has acknowledged')
    .version(VERSION, '-V, --version')
    .addHelpText('after', EPILOGUE)
    .showHelpAfterError('(--help shows what is possible)')
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: (text) => io.stderr.write(text) });
  startCommand(root, io);
  userCommand(root, io);
  statusCommand(root, io);
  nodesCommand(root, io);
  shardsCommand(root, io);
  drainCommand(root, io);
  forgetCommand(root, io);
  transferCommand(root, io);
  recoverCommand(root, io);
  for (const command of [root, ...root.commands, ...root.commands.flatMap((child) => child.commands)])
    command.copyInheritedSettings(root);
  return root;
}

/** One line for what was foreseen; the stack only for what was not. */
function explain(error: unknown, io: Io): ExitCode {
  // Commander has printed its own line.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof ExitError) return said(io, error, error.exitCode);
  if (error instanceof StorageRefusedError) return said(io, error, EXIT.storageRefused);
  if (error instanceof AdminError || error instanceof StorageFullError) return said(io, error, EXIT.refused);
  if (error instanceof StorageFailedError) return said(io, error, EXIT.failure);
  tell(io, `rookery: unexpected: ${error instanceof Error ? (error.stack ?? error.message) : messageOf(error)}`);
  return EXIT.failure;
}

function said(io: Io, error: Error, code: ExitCode): ExitCode {
  tell(io, `rookery: ${error.message}`);
  return code;
}
