import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import t, { type Test } from 'tap';
import { type RunningCluster, type StartClusterOptions, startCluster } from '../../scripts/cluster-run.ts';
import { until } from '../clients/until.ts';
import { natsServerFor } from '../harness/nats.ts';
import { rookery, temporaryFolder } from './rookery.ts';

/** ms for a whole cluster to start or end on a slow machine */
const PATIENCE_MS = 60_000;
const SCRIPT = resolve('scripts/cluster.ts');

interface Told {
  readonly nodes: readonly {
    readonly id: string;
    readonly pid: number;
    readonly port: number;
    readonly folder: string;
  }[];
  readonly nats: readonly {
    readonly id: string;
    readonly pid: number;
    readonly port: number;
    readonly folder: string;
  }[];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // ESRCH: gone
  }
}

/** `npm run cluster` as a person runs it. */
class Command {
  readonly child: ChildProcess;
  out = '';
  err = '';

  constructor(t: Test, args: readonly string[]) {
    this.child = spawn(process.execPath, ['--import=tsx', SCRIPT, ...args]);
    this.child.stdout?.on('data', (text) => {
      this.out += text;
    });
    this.child.stderr?.on('data', (text) => {
      this.err += text;
    });
    t.teardown(() => void this.child.kill('SIGKILL'));
  }

  get gone(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  async said(what: RegExp): Promise<void> {
    await until(
      `${what} from the command`,
      () => {
        if (this.gone && !what.test(this.out + this.err)) throw new Error(`it ended: ${this.err}`);
        return what.test(this.out + this.err);
      },
      PATIENCE_MS,
    );
  }

  async ended(): Promise<number | null> {
    if (!this.gone) await once(this.child, 'exit');
    return this.child.exitCode;
  }
}

async function started(t: Test): Promise<{ command: Command; told: Told; pids: number[] }> {
  const dir = await temporaryFolder(t);
  const args = ['--json', '--port', '0', '--dir', dir, '--shards', '16', '--servers', '1'];
  const command = new Command(t, args);
  await command.said(/^\{.*\}$/m);
  const told = JSON.parse(command.out) as Told;
  return { command, told, pids: [...told.nodes, ...told.nats].map(({ pid }) => pid) };
}

const isReady = async (port: number): Promise<boolean> => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok;

t.test('one line tells what runs; who dies is reported; SIGTERM stops all of it', async (t) => {
  if (!(await natsServerFor(t))) return;
  const { command, told, pids } = await started(t);
  t.same(
    told.nodes.map(({ id }) => id),
    ['node-1', 'node-2', 'node-3'],
  );
  t.same(
    told.nats.map(({ id }) => id),
    ['nats-1'],
  );
  t.ok(pids.every(isAlive));
  for (const { port } of told.nodes) t.ok(await isReady(port));
  const [first, , third] = told.nodes;
  process.kill(third!.pid, 'SIGKILL');
  await command.said(/node-3 \(port \d+\) ended by SIGKILL; the others go on/);
  t.ok(isAlive(first!.pid));
  await until('the others to have everything', async () => (await isReady(first!.port)) && !command.gone);
  command.child.kill('SIGTERM');
  t.equal(await command.ended(), 0, command.err);
  t.notOk(pids.some(isAlive));
});

t.test('a second signal ends everything at once', async (t) => {
  if (!(await natsServerFor(t))) return;
  const { command, told, pids } = await started(t);
  // A stopped node does not drain, so the first signal cannot be through.
  process.kill(told.nats[0]!.pid, 'SIGSTOP');
  command.child.kill('SIGINT');
  await command.said(/stopping; once more to end everything at once/);
  // Signals within half a second are one: npm passes them on.
  await until('the second signal to count', () => {
    command.child.kill('SIGINT');
    return command.gone;
  });
  t.equal(await command.ended(), 130);
  await until('everything to be gone', () => !pids.some(isAlive));
});

t.test('kill -9 of the command leaves nothing behind', async (t) => {
  if (!(await natsServerFor(t))) return;
  const { command, pids } = await started(t);
  command.child.kill('SIGKILL');
  await until('everything to be gone', () => !pids.some(isAlive));
  t.pass();
});

t.test('a wrong command line is exit code 2 and a hint', async (t) => {
  for (const [args, message] of [
    [['--nodes', 'x'], /--nodes wants a whole number/],
    [['--nodes', '1'], /at least 2 nodes: a write waits for two copies/],
    [['--servers', '2'], /--servers wants 1 or 3/],
    [['--nods', '3'], /--nods/],
  ] as const) {
    const command = new Command(t, args);
    t.equal(await command.ended(), 2, args.join(' '));
    t.match(command.err, message);
  }
  const help = new Command(t, ['--help']);
  t.equal(await help.ended(), 0);
  t.match(help.out, /Examples:\n {2}npm run cluster/);
});

async function cluster(t: Test, options: Partial<StartClusterOptions> = {}): Promise<RunningCluster> {
  const running = await startCluster({ dir: await temporaryFolder(t), port: 0, servers: 1, shards: 16, ...options });
  t.teardown(() => running.stop());
  return running;
}

t.test('as functions: nodes are hurt, started again on their folder and port, and added', async (t) => {
  if (!(await natsServerFor(t))) return;
  const died: string[] = [];
  const running = await cluster(t, { died: ({ id }) => void died.push(id) });
  const [, second] = running.nodes;
  const { port, folder, pid } = second!;
  await second!.kill();
  t.equal(second!.pid, undefined);
  await second!.restart(PATIENCE_MS, { ROOKERY_LOG_LEVEL: 'debug' });
  t.same([second!.port, second!.folder, second!.env['ROOKERY_LOG_LEVEL']], [port, folder, 'debug']);
  t.not(second!.pid, pid);
  await second!.kill('SIGSTOP');
  t.ok(isAlive(second!.pid!), 'who is paused is still there');
  await second!.kill('SIGCONT');
  await second!.ready(PATIENCE_MS);
  const fourth = await running.addNode();
  t.equal(fourth.id, 'node-4');
  const listed = await rookery(['nodes', '--json', '--data-dir', fourth.folder]);
  if (listed.code === 0)
    t.same(
      (JSON.parse(listed.out) as { node: string }[]).map(({ node }) => node),
      ['node-1', 'node-2', 'node-3', 'node-4'],
    );
  t.same(died, [], 'what was asked for is no news');
});

t.test('in namespaces of their own a node is cut off, and healed', async (t) => {
  if (process.getuid?.() !== 0) {
    process.stderr.write(`\nNOT TESTED, needs root: ${t.name}\n\n`);
    t.pass('not tested', { skip: 'needs root' });
    return;
  }
  if (!(await natsServerFor(t))) return;
  const running = await cluster(t, { netns: true, port: 5280 });
  const net = running.net!;
  const [, second, third] = running.nodes;
  t.equal(third!.host, net.addressOf('node-3'));
  net.cut('node-3', 'nats-1');
  await until('the node to notice', async () => !(await third!.isReady()), PATIENCE_MS);
  t.ok(await second!.isReady(), 'the others go on');
  net.heal();
  await third!.ready(PATIENCE_MS);
});
