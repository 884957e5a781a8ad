import { type FileHandle, mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { codeOf, EXIT, ExitError, messageOf } from '../base/errors.ts';
import { dayOfFile, type FileFacts, type FileStore, type OpenFile, type Usage } from './file-store.ts';

export interface DiskStoreOptions {
  /** of one process only; made when missing */
  readonly folder: string;
  /** bytes of all files; one more is refused */
  readonly totalBytesMax: number;
  /** bytes that stay free on the disk: messages need them more */
  readonly freeBytesMin: number;
  /** free bytes of the folder's file system; the system's when absent */
  readonly freeBytesOf?: (folder: string) => Promise<number>;
}

/**
 * A file is `<day>/<id>`: a header, then the bytes as they came. It is written as `tmp/<id>`, synced, and renamed, so
 * whatever has its final name is whole.
 */
const TMP = 'tmp';
const DAY = /^\d{5}$/;

/** `RKF1`, the length of the facts as 4 bytes, the facts in JSON. */
const MAGIC = Buffer.from('RKF1');
const PREFIX_BYTES = 8;
const FACTS_BYTES_MAX = 4096;

/**
 * Opens the folder, takes away what broken uploads left, and counts what is there.
 * @throws ExitError (storageRefused) when the folder cannot be used
 */
export async function openDiskStore(options: DiskStoreOptions): Promise<FileStore> {
  const folder = resolve(options.folder);
  try {
    await mkdir(join(folder, TMP), { recursive: true, mode: 0o700 });
    const store = new DiskStore({ ...options, folder });
    await store.begin();
    return store;
  } catch (error) {
    const line = `${folder} cannot be used for uploads: ${messageOf(error)}; allow this user to, or set upload.dir`;
    throw new ExitError(line, EXIT.storageRefused, { cause: error });
  }
}

class DiskStore implements FileStore {
  readonly #options: DiskStoreOptions;
  readonly #folder: string;
  /** day → what it holds */
  readonly #days = new Map<number, Usage>();
  /** ids that are being written */
  readonly #busy = new Set<string>();
  /** bytes that these will have */
  #reserved = 0;
  #freeBytes = Number.MAX_SAFE_INTEGER;

  constructor(options: DiskStoreOptions) {
    this.#options = options;
    this.#folder = options.folder;
  }

  async begin(): Promise<void> {
    await this.#cleanTmp();
    for (const day of await this.#dayFolders()) {
      for (const name of await readdir(join(this.#folder, day)))
        this.#add(Number(day), (await stat(join(this.#folder, day, name))).size);
    }
    await this.#lookAtDisk();
  }

  async put(id: string, facts: FileFacts, bytes: Readable, signal: AbortSignal): Promise<'stored' | 'exists' | 'full'> {
    if (this.#busy.has(id)) return 'exists';
    // Whoever reads it gets the error too; before that it must not be nobody's.
    bytes.on('error', () => undefined);
    const header = headerOf(facts);
    const size = header.length + facts.bytes;
    this.#busy.add(id);
    this.#reserved += size;
    try {
      if (await isThere(this.#pathOf(id))) return 'exists';
      await this.#lookAtDisk();
      if (!this.hasRoom(0)) return 'full';
      addAbortSignal(signal, bytes);
      await this.#write(id, header, facts.bytes, bytes);
      this.#add(dayOfFile(id), size);
      return 'stored';
    } catch (error) {
      await rm(this.#tmpOf(id), { force: true });
      if (isFull(error)) return 'full';
      throw error;
    } finally {
      this.#busy.delete(id);
      this.#reserved -= size;
    }
  }

  async open(id: string): Promise<OpenFile | undefined> {
    let handle: FileHandle;
    try {
      handle = await open(this.#pathOf(id), 'r');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
    try {
      const { facts, headerBytes } = await readHeader(handle);
      return {
        facts,
        read: async (from, to) =>
          handle.createReadStream({ start: headerBytes + from, end: headerBytes + to, autoClose: false }),
        close: () => handle.close(),
      };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async sweep(day: number): Promise<void> {
    for (const name of await this.#dayFolders()) {
      if (Number(name) >= day) continue;
      await rm(join(this.#folder, name), { recursive: true, force: true });
      this.#days.delete(Number(name));
    }
    await this.#cleanTmp();
    await this.#lookAtDisk();
  }

  usage(): Usage {
    let files = 0;
    let bytes = 0;
    for (const day of this.#days.values()) {
      files += day.files;
      bytes += day.bytes;
    }
    return { files, bytes };
  }

  hasRoom(bytes: number): boolean {
    const more = this.#reserved + bytes;
    const { totalBytesMax, freeBytesMin } = this.#options;
    return this.usage().bytes + more <= totalBytesMax && this.#freeBytes - more >= freeBytesMin;
  }

  /** Nothing is open between calls. */
  async close(): Promise<void> {}

  async #write(id: string, header: Buffer, size: number, bytes: Readable): Promise<void> {
    const handle = await open(this.#tmpOf(id), 'wx', 0o600);
    try {
      await writeAll(handle, header);
      let written = 0;
      // Kept open when it ends early: the client is to get its answer.
      for await (const chunk of bytes.iterator({ destroyOnReturn: false })) {
        written += (chunk as Buffer).length;
        if (written > size) break;
        await writeAll(handle, chunk as Buffer);
      }
      if (written !== size) throw new Error('the file is not as long as its slot says');
      await handle.sync();
    } finally {
      await handle.close();
    }
    const folder = join(this.#folder, id.slice(0, 5));
    if ((await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined) await syncFolder(this.#folder);
    await rename(this.#tmpOf(id), this.#pathOf(id));
    await syncFolder(folder);
  }

  #add(day: number, size: number): void {
    const { files, bytes } = this.#days.get(day) ?? { files: 0, bytes: 0 };
    this.#days.set(day, { files: files + 1, bytes: bytes + size });
  }

  async #lookAtDisk(): Promise<void> {
    this.#freeBytes = await (this.#options.freeBytesOf ?? freeBytesOf)(this.#folder);
  }

  async #dayFolders(): Promise<string[]> {
    return (await readdir(this.#folder)).filter((name) => DAY.test(name));
  }

  async #cleanTmp(): Promise<void> {
    for (const name of await readdir(join(this.#folder, TMP)))
      if (!this.#busy.has(name)) await rm(join(this.#folder, TMP, name), { force: true });
  }

  #pathOf(id: string): string {
    return join(this.#folder, id.slice(0, 5), id);
  }

  #tmpOf(id: string): string {
    return join(this.#folder, TMP, id);
  }
}

function headerOf(facts: FileFacts): Buffer {
  const text = Buffer.from(JSON.stringify(facts));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  return Buffer.concat([MAGIC, length, text]);
}

/** @throws Error when it is none of ours */
async function readHeader(handle: FileHandle): Promise<{ readonly facts: FileFacts; readonly headerBytes: number }> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(PREFIX_BYTES + FACTS_BYTES_MAX), 0, undefined, 0);
  const headerBytes = PREFIX_BYTES + buffer.readUInt32BE(MAGIC.length);
  if (!buffer.subarray(0, MAGIC.length).equals(MAGIC) || headerBytes > bytesRead)
    throw new Error('a file in the folder of uploads is none');
  return { facts: JSON.parse(buffer.toString('utf8', PREFIX_BYTES, headerBytes)) as FileFacts, headerBytes };
}

async function writeAll(handle: FileHandle, chunk: Buffer): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await handle.write(chunk, at)).bytesWritten;
}

/** A rename is on disk when its folder is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function isFull(error: unknown): boolean {
  return codeOf(error) === 'ENOSPC' || codeOf(error) === 'EDQUOT';
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
