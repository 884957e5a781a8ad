import { constants } from 'node:fs';
import { access, mkdir, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { v7 } from 'uuid';
import { formatVersion, memberVersion } from './codec.ts';
import { StorageFailedError, StorageFullError, StorageRefusedError } from './errors.ts';
import { metaKey } from './keys.ts';
import type { StoreOptions } from './options.ts';
import { faultOf, openRocks, type Rocks } from './rocks.ts';

/** The row that says whose folder it is. JSON, so that any tool and any later version can read it. */
export interface FolderMeta {
  readonly formatVersion: number;
  /** S */
  readonly shards: number;
  /** ISO 8601 */
  readonly created: string;
  /** uuid; a wiped folder gets a new one. It is the incarnation of a member of a cluster */
  readonly storeId: string;
  /** true: of a member of a cluster, so that the journal may hold what is not committed */
  readonly member?: boolean;
}

/** Who opens the folder: a single node, a cluster member, or whoever opened it before (after a write error). */
export type FolderUse = 'single' | 'member' | 'same';

const metaName = metaKey('store');

/**
 * Opens the folder's database, creating both when missing.
 * @throws StorageRefusedError when this process must not use it, StorageFullError when there is no room to open it,
 *   StorageFailedError on another I/O error or corruption
 */
export async function openFolder(
  options: StoreOptions,
  use: FolderUse = 'same',
): Promise<{ rocks: Rocks; meta: FolderMeta }> {
  const folder = resolve(options.folder);
  await checkFolder(folder);
  const rocks = await openDatabase(folder, options);
  try {
    const meta = readMeta(rocks, folder, options.shards);
    if (meta?.member && use === 'single') {
      throw new StorageRefusedError(
        `${folder} belongs to a member of a cluster: start it with the cluster's settings, or choose another folder`,
      );
    }
    const current = meta !== undefined && meta.formatVersion >= formatVersion;
    return { rocks, meta: current ? meta : writeMeta(rocks, folder, options, meta) };
  } catch (error) {
    await rocks.close();
    throw error;
  }
}

async function checkFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    const isFile = codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOTDIR';
    throw new StorageRefusedError(
      isFile
        ? `${folder} is not a folder: give the store a folder of its own`
        : `${folder} cannot be created (${codeOf(error)}): create it, or allow this user to`,
      { cause: error },
    );
  }
  if (!(await stat(folder)).isDirectory()) {
    throw new StorageRefusedError(`${folder} is not a folder: give the store a folder of its own`);
  }
  try {
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new StorageRefusedError(`${folder} is not writable (${codeOf(error)}): allow this user to write there`, {
      cause: error,
    });
  }
}

async function openDatabase(folder: string, options: StoreOptions): Promise<Rocks> {
  try {
    return await openRocks(folder, options);
  } catch (error) {
    const { kind, message } = faultOf(error);
    if (kind === 'locked') {
      throw new StorageRefusedError(`${folder} is in use by another process: stop that one, or choose another folder`, {
        cause: error,
      });
    }
    if (kind === 'denied') {
      throw new StorageRefusedError(`${folder} is not writable: allow this user to write everything in it`, {
        cause: error,
      });
    }
    if (kind === 'full') {
      throw new StorageFullError(`${folder} cannot be opened, its disk is full: make room`, { cause: error });
    }
    if (/column families not opened|merge operator|comparator/i.test(message)) {
      throw new StorageRefusedError(`${folder} holds another program's or a newer Rookery's data: choose another`, {
        cause: error,
      });
    }
    throw new StorageFailedError(`${folder} cannot be opened: ${message}`, { cause: error });
  }
}

function readMeta(rocks: Rocks, folder: string, shards: number): FolderMeta | undefined {
  const bytes = rocks.get(metaName);
  if (bytes === undefined) {
    if (rocks.keys({}, 1).length === 0) return undefined;
    throw new StorageRefusedError(`${folder} holds another program's data: choose another folder`);
  }
  const meta = JSON.parse(bytes.toString('utf8')) as FolderMeta;
  if (meta.formatVersion > memberVersion) {
    throw new StorageRefusedError(
      `${folder} has format ${meta.formatVersion}, this Rookery reads up to ${memberVersion}: start a newer Rookery`,
    );
  }
  if (meta.shards !== shards) {
    throw new StorageRefusedError(
      `${folder} was created with ${meta.shards} shards and ${shards} are configured: set shards to ${meta.shards}, ` +
        'or choose another folder',
    );
  }
  return meta;
}

/** A new folder's, or an older one's before anything of this version is written: an older Rookery must refuse it. */
function writeMeta(rocks: Rocks, folder: string, { shards }: StoreOptions, older: FolderMeta | undefined): FolderMeta {
  const meta: FolderMeta = { shards, created: new Date().toISOString(), storeId: v7(), ...older, formatVersion };
  putMeta(rocks, folder, meta, []);
  return meta;
}

/**
 * Makes the folder a cluster member's, with its first rows, in one synced write.
 * @throws StorageFullError, StorageFailedError
 */
export function adoptFolder(
  rocks: Rocks,
  folder: string,
  meta: FolderMeta,
  rows: readonly (readonly [key: Buffer, value: Buffer])[],
): FolderMeta {
  const adopted: FolderMeta = { ...meta, formatVersion: memberVersion, member: true };
  putMeta(rocks, folder, adopted, rows);
  return adopted;
}

function putMeta(
  rocks: Rocks,
  folder: string,
  meta: FolderMeta,
  rows: readonly (readonly [key: Buffer, value: Buffer])[],
): void {
  const batch = rocks.batch();
  for (const [key, value] of rows) batch.put(key, value);
  batch.put(metaName, Buffer.from(JSON.stringify(meta)));
  try {
    batch.write(true);
  } catch (error) {
    const { kind, message } = faultOf(error);
    if (kind === 'full') throw new StorageFullError(`${folder} cannot be set up, its disk is full: make room`);
    throw new StorageFailedError(`${folder} cannot be set up: ${message}`, { cause: error });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}
