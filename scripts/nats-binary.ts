import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  accessSync,
  constants,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { atLeast, natsServerVersionMin } from '../src/transport/nats-version.ts';

const run = promisify(execFile);

/** Debian releases whose own package is too old, and the one to take it from instead. */
const NEXT_RELEASE: Readonly<Record<string, string>> = { bullseye: 'trixie', bookworm: 'trixie' };

const FETCH_MS_MAX = 180_000;
const VERSION_MS_MAX = 10_000;

/** No usable nats-server; the message says what was found and how to get one. */
export class NatsServerMissingError extends Error {
  override readonly name = 'NatsServerMissingError';
}

export interface FindOptions {
  /** where a fetched server is kept, the project's `.cache`; created when missing */
  readonly cacheDir: string;
  /** folders to look in, `PATH` of this process by default */
  readonly path?: string;
  /** false: never fetch a package, only look */
  readonly fetch?: boolean;
  readonly osRelease?: string;
}

/**
 * The path of a nats-server that is new enough: the one on the PATH, else the one in the cache, else on Debian the
 * package of the next release, fetched with the machine's own apt sources and signatures and unpacked without being
 * installed.
 * @throws NatsServerMissingError
 */
export async function findNatsServer(options: FindOptions): Promise<string> {
  const refused: string[] = [];
  const cached = join(resolve(options.cacheDir), 'nats-server', 'nats-server');
  for (const path of [...onPath(options.path ?? process.env['PATH'] ?? ''), cached]) {
    const version = await versionOf(path);
    if (version === undefined) continue;
    if (atLeast(version, natsServerVersionMin)) return path;
    refused.push(`${path} is ${version}, which can let two writers win one compare-and-set when clustered`);
  }
  if (options.fetch !== false) {
    const failure = await fetchPackage(cached, options);
    if (failure === undefined) return cached;
    refused.push(failure);
  }
  throw new NatsServerMissingError(
    [
      `nats-server ${natsServerVersionMin} or newer is needed.`,
      ...refused.map((line) => `  ${line}`),
      '  Get it: Debian 13 has it (apt-get install nats-server), other systems: https://docs.nats.io, "Installing".',
      '  Then put it on the PATH.',
    ].join('\n'),
  );
}

/** nats-server of Debian lies in /usr/sbin, which is often missing from the PATH of people. */
function onPath(path: string): string[] {
  return path
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, 'nats-server'))
    .filter(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // not there, or not for us: both mean to look on
  }
}

async function versionOf(path: string): Promise<string | undefined> {
  if (!isExecutable(path)) return undefined;
  try {
    const { stdout } = await run(path, ['--version'], { timeout: VERSION_MS_MAX });
    return /v(\d+\.\d+\.\d+\S*)/.exec(stdout)?.[1];
  } catch {
    return undefined; // not a program of this machine: as good as missing
  }
}

/** Fetches and unpacks the package; answers why that was not possible, or undefined. */
async function fetchPackage(target: string, options: FindOptions): Promise<string | undefined> {
  const release = releaseOf(options.osRelease ?? readIfThere('/etc/os-release'));
  if (release === undefined) return 'this is not Debian, so no package was fetched';
  const sources = sourcesFor(readSources(), release.codename, release.wanted);
  if (sources.length === 0) return `no apt source of ${release.codename} was found, so no package was fetched`;
  mkdirSync(join(target, '..'), { recursive: true });
  const work = mkdtempSync(join(target, '..', 'fetch-'));
  try {
    const deb = await download(work, sources);
    await run('dpkg-deb', ['-x', deb, join(work, 'unpacked')], { timeout: FETCH_MS_MAX });
    const binary = ['usr/sbin', 'usr/bin'].map((at) => join(work, 'unpacked', at, 'nats-server')).find(isExecutable);
    const version = binary === undefined ? undefined : await versionOf(binary);
    if (binary === undefined || version === undefined)
      return `the package of ${release.wanted} holds no nats-server that runs here`;
    if (!atLeast(version, natsServerVersionMin)) return `the package of ${release.wanted} is ${version}`;
    // By rename, so that others who look or fetch meanwhile see all of it or nothing.
    const whole = join(target, '..', `.${randomUUID()}`);
    copyFileSync(binary, whole);
    renameSync(whole, target);
    return undefined;
  } catch (error) {
    return `fetching the package of ${release.wanted} failed: ${lastLine(error)}`;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** apt with lists and cache of its own, so that the machine's stay as they are. */
async function download(work: string, sources: readonly SourceFile[]): Promise<string> {
  const parts = join(work, 'sources');
  const lists = join(work, 'lists');
  for (const folder of [parts, join(lists, 'partial'), join(work, 'cache', 'archives', 'partial')])
    mkdirSync(folder, { recursive: true });
  for (const { name, text } of sources) writeFileSync(join(parts, name), text);
  const settings = [
    'Dir::Etc::sourcelist=/dev/null',
    `Dir::Etc::sourceparts=${parts}`,
    `Dir::State::Lists=${lists}`,
    `Dir::Cache=${join(work, 'cache')}`,
    'APT::Sandbox::User=root',
    'Acquire::Retries=2',
  ].flatMap((setting) => ['-o', setting]);
  const inWork = { cwd: work, timeout: FETCH_MS_MAX };
  // A source of somebody else's that has no such release fails here; the download below is what counts.
  const updated = await run('apt-get', [...settings, '-qq', 'update'], inWork).then(
    () => undefined,
    (error: unknown) => error,
  );
  try {
    await run('apt-get', [...settings, '-qq', 'download', 'nats-server'], inWork);
  } catch (error) {
    throw updated ?? error;
  }
  const deb = readdirSync(work).find((name) => name.endsWith('.deb'));
  if (deb === undefined) throw new Error('apt-get download left no package');
  return join(work, deb);
}

export interface SourceFile {
  /** ends in .list or .sources, which tells apt the format */
  readonly name: string;
  readonly text: string;
}

function readSources(): SourceFile[] {
  const parts = '/etc/apt/sources.list.d';
  const files = listIfThere(parts)
    .filter((name) => /\.(list|sources)$/.test(name))
    .map((name) => ({ name, text: readIfThere(join(parts, name)) }));
  return [{ name: 'main.list', text: readIfThere('/etc/apt/sources.list') }, ...files];
}

/**
 * The machine's apt sources, both formats, with the suites of its release (`bookworm`, `bookworm-updates` …) changed to
 * those of another. A file that names none of them is left out.
 */
export function sourcesFor(files: readonly SourceFile[], codename: string, wanted: string): SourceFile[] {
  const suite = new RegExp(`(^|\\s)${codename}(?=$|[\\s/-])`, 'g');
  return files.flatMap(({ name, text }) => {
    const lines = text.split('\n').map((line) => {
      const isSuite = name.endsWith('.sources') ? /^Suites:/i.test(line) : /^\s*deb\s/.test(line);
      return isSuite ? line.replace(suite, `$1${wanted}`) : line;
    });
    const changed = lines.join('\n');
    return changed === text && codename !== wanted ? [] : text.trim() === '' ? [] : [{ name, text: changed }];
  });
}

function releaseOf(osRelease: string): { codename: string; wanted: string } | undefined {
  const field = (name: string): string | undefined => new RegExp(`^${name}="?([a-z]+)"?$`, 'm').exec(osRelease)?.[1];
  const codename = field('VERSION_CODENAME');
  if (field('ID') !== 'debian' || codename === undefined) return undefined;
  return { codename, wanted: NEXT_RELEASE[codename] ?? codename };
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // a machine without it has no such sources
  }
}

function listIfThere(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // likewise
  }
}

function lastLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message?: string };
  const text = (stderr ?? '').trim() || String(message ?? error);
  return text.split('\n').at(-1) ?? text;
}
