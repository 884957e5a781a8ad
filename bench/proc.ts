import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Linux reports CPU in ticks of 1/100 s (sysconf(_SC_CLK_TCK) is 100 on every supported platform). */
const tickUs = 10_000;

/** user + system µs of a process with all its threads, from the text of /proc/<pid>/stat (any name). */
export function cpuUsOfStat(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickUs;
}

export function parentOfStat(stat: string): number {
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

/** Resident KiB from the text of /proc/<pid>/status. */
export function rssKbOfStatus(status: string): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
}

/** Inodes of sockets that listen on `port`, from the text of /proc/net/tcp or tcp6. */
export function listenersOf(table: string, port: number): string[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((f) => f[3] === '0A' && f[1]?.endsWith(wanted))
    .map((f) => f[9] ?? '');
}

/** A file of /proc, '' when its process has just gone. */
function proc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'latin1');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

const pids = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name));

/** The process that listens on a TCP port of this machine; undefined when none is found (or it is not ours to see). */
export function pidOfPort(port: number): number | undefined {
  const inodes = [proc('net/tcp'), proc('net/tcp6')].flatMap((table) => listenersOf(table, port));
  const targets = new Set(inodes.map((inode) => `socket:[${inode}]`));
  if (targets.size === 0) return undefined;
  for (const pid of pids()) {
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        if (targets.has(readlinkSync(`/proc/${pid}/fd/${fd}`))) return Number(pid);
      }
    } catch (error) {
      if (!['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  return undefined;
}

/** A process and everything it has started, itself first. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const pid of pids()) {
    const stat = proc(`${pid}/stat`);
    if (stat === '') continue;
    const parent = parentOfStat(stat);
    children.set(parent, [...(children.get(parent) ?? []), Number(pid)]);
  }
  const tree = [root];
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i]!) ?? []));
  return tree;
}

export interface Usage {
  /** user + system CPU since the processes began, µs, all threads */
  readonly cpuUs: number;
  /** resident memory, KiB, summed */
  readonly rssKb: number;
}

/** What a process tree uses. CPU has a resolution of 10 ms, so a run should take seconds. */
export function usageOf(root: number): Usage {
  let cpuUs = 0;
  let rssKb = 0;
  for (const pid of processTree(root)) {
    const stat = proc(`${pid}/stat`);
    if (stat !== '') cpuUs += cpuUsOfStat(stat);
    rssKb += rssKbOfStatus(proc(`${pid}/status`));
  }
  return { cpuUs, rssKb };
}

/** Binds a process tree, all threads, to one core. @throws Error when taskset is missing or refuses */
export function pin(root: number, core: number): void {
  for (const pid of processTree(root)) {
    execFileSync('taskset', ['-a', '-c', '-p', String(core), String(pid)], { stdio: 'ignore' });
  }
}
