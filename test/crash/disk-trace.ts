/**
 * What of a folder's files is surely on disk, read off a trace of the system calls that wrote them
 * (`strace -f -y -s 0 -e trace=<TRACED>`). A write is in the page cache, which a killed process leaves behind but a
 * power failure does not; it is on disk once a sync that began after it has returned.
 *
 *     write(3</d/a>, ""..., 10) = 10 · fdatasync(3</d/a>) = 0 · write(3</d/a>, ""..., 5) = 5     → written 15, synced 10
 */
export const TRACED = [
  'write',
  'pwrite64',
  'writev',
  'fsync',
  'fdatasync',
  'ftruncate',
  'openat',
  'rename',
  'unlink',
] as const;

export interface FileOnDisk {
  /** bytes */
  written: number;
  /** bytes that a finished sync covers */
  synced: number;
  /** the folder was synced after the file was made, so its name is on disk too */
  named: boolean;
}

interface Call {
  readonly name: string;
  /** of the descriptor, or the first path named */
  readonly path: string;
  readonly args: string;
  readonly result: number;
  /** bytes of the file when a sync began */
  readonly covers: number;
  /** files whose names a folder's sync covers */
  readonly names: readonly string[];
}

const LINE = /^(?:\[pid\s+)?(\d+)\]?\s+(.*)$/;

/**
 * @param lines of the trace
 * @param before files that were there, all of it on disk; path → bytes
 * @returns state of every file below `folder` that there is at the end
 */
export function filesOnDisk(
  lines: Iterable<string>,
  folder: string,
  before: ReadonlyMap<string, number>,
): Map<string, FileOnDisk> {
  const files = new Map<string, FileOnDisk>();
  for (const [path, bytes] of before) files.set(path, { written: bytes, synced: bytes, named: true });
  /** begun and not returned: another thread's call came in between */
  const open = new Map<string, { text: string; covers: number; names: string[] }>();
  for (const line of lines) {
    const [, pid = '', rest = ''] = LINE.exec(line) ?? [];
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    const begun = resumed === null ? start(rest, folder, files) : open.get(pid);
    if (resumed !== null) open.delete(pid);
    if (begun === undefined) continue;
    if (rest.endsWith('<unfinished ...>')) {
      open.set(pid, { ...begun, text: rest.slice(0, -'<unfinished ...>'.length) });
      continue;
    }
    const call = parse(resumed === null ? rest : begun.text + resumed[1], begun);
    if (call?.path.startsWith(folder)) apply(call, files);
  }
  return files;
}

function start(text: string, folder: string, files: ReadonlyMap<string, FileOnDisk>) {
  if (!text.includes(folder)) return undefined;
  const names: string[] = [];
  const path = /<([^>]*)>/.exec(text)?.[1] ?? '';
  if (text.startsWith('fsync')) for (const file of files.keys()) if (dirOf(file) === path) names.push(file);
  return { text, covers: files.get(path)?.written ?? 0, names };
}

function parse(text: string, { covers, names }: { covers: number; names: string[] }): Call | undefined {
  const [, name = '', args = '', result = ''] = /^(\w+)\((.*)\)\s+= (-?\d+)/.exec(text) ?? [];
  if (name === '' || Number(result) < 0) return undefined;
  const quoted = /"([^"]*)"/.exec(args)?.[1];
  const path = ['openat', 'rename', 'unlink'].includes(name) ? quoted : /^\d+<([^>]*)>/.exec(args)?.[1];
  return path === undefined ? undefined : { name, path, args, result: Number(result), covers, names };
}

function apply({ name, path, args, result, covers, names }: Call, files: Map<string, FileOnDisk>): void {
  const file = files.get(path);
  switch (name) {
    case 'openat': {
      if (/O_CREAT/.test(args) && file === undefined) files.set(path, { written: 0, synced: 0, named: false });
      else if (/O_TRUNC/.test(args) && file !== undefined) file.written = file.synced = 0;
      return;
    }
    case 'write':
    case 'writev':
      if (file !== undefined) file.written += result;
      return;
    case 'pwrite64': {
      const offset = Number(/(\d+)$/.exec(args)?.[1]);
      if (file !== undefined) file.written = Math.max(file.written, offset + result);
      return;
    }
    case 'ftruncate':
      if (file !== undefined) file.written = Number(/(\d+)$/.exec(args)?.[1]);
      return;
    case 'fsync':
    case 'fdatasync':
      if (file !== undefined) file.synced = Math.max(file.synced, covers);
      for (const one of names) if (files.has(one)) files.get(one)!.named = true;
      return;
    case 'rename': {
      const to = /"[^"]*", "([^"]*)"/.exec(args)?.[1];
      if (file === undefined || to === undefined) return;
      files.delete(path);
      files.set(to, { ...file, named: files.has(to) });
      return;
    }
    case 'unlink':
      files.delete(path);
  }
}

const dirOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));
