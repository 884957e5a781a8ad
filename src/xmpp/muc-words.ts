import type { Element } from 'ltx';
import { escapeAttr, escapeText, stanza } from './stanza.ts';
import { delayElement } from './xep0203-delay.ts';

/** Words and elements of multi-user chat (XEP-0045), without any room's state. */

export const NS_MUC = 'http://jabber.org/protocol/muc';
export const NS_MUC_USER = `${NS_MUC}#user`;
export const NS_MUC_ADMIN = `${NS_MUC}#admin`;
export const NS_MUC_OWNER = `${NS_MUC}#owner`;

/** XEP-0045 5.2: long-lived, of a bare JID. From `member` on it is the membership of the group. */
export type Affiliation = 'owner' | 'admin' | 'member' | 'none' | 'outcast';
/** XEP-0045 5.1: of an occupant, as long as it is in the room. */
export type Role = 'moderator' | 'participant' | 'visitor' | 'none';

export const AFFILIATIONS: readonly Affiliation[] = ['owner', 'admin', 'member', 'none', 'outcast'];
export const ROLES: readonly Role[] = ['moderator', 'participant', 'visitor', 'none'];

export function isAffiliation(text: string | undefined): text is Affiliation {
  return AFFILIATIONS.includes(text as Affiliation);
}

export function isRole(text: string | undefined): text is Role {
  return ROLES.includes(text as Role);
}

/** Members get the group's messages; outcasts and strangers do not. */
export function isMember(affiliation: Affiliation): boolean {
  return affiliation === 'owner' || affiliation === 'admin' || affiliation === 'member';
}

/**
 * XEP-0045 15.6.2, those this service says: on entering (100, 110, 170, 201), of a changed configuration (104, 172, 173),
 * of a new nick (110, 303), of being taken out (110, 301, 307, 321, 322, 333). The others are of what rooms here do not
 * do: say affiliations to the absent (101), show unavailable members (102, 103), stop keeping an archive (171), choose
 * nicks (210), end with their server (332).
 */
export const STATUS = {
  /** the room shows full JIDs to everybody */
  nonAnonymous: 100,
  /** something else than what has a code of its own */
  configChanged: 104,
  self: 110,
  /** what is said can be read later: always */
  logged: 170,
  nowNonAnonymous: 172,
  nowSemiAnonymous: 173,
  created: 201,
  banned: 301,
  nickChanged: 303,
  kicked: 307,
  affiliationLost: 321,
  membersOnly: 322,
  technical: 333,
} as const;

export interface UserItem {
  readonly affiliation: Affiliation;
  /** absent in lists of affiliations */
  readonly role?: Role | undefined;
  /** full JID, only for those who may see it */
  readonly jid?: string | undefined;
  /** new nick, when it changes */
  readonly nick?: string | undefined;
  readonly reason?: string | undefined;
  /** nick of who did it */
  readonly actor?: string | undefined;
}

/** `<item/>` of muc#user and muc#admin. */
export function itemXml({ affiliation, role, jid, nick, reason, actor }: UserItem): string {
  let open = `<item affiliation='${affiliation}'`;
  if (role !== undefined) open += ` role='${role}'`;
  if (jid !== undefined) open += ` jid='${escapeAttr(jid)}'`;
  if (nick !== undefined) open += ` nick='${escapeAttr(nick)}'`;
  const by = actor === undefined ? '' : `<actor nick='${escapeAttr(actor)}'/>`;
  const why = reason === undefined ? '' : `<reason>${escapeText(reason)}</reason>`;
  return by + why === '' ? `${open}/>` : `${open}>${by}${why}</item>`;
}

/** `<x xmlns='…muc#user'/>` with the status codes, rising. */
export function userXml(item: UserItem | undefined, codes: readonly number[], more = ''): string {
  const statuses = [...codes].sort((a, b) => a - b).map((code) => `<status code='${code}'/>`);
  return `<x xmlns='${NS_MUC_USER}'>${item === undefined ? '' : itemXml(item)}${more}${statuses.join('')}</x>`;
}

/** How much of the past a device wants when it joins (XEP-0045 7.2.13); all that are named hold. */
export interface HistoryRequest {
  readonly maxChars?: number;
  readonly maxStanzas?: number;
  readonly seconds?: number;
  /** ms since the epoch */
  readonly since?: number;
}

/** What a presence with `<x xmlns='…muc'/>` asks for. */
export interface JoinRequest {
  readonly password: string | undefined;
  readonly history: HistoryRequest;
}

/** undefined: the presence is no request to join (7.2.1). */
export function parseJoin(presence: Element): JoinRequest | undefined {
  const x = presence.getChild('x', NS_MUC);
  if (x === undefined) return undefined;
  const history = x.getChild('history', NS_MUC);
  const count = (name: string): number | undefined => {
    const text: unknown = history?.attrs[name];
    return typeof text === 'string' && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
  };
  const stamp: unknown = history?.attrs['since'];
  const since = typeof stamp === 'string' ? Date.parse(stamp) : Number.NaN;
  const maxChars = count('maxchars');
  const maxStanzas = count('maxstanzas');
  const seconds = count('seconds');
  return {
    password: x.getChild('password', NS_MUC)?.getText(),
    history: {
      ...(maxChars !== undefined && { maxChars }),
      ...(maxStanzas !== undefined && { maxStanzas }),
      ...(seconds !== undefined && { seconds }),
      ...(!Number.isNaN(since) && { since }),
    },
  };
}

/** One `<item/>` of a muc#admin request (XEP-0045 9 and 10). */
export interface AdminItem {
  readonly jid: string | undefined;
  readonly nick: string | undefined;
  readonly affiliation: Affiliation | undefined;
  readonly role: Role | undefined;
  readonly reason: string | undefined;
}

/** @returns undefined when an item is none the XEP knows */
export function parseAdminItems(query: Element): readonly AdminItem[] | undefined {
  const items: AdminItem[] = [];
  for (const item of query.getChildren('item', NS_MUC_ADMIN)) {
    const { jid, nick, affiliation, role } = item.attrs as Record<string, string | undefined>;
    if (affiliation !== undefined && !isAffiliation(affiliation)) return undefined;
    if (role !== undefined && !isRole(role)) return undefined;
    items.push({ jid, nick, affiliation, role, reason: item.getChild('reason', NS_MUC_ADMIN)?.getText() });
  }
  return items;
}

/**
 * The message that tells a room's subject and since when (XEP-0045 7.2.15): the last of what a joining device gets.
 * @param subject undefined when it never had one; `ts` in ms since the epoch
 */
export function subjectXml(
  room: string,
  to: string,
  subject: { readonly nick: string; readonly text: string; readonly ts: number } | undefined,
): string {
  const from = subject === undefined || subject.nick === '' ? room : `${room}/${subject.nick}`;
  const text = escapeText(subject?.text ?? '');
  const since = subject === undefined ? '' : delayElement(subject.ts, room);
  const inner = `${text === '' ? '<subject/>' : `<subject>${text}</subject>`}${since}`;
  return stanza('message', { from, to, type: 'groupchat' }, inner);
}
