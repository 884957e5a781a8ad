/**
 * A cluster on this machine: `npm run cluster -- --nodes 3`. Ctrl-C (or SIGTERM) stops the nodes, then the nats-servers;
 * a second one ends everything at once. With `--json` one line on standard output tells what runs, once all are ready.
 */
import { parseArgs } from 'node:util';
import { type Ended, type RunningCluster, type StartClusterOptions, startCluster } from './cluster-run.ts';
import { NatsServerMissingError } from './nats-server.ts';

const HELP = `Usage: npm run cluster -- [options]

Starts nats-servers and nodes of one cluster on this machine, each with a folder of its own, until Ctrl-C.

Options:
  --nodes <number>     nodes, 2 at least (3)
  --servers <1|3>      nats-servers (3)
  --dir <folder>       folders and logs of everything; taken up again by the next start (data/cluster)
  --port <number>      port of the first node, the others count up; 0: free ones (5280)
  --shards <number>    shards of a new cluster, fixed from then on (1024)
  --domain <name>      domain that all nodes serve (localhost)
  --profile <name>     default, or bench: no rate and login limits
  --netns              every process in its own network namespace; Linux, root only
  --json               one line of JSON once all are ready: id, pid, port and folder of every node and nats-server
  -h, --help           this

Examples:
  npm run cluster -- --nodes 3
  npm run --silent cluster -- --json --port 0 --dir /tmp/try | jq -r '.nodes[0].pid'
  rookery nodes --data-dir data/cluster/node-1/data
`;

/** Signals this close together, ms, are one: npm passes on the Ctrl-C that the terminal has sent already. */
const ONE_SIGNAL_MS = 500;

const tell = (line: string): void => void process.stderr.write(`${line}\n`);

function usage(message: string): never {
  tell(`${message}\n(--help shows what is possible)`);
  process.exit(2);
}

function whole(name: string, text: string): number {
  return /^\d{1,6}$/.test(text) ? Number(text) : usage(`--${name} wants a whole number, not ${text}`);
}

function optionsOf(args: readonly string[]): StartClusterOptions & { readonly json: boolean } {
  const { values } = parse(args);
  if (values.help) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  const servers = whole('servers', values.servers);
  if (servers !== 1 && servers !== 3) usage('--servers wants 1 or 3');
  const { profile } = values;
  if (profile !== 'default' && profile !== 'bench') usage('--profile wants default or bench');
  return {
    nodes: whole('nodes', values.nodes),
    servers,
    dir: values.dir,
    port: whole('port', values.port),
    ...(values.shards !== undefined && { shards: whole('shards', values.shards) }),
    domain: values.domain,
    profile,
    netns: values.netns,
    json: values.json,
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        nodes: { ...text, default: '3' },
        servers: { ...text, default: '3' },
        dir: { ...text, default: 'data/cluster' },
        port: { ...text, default: '5280' },
        shards: text,
        domain: { ...text, default: 'localhost' },
        profile: { ...text, default: 'default' },
        netns: flag,
        json: flag,
        help: { ...flag, short: 'h' },
      },
    });
  } catch (error) {
    return usage((error as Error).message);
  }
}

function asJson({ name, nodes, nats }: RunningCluster): string {
  return JSON.stringify({
    cluster: name,
    nodes: nodes.map(({ id, pid, host, port, folder, webSocketUrl }) => ({
      id,
      pid,
      host,
      port,
      folder,
      webSocketUrl,
    })),
    nats: nats.urls.map((url, i) => ({
      id: `nats-${i + 1}`,
      pid: nats.pids[i],
      host: new URL(url).hostname,
      port: nats.ports[i]?.client,
      folder: nats.dirs[i],
    })),
  });
}

function show({ nodes, nats }: RunningCluster): void {
  tell('');
  for (const { id, pid, host, port, folder } of nodes) tell(`  ${id}  pid ${pid}  ${host}:${port}  ${folder}`);
  for (const [i, url] of nats.urls.entries()) tell(`  nats-${i + 1}  pid ${nats.pids[i]}  ${url}  ${nats.dirs[i]}`);
  tell(`\n  web client  ${nodes[0]?.httpUrl}/   (every node serves it)`);
  tell(`  rookery nodes --data-dir ${nodes[0]?.folder}\n\nCtrl-C stops it.`);
}

function endedText({ code, signal }: Ended): string {
  return signal === null ? `with code ${code}` : `by ${signal}`;
}

async function main(): Promise<void> {
  const options = optionsOf(process.argv.slice(2));
  let cluster: RunningCluster | undefined;
  let askedAtMs: number | undefined;
  let asked = (): void => {};
  const stop = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const onSignal = (): void => {
    if (askedAtMs === undefined) {
      askedAtMs = performance.now();
      tell('stopping; once more to end everything at once');
      asked();
      // Still starting: what has been started ends with this process.
      if (cluster === undefined) process.exit(130);
    } else if (performance.now() - askedAtMs >= ONE_SIGNAL_MS) {
      tell('forced');
      process.exit(130);
    }
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const began = performance.now();
  cluster = await startCluster({
    ...options,
    progress: (line) => tell(`${line} …`),
    died: (node, ended) =>
      tell(`${node.id} (port ${node.port}) ended ${endedText(ended)}; the others go on:\n${node.logEnd()}`),
  });
  tell(`ready after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  if (options.json) process.stdout.write(`${asJson(cluster)}\n`);
  else show(cluster);
  await stop;
  await cluster.stop();
  tell('stopped');
}

try {
  await main();
  process.exit(0);
} catch (error) {
  const foreseen = error instanceof NatsServerMissingError || error instanceof RangeError;
  tell(foreseen ? error.message : String((error as Error).message ?? error));
  process.exit(foreseen ? 2 : 1);
}
