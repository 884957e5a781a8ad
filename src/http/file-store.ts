import type { Readable } from 'node:stream';

/**
 * Where uploaded files are. An id is given out by `newFileId` and nothing else ever reaches a path: it begins with the
 * day of its slot, and files are kept and removed by that day.
 */
export interface FileStore {
  /**
   * Takes a file, all of it or nothing: until it is whole and on disk, nobody sees any of it.
   * @param bytes exactly `facts.bytes` of them; read at the pace of the store
   * @param signal gives the file up
   * @returns `exists`: this id has been uploaded, or is being; `full`: no room
   * @throws what `bytes` throws, and on an I/O error; nothing of the file stays
   */
  put(id: string, facts: FileFacts, bytes: Readable, signal: AbortSignal): Promise<'stored' | 'exists' | 'full'>;
  /** @returns undefined when there is no such file, or not yet. @throws on an I/O error */
  open(id: string): Promise<OpenFile | undefined>;
  /** Removes every file of an earlier day than `day`, and what broken uploads left. @throws on an I/O error */
  sweep(day: number): Promise<void>;
  /** What is in it; undefined when that is not known (the store was out of reach since the start) */
  usage(): Usage | undefined;
  /** Whether a file of so many bytes would be taken now, as far as known. */
  hasRoom(bytes: number): boolean;
  /** URLs with which clients reach the store itself; absent when the bytes go through this node. */
  readonly direct?: DirectUrls;
  close(): Promise<void>;
}

export interface FileFacts {
  /** as in its URL, decoded */
  readonly name: string;
  readonly bytes: number;
  /** media type as it was uploaded; never believed when the file is served */
  readonly type: string;
}

export interface OpenFile {
  /** its name is undefined where a client reached the store itself, which keeps none then */
  readonly facts: Omit<FileFacts, 'name'> & { readonly name: string | undefined };
  /** @param from, to first and last byte, both inclusive and within the file */
  read(from: number, to: number): Promise<Readable>;
  /** Idempotent. Not while what `read` gave is being read. */
  close(): Promise<void>;
}

export interface Usage {
  readonly files: number;
  readonly bytes: number;
}

export interface DirectUrls {
  /** origin of these URLs, for the web client's content security policy */
  readonly origin: string;
  /** URL to put a file of this size and type to (any type when `type` is undefined), for `seconds` */
  put(
    id: string,
    file: { readonly bytes: number; readonly type: string | undefined },
    seconds: number,
  ): Promise<string>;
  /** URL to get it from with these headers, for `seconds` */
  get(id: string, headers: DirectHeaders, seconds: number): Promise<string>;
}

export interface DirectHeaders {
  readonly type: string;
  readonly disposition: string;
  readonly cacheControl: string;
}

const DAY_MS = 86_400_000;
const ID = /^\d{5}-[a-z2-7]{26}$/;

/** Days since the epoch. */
export function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS);
}

/** @param random 26 characters of base32: 130 bits that nobody guesses */
export function newFileId(nowMs: number, random: string): string {
  return `${String(dayOf(nowMs)).padStart(5, '0')}-${random}`;
}

export function isFileId(text: string): boolean {
  return ID.test(text);
}

/** The day of its slot. */
export function dayOfFile(id: string): number {
  return Number(id.slice(0, 5));
}
