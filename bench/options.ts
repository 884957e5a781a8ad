import { Command, InvalidArgumentError, Option } from 'commander';
import { mechanisms } from './sasl.ts';

/** A parser of whole numbers within bounds, for commander. */
export function whole(min: number, max: number): (value: string) => number {
  return (value) => {
    const n = Number(value);
    if (!Number.isInteger(n) || n < min || n > max) {
      throw new InvalidArgumentError(`A whole number from ${min} to ${max} is wanted.`);
    }
    return n;
  };
}

/** An even number within bounds: users come in pairs. */
export function even(min: number, max: number): (value: string) => number {
  return (value) => {
    const n = whole(min, max)(value);
    if (n % 2 !== 0) throw new InvalidArgumentError('An even number is wanted: users talk in pairs.');
    return n;
  };
}

/** One address, or those of a cluster's nodes with commas between. */
export function wsUrls(value: string): string {
  if (!value.split(',').every((url) => URL.canParse(url) && /^wss?:$/.test(new URL(url).protocol))) {
    throw new InvalidArgumentError('A ws:// or wss:// address is wanted, or several with commas between.');
  }
  return value;
}

export const resultOptions = (command: Command) =>
  command
    .option('--out <path>', 'write <path>.json and <path>.html as well')
    .option('--pin', 'one core for the server, another for the load (taskset)', false)
    .option('--server-core <n>', 'core of the server with --pin', whole(0, 1023), 0)
    .option('--load-core <n>', 'core of the load with --pin', whole(0, 1023), 1)
    .option('--prefix <text>', 'account names are <text>0, <text>1 …', 'bench');

/** Options of every scenario that drives a server. */
export function serverOptions(command: Command): Command {
  return resultOptions(command)
    .option(
      '--url <url>',
      'WebSocket address; several of a cluster: with commas',
      wsUrls,
      'ws://127.0.0.1:5280/xmpp-websocket',
    )
    .option('--domain <name>', 'XMPP domain', 'localhost')
    .option('--name <text>', 'what the server is called in the report', 'server')
    .option('--pid <n>', 'process to measure (default: who listens on the port)', whole(1, 4_194_304))
    .option('--spawn <command>', 'shell command that starts the server; it is ended with the run')
    .addOption(new Option('--auth <mechanism>', 'SASL mechanism').choices(['auto', ...mechanisms]).default('auto'))
    .option('--password <text>', 'password of the accounts', 'bench-password-1')
    .option('--no-register', 'the accounts are there')
    .option('--users-file <file>', 'accounts to use, `user password` a line')
    .option('--account-command <command>', 'shell command that makes one account, with {user} and {password}')
    .option('--sources <n>', 'local addresses to connect from, 127.0.0.1 …', whole(1, 250), 1)
    .option('--timeout-ms <n>', 'wait for one answer of the server, ms', whole(100, 600_000), 30_000);
}

/** Options of every message load. */
export function loadOptions(command: Command): Command {
  return command
    .option('--rate <n>', 'messages per second in all (open loop; replaces --outstanding)', whole(1, 1_000_000))
    .option('--body <bytes>', 'length of a message body', whole(23, 200_000), 100)
    .option('--warmup <seconds>', 'load before the measured stretch', whole(0, 600), 3)
    .option('--duration <seconds>', 'measured stretch', whole(1, 86_400), 10);
}

/** Options of the 1:1 pattern, the relay's too. */
export function patternOptions(command: Command): Command {
  return loadOptions(command)
    .option('--users <n>', 'connected users, in pairs', even(2, 9_000), 200)
    .option('--outstanding <n>', 'messages each user keeps under way (closed loop)', whole(1, 1_000), 5);
}

/** A scenario's command: description, examples under --help. */
export function scenario(name: string, description: string, examples: readonly string[]): Command {
  const lines = examples.map((example) => `  $ npm run bench -- ${name} ${example}`.trimEnd());
  return new Command(name)
    .description(description)
    .allowExcessArguments(false)
    .addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}

/** A comma-separated list of known names. */
export function list(known: readonly string[]): (value: string) => string[] {
  return (value) => {
    const names = value.split(',');
    const unknown = names.find((name) => !known.includes(name));
    if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is none of ${known.join(', ')}.`);
    return names;
  };
}
