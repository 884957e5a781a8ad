/**
 * The black box proof of the cluster (test/cluster): three nodes, three nats-servers, real clients, one fault after the
 * other in a seeded order until the time is over. Exit code 1 when anything broke the promise; logs stay then.
 */
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { blackBox } from '../test/cluster/black-box.ts';
import { FAULTS, type Fault } from '../test/cluster/faults.ts';
import { rounds } from '../test/cluster/rounds.ts';

const HELP = `Usage: npm run black-box -- [options]

Hurts a cluster of real processes under the load of real clients, and reads every archive after each fault.

Options:
  --minutes <number>   how long faults are begun (30)
  --seed <number>      of the order, the victims and the times (drawn)
  --faults <names>     only these, comma separated; none: load alone. ${FAULTS.map(({ name }) => name).join(', ')}
  --dir <folder>       folders and logs (a temporary one, removed when all went well)
  --people <number>    who write to each other (24)
  --rate <number>      messages a second, of all together (40)
  --shards <number>    shards of the cluster (64)
  --no-netns           everything on the loopback interface: for no root, and without netsplits
  -h, --help           this
`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string' },
    faults: { type: 'string' },
    dir: { type: 'string' },
    people: { type: 'string', default: '24' },
    rate: { type: 'string', default: '40' },
    shards: { type: 'string', default: '64' },
    'no-netns': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}

const tell = (line: string): void => void process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);

function usage(message: string): never {
  process.stderr.write(`${message}\n(--help shows what is possible)\n`);
  process.exit(2);
}

function number(name: string, text: string): number {
  const value = Number(text);
  return Number.isFinite(value) && value >= 0 ? value : usage(`--${name} wants a number, not ${text}`);
}

/** Load alone. */
const CALM: Fault = { name: 'calm', lastsMs: [10_000, 10_000], inject: async () => async () => {} };

function chosen(names: string | undefined): readonly Fault[] {
  if (names === undefined) return FAULTS;
  if (names === 'none') return [CALM];
  return names
    .split(',')
    .map((name) => FAULTS.find((fault) => fault.name === name) ?? usage(`there is no fault ${name}`));
}

const seed = values.seed === undefined ? randomInt(2 ** 31) : number('seed', values.seed);
const dir = values.dir === undefined ? mkdtempSync(join(tmpdir(), 'rookery-black-box-')) : resolve(values.dir);
const minutes = number('minutes', values.minutes);
tell(`seed ${seed}, ${minutes} minutes, logs in ${dir}`);
const began = performance.now();
const result = await blackBox({
  dir,
  seed,
  next: rounds(chosen(values.faults), () => performance.now() - began > minutes * 60_000),
  people: number('people', values.people),
  perSecond: number('rate', values.rate),
  shards: number('shards', values.shards),
  netns: !values['no-netns'],
  tell,
});
const { faults, sent, acked, injected, skipped } = result;
tell(`${injected} faults injected (${skipped.length} kinds skipped), ${sent} messages sent, ${acked} acknowledged`);
if (faults.length === 0) {
  tell('verdict: every acknowledged message is there once, in order, in every view');
  if (values.dir === undefined) rmSync(dir, { recursive: true, force: true });
} else tell(`verdict: ${faults.length} FAULTS with seed ${seed}; logs are in ${dir}`);
process.exit(faults.length === 0 ? 0 : 1);
