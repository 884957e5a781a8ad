import type { Element } from 'ltx';
import { type Jid, tryJid } from './jid.ts';
import { type MamFault, NS_MAM } from './mam-query.ts';
import type { SessionPort } from './module.ts';
import { getContact } from './rfc6121-contacts.ts';
import { escapeText } from './stanza.ts';

/** Row of the user that holds the preferences. */
export const PREFS_ROW = 'mam-prefs';

/** XEP-0441 archiving preferences. JIDs are normalised, bare or full. */
export interface MamPrefs {
  readonly v: 1;
  readonly default: 'always' | 'never' | 'roster';
  readonly always: readonly string[];
  readonly never: readonly string[];
}

/** What holds for a user who never set any: everything is archived. */
export const DEFAULT_PREFS: MamPrefs = { v: 1, default: 'always', always: [], never: [] };

/** Most JIDs in each of the two lists. */
const LIST_MAX = 500;

function readList(prefs: Element, name: 'always' | 'never'): readonly string[] | MamFault {
  const lists = prefs.getChildren(name, NS_MAM);
  if (lists.length > 1) return { error: 'bad-request', text: `more than one <${name}/>` };
  const jids = new Set<string>();
  for (const item of lists[0]?.getChildren('jid', NS_MAM) ?? []) {
    const jid = tryJid(item.getText().trim());
    if (jid === undefined) return { error: 'jid-malformed', text: `<${name}/> holds what is not a JID` };
    jids.add(jid.full);
    if (jids.size > LIST_MAX) return { error: 'policy-violation', text: `at most ${LIST_MAX} JIDs in <${name}/>` };
  }
  return [...jids];
}

/**
 * Reads a `<prefs/>` of an iq set (XEP-0441 section 2.1); a missing list is an empty one.
 * @returns the preferences, or the condition to answer: bad-request without a valid `default`, jid-malformed,
 *   policy-violation for a list of more than 500 JIDs
 */
export function parsePrefs(payload: Element): MamPrefs | MamFault {
  const fallback = payload.attrs['default'];
  if (fallback !== 'always' && fallback !== 'never' && fallback !== 'roster') {
    return { error: 'bad-request', text: 'default must be always, never or roster' };
  }
  const always = readList(payload, 'always');
  if ('error' in always) return always;
  const never = readList(payload, 'never');
  if ('error' in never) return never;
  return { v: 1, default: fallback, always, never };
}

function renderList(name: string, jids: readonly string[]): string {
  if (jids.length === 0) return `<${name}/>`;
  return `<${name}>${jids.map((jid) => `<jid>${escapeText(jid)}</jid>`).join('')}</${name}>`;
}

export function renderPrefs(prefs: MamPrefs): string {
  const lists = renderList('always', prefs.always) + renderList('never', prefs.never);
  return `<prefs xmlns='${NS_MAM}' default='${prefs.default}'>${lists}</prefs>`;
}

/**
 * Whether a message with this peer belongs in the user's archive. It decides only what the archive shows: delivery goes
 * through the inbox either way. A full JID in a list matches only itself and is looked at before bare ones; where both
 * lists name the same JID, always wins.
 * @param inRoster is this bare JID a contact of the user (XEP-0441 section 3.1)
 */
export function archives(prefs: MamPrefs | undefined, inRoster: (bareJid: string) => boolean, peer: Jid): boolean {
  if (prefs === undefined) return true;
  for (const jid of peer.resource === '' ? [peer.bare] : [peer.full, peer.bare]) {
    if (prefs.always.includes(jid)) return true;
    if (prefs.never.includes(jid)) return false;
  }
  return prefs.default === 'roster' ? inRoster(peer.bare) : prefs.default === 'always';
}

/** `archives` with the preferences and the roster of this session's user. */
export function archivesFor(session: SessionPort, peer: Jid): boolean {
  const inRoster = (bareJid: string): boolean => getContact(session, bareJid)?.listed === true;
  return archives(session.get<MamPrefs>(PREFS_ROW), inRoster, peer);
}
