import type { Credentials } from './credentials.ts';
import { type Jid, tryJid } from './jid.ts';

/** Row key of an account, among the rows of its user. No row: no such account. */
export const ACCOUNT_KEY = 'account';

/** UTF-8 bytes of a local part that may be registered. RFC 7622 allows 1,023; nobody can read such a name. */
export const USERNAME_BYTES_MAX = 128;

/**
 * Local parts of anonymous users start with this, and nobody may register one: else whoever saw an anonymous user's
 * address could register it and so enter that user's session.
 */
export const ANONYMOUS_PREFIX = 'anon-';

/** What is stored of an account. There is no password in it and none can be read out of it. */
export interface AccountRow {
  /** format version of this row */
  readonly v: 1;
  readonly credentials: Credentials;
  /** ms since the epoch */
  readonly createdMs: number;
  /** ms since the epoch; equals createdMs until the first change */
  readonly passwordChangedMs: number;
  /** who made it: the user over XEP-0077, or the operator with the command line */
  readonly origin: 'in-band' | 'operator';
}

/**
 * What a session remembers of its account. The keys are most of what an idle user's rows take, and only a login or a new
 * password asks for them: they are read from the store then.
 */
export type RememberedAccount = Pick<AccountRow, 'createdMs'>;

/** @param row as stored; one without a time is older than everything */
export function rememberedAccount(row: unknown): RememberedAccount {
  return { createdMs: (row as Partial<AccountRow>).createdMs ?? 0 };
}

/** A fresh account, made at `nowMs` (ms since the epoch). */
export function newAccount(credentials: Credentials, origin: AccountRow['origin'], nowMs: number): AccountRow {
  return { v: 1, credentials, createdMs: nowMs, passwordChangedMs: nowMs, origin };
}

/** The same account with new keys, changed at `nowMs` (ms since the epoch). */
export function withCredentials(row: AccountRow, credentials: Credentials, nowMs: number): AccountRow {
  return { ...row, credentials, passwordChangedMs: nowMs };
}

/**
 * The bare JID of a user name as clients give it to SASL (RFC 6120 6.3.8: the local part, nothing else), normalised;
 * undefined when no account can have that name.
 */
export function accountJid(username: string, domain: string): Jid | undefined {
  // without this check 'eve@evil/x' + '@domain' would parse as somebody else's full JID
  if (username === '' || /[@/]/.test(username)) return undefined;
  const jid = tryJid(`${username}@${domain}`);
  return jid !== undefined && jid.local !== '' && jid.resource === '' ? jid : undefined;
}

/**
 * May a session that proved to be `user` (bare JID) act as `authzid` (RFC 6120 6.3.8)? Only as itself: the same bare
 * JID in any spelling that normalises to it. Absent and empty mean "as itself".
 */
export function authzidMatches(authzid: string | undefined, user: string): boolean {
  if (authzid === undefined || authzid === '') return true;
  return tryJid(authzid)?.full === user;
}

export type UsernameVerdict =
  | { readonly ok: true; readonly jid: Jid }
  | { readonly ok: false; readonly reason: 'username-malformed' | 'username-too-long' | 'username-reserved' };

/** May an account of this name be made (in band, or by the operator)? Says nothing about whether it exists. */
export function checkUsername(username: string, domain: string): UsernameVerdict {
  if (Buffer.byteLength(username) > USERNAME_BYTES_MAX) return { ok: false, reason: 'username-too-long' };
  const jid = accountJid(username, domain);
  if (jid === undefined) return { ok: false, reason: 'username-malformed' };
  // normalisation (NFC, case folding) can make a name longer
  if (Buffer.byteLength(jid.local) > USERNAME_BYTES_MAX) return { ok: false, reason: 'username-too-long' };
  if (jid.local.startsWith(ANONYMOUS_PREFIX)) return { ok: false, reason: 'username-reserved' };
  return { ok: true, jid };
}
