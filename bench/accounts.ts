import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Account, Client } from './client.ts';
import { urlOf } from './context.ts';
import { pool } from './pool.ts';
import type { Progress } from './progress.ts';
import type { Mechanism } from './sasl.ts';
import { ServerError } from './server-error.ts';

export interface AccountOptions {
  readonly url: string;
  readonly domain: string;
  readonly auth: Mechanism | 'auto';
  readonly timeoutMs: number;
  readonly prefix: string;
  readonly password: string;
  readonly register: boolean;
  readonly usersFile?: string;
  readonly accountCommand?: string;
}

/** Registrations under way at once. */
const parallel = 16;

/** Accounts of a users file: `user password` or `user:password` a line, # begins a comment. @throws Error */
export function parseUsers(file: string): Account[] {
  return file
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line, i) => {
      const [, user, password] = /^([^\s:]+)[\s:]+(.+)$/.exec(line) ?? [];
      if (user === undefined || password === undefined) throw new Error(`users file: entry ${i + 1} has no password`);
      return { user, password };
    });
}

/** `{user}` and `{password}` of the command, quoted for the shell. */
export function fillCommand(command: string, account: Account): string {
  const quote = (value: string) => `'${value.replaceAll("'", `'\\''`)}'`;
  return command.replaceAll('{user}', quote(account.user)).replaceAll('{password}', quote(account.password));
}

/** `count` accounts that exist on the server. @throws Error when they cannot be made */
export async function prepareAccounts(
  options: AccountOptions,
  count: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<Account[]> {
  if (options.usersFile !== undefined) {
    const listed = parseUsers(readFileSync(options.usersFile, 'utf8'));
    if (listed.length < count) throw new Error(`users file has ${listed.length} accounts, ${count} are needed`);
    return listed.slice(0, count);
  }
  const accounts = Array.from({ length: count }, (_, i) => ({
    user: `${options.prefix}${i}`,
    password: options.password,
  }));
  if (!options.register && options.accountCommand === undefined) return accounts;
  let done = 0;
  let made = 0;
  await pool(accounts, options.accountCommand === undefined ? parallel : 2, signal, async (account, i) => {
    if (options.accountCommand !== undefined) await runCommand(fillCommand(options.accountCommand, account));
    else if (await register({ ...options, url: urlOf(options, i) }, account)) made++;
    progress.show(`accounts: ${++done}/${count}`);
  });
  if (options.accountCommand === undefined) progress.say(`accounts: ${made} registered, ${done - made} were there`);
  return accounts;
}

/** A cluster whose shards are just changing hands says `resource-constraint`, type wait: asked again so often, ms apart. */
const BUSY_ATTEMPTS_MAX = 40;
const BUSY_MS = 500;

/** @returns false when the account is there already */
async function register(options: AccountOptions, account: Account): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    const client = new Client({ ...options, account });
    await client.connect();
    try {
      await client.register();
      return true;
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      if (error.condition === 'conflict') return false;
      if (error.condition !== 'resource-constraint' || attempt === BUSY_ATTEMPTS_MAX) throw error;
    } finally {
      client.close();
    }
    await sleep(BUSY_MS);
  }
}

async function runCommand(command: string): Promise<void> {
  const child = spawn('sh', ['-c', command], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the account command ended with code ${code}`);
}
