import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type HttpRequest, type Reply, text } from './reply.ts';

const compress = promisify(gzip);

const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  ico: 'image/x-icon',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json',
  mp3: 'audio/mpeg',
  ogg: 'audio/ogg',
  png: 'image/png',
  svg: 'image/svg+xml',
  ttf: 'font/ttf',
  wasm: 'application/wasm',
};

/** Already compressed; gzip would only cost. */
const PACKED = new Set(['ico', 'mp3', 'ogg', 'png']);

interface Loaded {
  readonly etag: string;
  readonly plain: Buffer;
  readonly packed: Buffer | undefined;
}

export interface StaticFilesOptions {
  /** the folder served, with everything below it that has a known type */
  readonly folder: string;
  /** bytes of files and their gzip kept in memory; beyond it a file is read (and packed) for each request */
  readonly cacheBytesMax: number;
  /** relative paths not served */
  readonly skip?: (path: string) => boolean;
}

/**
 * Serves the files that a folder held at start, and no other: a path is looked up, never joined, so nothing outside
 * can be asked for. Each is read and packed at its first request, then kept.
 */
export class StaticFiles {
  readonly #folder: string;
  readonly #cacheBytesMax: number;
  readonly #names: ReadonlySet<string>;
  readonly #cache = new Map<string, Promise<Loaded>>();
  #cacheBytes = 0;

  constructor({ folder, cacheBytesMax, skip = () => false }: StaticFilesOptions) {
    this.#folder = folder;
    this.#cacheBytesMax = cacheBytesMax;
    const names = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) =>
        join(entry.parentPath, entry.name)
          .slice(folder.length + 1)
          .replaceAll('\\', '/'),
      );
    this.#names = new Set(names.filter((name) => TYPES[extensionOf(name)] !== undefined && !skip(name)));
  }

  /** Relative paths served, `/` between folders. */
  get names(): readonly string[] {
    return [...this.#names].sort();
  }

  /** Bytes held. */
  get cacheBytes(): number {
    return this.#cacheBytes;
  }

  /** @param name relative path, as one of `names`; anything else is 404 */
  async reply(name: string, request: HttpRequest, cacheControl: string): Promise<Reply> {
    if (!this.#names.has(name)) return text(404, 'no such file');
    const { etag, plain, packed } = await this.#load(name);
    const headers: Record<string, string> = {
      'content-type': TYPES[extensionOf(name)]!,
      'cache-control': cacheControl,
      vary: 'Accept-Encoding',
      etag,
    };
    if (matches(request.headers['if-none-match'], etag)) return { status: 304, headers, body: '' };
    if (packed === undefined || !acceptsGzip(request.headers['accept-encoding']))
      return { status: 200, headers, body: plain };
    return { status: 200, headers: { ...headers, 'content-encoding': 'gzip' }, body: packed };
  }

  #load(name: string): Promise<Loaded> {
    const known = this.#cache.get(name);
    if (known !== undefined) return known;
    const loading = this.#read(name);
    // Kept while it loads, so that a burst of first requests packs it once.
    this.#cache.set(name, loading);
    loading.then(
      ({ plain, packed }) => {
        const bytes = plain.length + (packed?.length ?? 0);
        if (this.#cacheBytes + bytes > this.#cacheBytesMax) this.#cache.delete(name);
        else this.#cacheBytes += bytes;
      },
      () => this.#cache.delete(name),
    );
    return loading;
  }

  async #read(name: string): Promise<Loaded> {
    const plain = await readFile(join(this.#folder, name));
    // Weak, since the same tag stands for the packed form (RFC 9110 8.8.1).
    const etag = `W/"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`;
    return { etag, plain, packed: PACKED.has(extensionOf(name)) ? undefined : await compress(plain) };
  }
}

function extensionOf(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1).toLowerCase();
}

/** RFC 9110 13.1.2, weak comparison. */
export function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag.slice(2));
}

function acceptsGzip(header: string | string[] | undefined): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(String(header ?? ''));
}
