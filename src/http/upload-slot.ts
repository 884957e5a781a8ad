import { createHmac, timingSafeEqual } from 'node:crypto';
import { isFileId } from './file-store.ts';

/** What a PUT may bring: given to one client, signed, and held by nobody else. */
export interface Slot {
  readonly id: string;
  readonly name: string;
  readonly bytes: number;
  /** media type that the PUT has to name; undefined when any will do */
  readonly type: string | undefined;
  /** ms since the epoch until which the PUT has to begin */
  readonly expiresMs: number;
  /** who asked, as a pseudonym: tells uploads of one user from those of another */
  readonly owner: string;
}

export type SlotVerdict =
  | { readonly ok: true; readonly slot: Slot }
  | { readonly ok: false; readonly reason: 'signature' | 'expired' };

/** A URL's path below the prefix: `<id>/<name>`, the name percent-encoded (RFC 3986). */
export function filePath({ id, name }: Pick<Slot, 'id' | 'name'>): string {
  return `${id}/${encodeURIComponent(name)}`;
}

/** @returns undefined when it is no path that `filePath` makes */
export function parseFilePath(path: string): { readonly id: string; readonly name: string } | undefined {
  const at = path.indexOf('/');
  const id = path.slice(0, Math.max(at, 0));
  if (!isFileId(id)) return undefined;
  try {
    return { id, name: decodeURIComponent(path.slice(at + 1)) };
  } catch {
    // Not percent-encoding: no URL of ours.
    return undefined;
  }
}

/** A name for a user that says nothing to who does not hold the secret. @param user bare JID */
export function ownerTag(secret: string, user: string): string {
  return createHmac('sha256', secret).update(`owner\n${user}`).digest('base64url').slice(0, 12);
}

/** The query that goes with `filePath` in a PUT's URL. */
export function signSlot(secret: string, slot: Slot): string {
  const query = new URLSearchParams({ s: String(slot.bytes), e: String(slot.expiresMs), u: slot.owner });
  if (slot.type !== undefined) query.set('t', slot.type);
  query.set('m', mac(secret, slot));
  return query.toString();
}

/** Whether a PUT's URL is one of ours, unchanged, and still good. */
export function verifySlot(
  secret: string,
  path: { readonly id: string; readonly name: string },
  query: string,
  nowMs: number,
): SlotVerdict {
  const params = new URLSearchParams(query);
  const slot: Slot = {
    ...path,
    bytes: Number(params.get('s')),
    type: params.get('t') ?? undefined,
    expiresMs: Number(params.get('e')),
    owner: params.get('u') ?? '',
  };
  const given = Buffer.from(params.get('m') ?? '');
  const expected = Buffer.from(mac(secret, slot));
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return { ok: false, reason: 'signature' };
  return nowMs < slot.expiresMs ? { ok: true, slot } : { ok: false, reason: 'expired' };
}

/** Over every part, each on a line of its own: no part but the name, which is the last, can hold a line end. */
function mac(secret: string, { id, name, bytes, type, expiresMs, owner }: Slot): string {
  const parts = ['slot', id, bytes, expiresMs, owner, type === undefined ? '-' : `=${type}`, name];
  return createHmac('sha256', secret).update(parts.join('\n')).digest('base64url');
}
