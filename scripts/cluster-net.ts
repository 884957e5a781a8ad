import { execFileSync } from 'node:child_process';

/**
 * A network namespace for every process of a cluster, joined by a bridge, so that tests can cut any way between two of
 * them. Linux and root only. The machine itself has an address on the bridge: clients reach every node.
 */
export interface ClusterNet {
  /** Makes a place on the bridge. @returns its address */
  add(name: string): string;
  addressOf(name: string): string;
  /** words before a command line that run it there, under the same process id */
  prefix(name: string): readonly string[];
  /** What `from` sends to `to` is lost from here on; the other way stays. Idempotent. */
  cut(from: string, to: string): void;
  /** Mends the way again, or all ways. */
  heal(from?: string, to?: string): void;
  /** Takes everything away. Synchronous, for the end of a process. Idempotent. */
  close(): void;
}

/** Nothing beyond this machine routes to it (RFC 2544 keeps it for benchmarks). */
const NET = '198.18';
const PLACES_MAX = 200;
const NAME = /^rk(\d+)-/;

/** @throws Error when this is no Linux, not root, or namespaces are not allowed here */
export function openClusterNet(): ClusterNet {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    throw new Error('network namespaces take Linux and root');
  sweep();
  const id = `rk${process.pid}`;
  const bridge = `${id}-br`;
  const subnet = `${NET}.${process.pid % 256}`;
  ip('link', 'add', bridge, 'type', 'bridge');
  ip('address', 'add', `${subnet}.1/24`, 'dev', bridge);
  ip('link', 'set', bridge, 'up');
  const places = new Map<string, { readonly ns: string; readonly address: string }>();
  const cuts = new Set<string>();
  const place = (name: string): { readonly ns: string; readonly address: string } => {
    const found = places.get(name);
    if (found === undefined) throw new RangeError(`there is no ${name} in this network`);
    return found;
  };
  const route = (verb: 'add' | 'del', from: string, to: string): void =>
    void ip('-n', place(from).ns, 'route', verb, 'blackhole', `${place(to).address}/32`);
  const mend = (way: string): void => {
    const [from, to] = way.split(' ') as [string, string];
    if (cuts.delete(way)) route('del', from, to);
  };
  let closed = false;
  return {
    add(name) {
      if (places.size === PLACES_MAX) throw new RangeError(`a network has at most ${PLACES_MAX} places`);
      const number = places.size + 2;
      const made = { ns: `${id}-${name}`, address: `${subnet}.${number}` };
      ip('netns', 'add', made.ns);
      places.set(name, made);
      // Names of interfaces are short: 15 letters.
      const outside = `${id}v${number}`;
      ip('link', 'add', outside, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', made.ns);
      ip('link', 'set', outside, 'master', bridge, 'up');
      ip('-n', made.ns, 'link', 'set', 'lo', 'up');
      ip('-n', made.ns, 'address', 'add', `${made.address}/24`, 'dev', 'eth0');
      ip('-n', made.ns, 'link', 'set', 'eth0', 'up');
      return made.address;
    },
    addressOf: (name) => place(name).address,
    prefix: (name) => ['ip', 'netns', 'exec', place(name).ns],
    cut(from, to) {
      if (cuts.has(`${from} ${to}`)) return;
      route('add', from, to);
      cuts.add(`${from} ${to}`);
    },
    heal(from, to) {
      for (const way of [...cuts]) {
        const [a, b] = way.split(' ');
        if ((from === undefined || from === a) && (to === undefined || to === b)) mend(way);
      }
    },
    close() {
      if (closed) return;
      closed = true;
      for (const { ns } of places.values()) removed('netns', 'del', ns);
      removed('link', 'del', bridge);
    },
  };
}

/** What a killed process left: its number is in the names. */
function sweep(): void {
  const lines = [ip('netns', 'list'), ip('-o', 'link', 'show', 'type', 'bridge')].join('\n').split('\n');
  for (const line of lines) {
    const name = /(?:^|\s)(rk\d+-[\w-]+)/.exec(line)?.[1];
    const pid = NAME.exec(name ?? '')?.[1];
    if (name === undefined || pid === undefined || isAlive(Number(pid))) continue;
    if (name.endsWith('-br')) removed('link', 'del', name);
    else removed('netns', 'del', name);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // ESRCH: gone, so what bears its number is nobody's
  }
}

/** @throws Error with what `ip` said */
function ip(...words: string[]): string {
  try {
    return execFileSync('ip', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new Error(`ip ${words.join(' ')}: ${stderr?.trim() || message}`, { cause: error });
  }
}

function removed(...words: string[]): void {
  try {
    ip(...words);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
  }
}
