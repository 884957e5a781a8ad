import type { IncomingHttpHeaders } from 'node:http';
import { create as contentDisposition } from 'content-disposition';
import type { FileFacts } from './file-store.ts';

/**
 * How an uploaded file is answered: pure. Whatever was uploaded, a browser never runs any of it: what is not a known
 * picture, sound or film is bytes to be saved, every answer is sandboxed, and none is sniffed for another type.
 */
export interface FileReply {
  readonly status: 200 | 206 | 304 | 416;
  readonly headers: Readonly<Record<string, string>>;
  /** first and last byte, inclusive; undefined when there is no body */
  readonly range: { readonly from: number; readonly to: number } | undefined;
}

/** Media types that a browser shows and never runs. SVG is not among them: it has scripts. */
const SHOWN: ReadonlySet<string> = new Set([
  'image/png',
  'image/apng',
  'image/jpeg',
  'image/gif',
  'image/webp',
  'image/avif',
  'image/heic',
  'image/heif',
  'image/bmp',
  'image/jxl',
  'audio/mpeg',
  'audio/mp4',
  'audio/aac',
  'audio/x-m4a',
  'audio/ogg',
  'audio/opus',
  'audio/flac',
  'audio/wav',
  'audio/x-wav',
  'audio/webm',
  'audio/3gpp',
  'audio/amr',
  'video/mp4',
  'video/webm',
  'video/ogg',
  'video/quicktime',
  'video/3gpp',
  'video/x-matroska',
]);

/** Types that keep their name, for the programs that open them once they are saved. */
const SAVED: ReadonlySet<string> = new Set([
  'application/pdf',
  'application/zip',
  'application/gzip',
  'application/epub+zip',
  'application/vnd.oasis.opendocument.text',
  'application/vnd.oasis.opendocument.spreadsheet',
  'application/vnd.oasis.opendocument.presentation',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation',
]);

const BYTES = 'application/octet-stream';

/** For any web origin: a URL is all that anybody needs (XEP-0363 section 7). */
export const CORS: Readonly<Record<string, string>> = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag',
};

export const PREFLIGHT: Readonly<Record<string, string>> = {
  ...CORS,
  'access-control-allow-methods': 'GET, HEAD, PUT, OPTIONS',
  'access-control-allow-headers': 'Authorization, Content-Type, If-None-Match, If-Range, Range',
  'access-control-max-age': '86400',
};

/** What no answer with a user's bytes goes without (section 9.1). Nothing loads, runs, or is framed. */
const HARMLESS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'cross-origin',
};

/** Media type without parameters, in lower case. */
export function essenceOf(type: string): string {
  return type.split(';', 1)[0]!.trim().toLowerCase();
}

/** How a file may be shown: its type as far as it is safe, and whether in the page or as a download. */
export function presentation({ type, name }: Pick<FileFacts, 'type' | 'name'>): {
  readonly type: string;
  readonly disposition: string;
} {
  const essence = essenceOf(type);
  const shown = SHOWN.has(essence);
  return {
    type: shown || SAVED.has(essence) ? essence : BYTES,
    disposition: contentDisposition(name, { type: shown ? 'inline' : 'attachment' }),
  };
}

/** @param leftMs how long the file will be kept. Private: a shared cache would keep it beyond that */
export function cacheControl(leftMs: number): string {
  return `private, max-age=${Math.max(0, Math.min(31_536_000, Math.floor(leftMs / 1000)))}, immutable`;
}

/** @param leftMs how long the file will be kept */
export function fileReply(id: string, facts: FileFacts, request: IncomingHttpHeaders, leftMs: number): FileReply {
  const { type, disposition } = presentation(facts);
  const etag = `"${id}"`;
  const headers = {
    ...HARMLESS,
    ...CORS,
    etag,
    'accept-ranges': 'bytes',
    'cache-control': cacheControl(leftMs),
    'content-type': type,
    'content-disposition': disposition,
  };
  if (isAmong(request['if-none-match'], etag)) return { status: 304, headers, range: undefined };
  const asked = request['if-range'] === undefined || request['if-range'] === etag ? request.range : undefined;
  const part = asked === undefined ? undefined : parseRange(asked, facts.bytes);
  if (part === 'none')
    return { status: 416, headers: { ...headers, 'content-range': `bytes */${facts.bytes}` }, range: undefined };
  const range = part ?? { from: 0, to: facts.bytes - 1 };
  const length = { 'content-length': String(range.to - range.from + 1) };
  if (part === undefined) return { status: 200, headers: { ...headers, ...length }, range };
  const place = { 'content-range': `bytes ${range.from}-${range.to}/${facts.bytes}` };
  return { status: 206, headers: { ...headers, ...length, ...place }, range };
}

/**
 * RFC 9110 14.1.2. More than one range, another unit or nonsense: the whole file, as 14.2 allows.
 * @returns undefined for the whole file, `none` when nothing of it is asked for
 */
function parseRange(
  header: string,
  bytes: number,
): { readonly from: number; readonly to: number } | 'none' | undefined {
  const [, first = '', last = ''] = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(header) ?? [];
  if (first === '' && last === '') return undefined;
  if (first === '') return Number(last) === 0 ? 'none' : { from: Math.max(0, bytes - Number(last)), to: bytes - 1 };
  const from = Number(first);
  if (last !== '' && Number(last) < from) return undefined;
  return from >= bytes ? 'none' : { from, to: last === '' ? bytes - 1 : Math.min(Number(last), bytes - 1) };
}

/** RFC 9110 13.1.2, weak comparison. */
function isAmong(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}
