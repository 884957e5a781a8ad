import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { EXIT, ExitError } from '../base/errors.ts';
import type { Config } from '../config.ts';
import { type AdminApi, USERS_MAX } from '../http/admin.ts';
import { adminClient, NotRunningError } from '../http/admin-client.ts';
import { adminSocketPath } from '../http/admin-socket.ts';
import { type CommonFlags, configOf, withCommonOptions } from './common-options.ts';
import { confirmed } from './confirm.ts';
import { checkOwner } from './data-folder.ts';
import { type Io, tell } from './io.ts';
import { type PasswordFlags, passwordFor } from './password.ts';
import { withProgress } from './progress.ts';
import { table } from './table.ts';

interface ListFlags extends CommonFlags {
  readonly limit: string;
  readonly json?: boolean;
}

const ABOUT = `
They ask the node that runs on the data folder, through its admin socket; when none runs, they open the folder. In a
cluster (cluster.name) a node has to run: accounts lie on all nodes, and any of them can be asked for any account.`;

const ADD_EXAMPLES = `
Examples:
  rookery user add alice                              asks for the password, twice
  pwgen 20 1 | rookery user add bob --password-stdin
  rookery user add carol@chat.example.org --data-dir /var/lib/rookery`;

const PASSWD_EXAMPLES = `
Examples:
  rookery user passwd alice                           asks for the new password; alice's streams end
  pass show alice | rookery user passwd alice --password-stdin`;

const LIST_EXAMPLES = `
Examples:
  rookery user list
  rookery user list --json | jq -r '.[].user'`;

const REMOVE_EXAMPLES = `
Examples:
  rookery user remove alice                           asks first, since it cannot be undone
  rookery user remove alice --yes`;

export function userCommand(program: Command, io: Io): void {
  const user = program.command('user').description('add, change, list and remove accounts').addHelpText('after', ABOUT);
  withPasswordOptions(withCommonOptions(user.command('add <user>')))
    .description('make an account')
    .addHelpText('after', ADD_EXAMPLES)
    .action(async (name: string, flags: CommonFlags & PasswordFlags) => {
      const password = await passwordFor(io, flags);
      await withAdmin(io, flags, (api) => api.addUser(name, password), true);
      tell(io, `added ${name}`);
    });
  withPasswordOptions(withCommonOptions(user.command('passwd <user>')))
    .description('set a new password')
    .addHelpText('after', PASSWD_EXAMPLES)
    .action(async (name: string, flags: CommonFlags & PasswordFlags) => {
      const password = await passwordFor(io, flags);
      await withAdmin(io, flags, (api) => api.setPassword(name, password));
      tell(io, `new password set for ${name}`);
    });
  withCommonOptions(user.command('list'))
    .description('list accounts')
    .option('--limit <number>', 'most accounts to list', '10000')
    .option('--json', 'as JSON')
    .addHelpText('after', LIST_EXAMPLES)
    .action((flags: ListFlags) => list(io, flags));
  withCommonOptions(user.command('remove <user>'))
    .description('remove an account with its contacts and archive')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', REMOVE_EXAMPLES)
    .action(async (name: string, flags: CommonFlags & { readonly yes?: boolean }) => {
      const question = `Remove ${name}, with contacts and archive? This cannot be undone. Type the name again: `;
      if (flags.yes !== true) await confirmed(io, question, name, 'not removed');
      await withAdmin(io, flags, (api) => api.removeUser(name));
      tell(io, `removed ${name}`);
    });
}

function withPasswordOptions(command: Command): Command {
  return command
    .option('--password-stdin', 'read the password from the first line of standard input')
    .option('--password <password>', 'the password itself; others on this machine can see it, so better not');
}

async function list(io: Io, flags: ListFlags): Promise<void> {
  const limit = Number(flags.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit >= USERS_MAX)
    throw new ExitError(`--limit must be a whole number from 1 to ${USERS_MAX - 1}`, EXIT.usage);
  const found = await withAdmin(io, flags, (api) => api.listUsers(limit + 1));
  const users = found.slice(0, limit);
  if (flags.json === true) io.stdout.write(`${JSON.stringify(users)}\n`);
  else {
    const rows = users.map(({ user, createdMs }) => [user, new Date(createdMs).toISOString()]);
    io.stdout.write(table([['USER', 'CREATED'], ...rows]));
  }
  if (found.length > limit) tell(io, `there are more; --limit ${limit * 10} shows them`);
}

/** Asks the running node, else opens the data folder for one question. @param makes whether it may make the folder */
async function withAdmin<T>(
  io: Io,
  flags: CommonFlags,
  question: (api: AdminApi) => Promise<T>,
  makes = false,
): Promise<T> {
  const config = await configOf(io.env, flags);
  try {
    return await question(adminClient(adminSocketPath(config.node.dataDir)));
  } catch (error) {
    if (!(error instanceof NotRunningError)) throw error;
    return await offline(io, config, question, makes);
  }
}

/**
 * A member of a cluster is not opened: its folder has a share of the accounts, and nobody may write there but by way of
 * the other copies. @throws ExitError (notRunning)
 */
async function offline<T>(io: Io, config: Config, question: (api: AdminApi) => Promise<T>, makes: boolean): Promise<T> {
  const { name } = config.cluster;
  if (name !== '')
    throw new ExitError(
      `no node runs on ${config.node.dataDir}, and accounts of the cluster ${name} lie on all of its nodes: ` +
        'start the node, or ask at one that runs',
      EXIT.notRunning,
    );
  const { dataDir } = config.node;
  checkOwner(dataDir);
  if (!existsSync(dataDir)) {
    // Mostly mistyped, or the default folder seen from elsewhere.
    const line = `there is no folder ${resolve(dataDir)}`;
    if (!makes) throw new ExitError(`${line}: name the right --data-dir`, EXIT.notRunning);
    tell(io, `${line} yet: it is made`);
  }
  const { openAdmin } = await io.loadNode();
  const admin = await withProgress(io, 'no node runs; opening the data folder', openAdmin(config));
  try {
    return await question(admin.api);
  } finally {
    await admin.close();
  }
}
