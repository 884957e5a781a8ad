import type { Element } from 'ltx';
import { tryJid } from './jid.ts';
import type { IqHandler, IqRequest, SessionPort, StanzaCondition, StreamPort, XmppModule } from './module.ts';
import {
  type Contact,
  changesSince,
  contactOrNew,
  contacts,
  getContact,
  itemXml,
  NS_ROSTER,
  pushTo,
  queryXml,
  rosterHasRoom,
  rosterVersion,
  saveContact,
} from './rfc6121-contacts.ts';
import { ROSTER_LIMITS, type RosterLimits } from './rfc6121-limits.ts';
import { withState } from './rfc6121-states.ts';
import { endSubscriptions } from './rfc6121-subscription.ts';
import { childElements } from './stanza.ts';

/** Stream feature of roster versioning (2.6.1); informative. */
export const ROSTER_VERSIONING_FEATURE = `<ver xmlns='urn:xmpp:features:rosterver'/>`;

interface Fault {
  readonly ok: false;
  readonly condition: StanzaCondition;
  readonly text: string;
}

/** What a roster set asks for (2.1.5); other attributes of the item are the server's to set, and are not read. */
export type RosterSet =
  | { readonly ok: true; readonly t: 'remove'; readonly jid: string }
  | { readonly ok: true; readonly t: 'update'; readonly jid: string; readonly name: string; readonly groups: string[] }
  | Fault;

function fault(condition: StanzaCondition, text: string): Fault {
  return { ok: false, condition, text };
}

function children(el: Element, name: string): Element[] {
  return childElements(el).filter((child) => child.getName() === name && child.getNS() === NS_ROSTER);
}

/**
 * Reads the payload of a roster set; every fault of RFC 6121 2.3.3 has its error.
 * @param user bare JID of the owner, who cannot be in the own roster
 */
export function parseRosterSet(query: Element, user: string, limits: RosterLimits = ROSTER_LIMITS): RosterSet {
  const items = children(query, 'item');
  const [item] = items;
  if (item === undefined || items.length > 1) return fault('bad-request', 'exactly one item is expected');
  const given = item.attrs['jid'];
  if (given === undefined) return fault('bad-request', 'the item has no jid');
  const jid = tryJid(given);
  if (jid === undefined) return fault('jid-malformed', 'the jid of the item is malformed');
  if (jid.resource !== '') return fault('bad-request', 'a roster item is a bare JID');
  if (jid.bare === user) return fault('not-allowed', 'the own address cannot be a contact');
  if (item.attrs['subscription'] === 'remove') return { ok: true, t: 'remove', jid: jid.bare };

  const name = item.attrs['name'] ?? '';
  if (name.length > limits.nameCharsMax) return fault('not-acceptable', 'the name is too long');
  const groups = children(item, 'group').map((group) => group.getText());
  if (groups.length > limits.groupsPerItemMax) return fault('not-acceptable', 'too many groups');
  if (groups.some((group) => group === '')) return fault('not-acceptable', 'a group has no name');
  if (groups.some((group) => group.length > limits.groupCharsMax)) {
    return fault('not-acceptable', 'the name of a group is too long');
  }
  if (groups.reduce((sum, group) => sum + group.length, name.length) > limits.itemCharsMax) {
    return fault('not-acceptable', 'the name and the groups together are too long');
  }
  if (new Set(groups.map((group) => group.normalize('NFC'))).size < groups.length) {
    return fault('bad-request', 'a group is named twice');
  }
  return { ok: true, t: 'update', jid: jid.bare, name, groups };
}

/** Roster get (2.1.3, 2.2, 2.6): the whole roster, or only what changed since the version the client holds. */
function get(session: SessionPort, request: IqRequest, stream: StreamPort, limits: RosterLimits): void {
  if (children(request.payload, 'item').length > 0) {
    request.error('bad-request', 'a roster get has no items');
    return;
  }
  stream.interested = true;
  const held = request.payload.attrs['ver'];
  const changes = held === undefined || held === '' ? undefined : changesSince(session, held, limits);
  if (changes !== undefined) {
    request.reply();
    for (const contact of changes) pushTo(session, stream, contact);
    return;
  }
  let items = '';
  for (const contact of contacts(session)) if (contact.listed) items += itemXml(contact);
  request.reply(queryXml(held === undefined ? undefined : rosterVersion(session), items));
}

function update(
  session: SessionPort,
  set: Extract<RosterSet, { t: 'update' }>,
  limits: RosterLimits,
): Fault | undefined {
  const before = contactOrNew(session, set.jid);
  if (!before.listed && !rosterHasRoom(session, limits)) return fault('policy-violation', 'the roster is full');
  const after: Contact = { ...before, listed: true, name: set.name, groups: set.groups };
  saveContact(session, after, { push: true, limits });
  return undefined;
}

/** 2.5: the row stays as a tombstone, for versions and for the cursor. */
function remove(session: SessionPort, jid: string, limits: RosterLimits): Fault | undefined {
  const before = getContact(session, jid);
  if (before === undefined || !before.listed) return fault('item-not-found', 'no such contact in the roster');
  endSubscriptions(session, before);
  const { approved: _approved, ...rest } = withState(before, 'none', '');
  saveContact(session, { ...rest, listed: false, name: '', groups: [] }, { limits });
  return undefined;
}

/** Answers roster gets and sets of the account's own streams; anyone else is `forbidden` (2.3.3). */
export function rosterHandler(limits: RosterLimits = ROSTER_LIMITS): IqHandler {
  return (session, request) => {
    const { stream } = request;
    if (stream === undefined) {
      request.error('forbidden');
      return;
    }
    if (request.type === 'get') {
      get(session, request, stream, limits);
      return;
    }
    const set = parseRosterSet(request.payload, session.user, limits);
    const failed = !set.ok ? set : set.t === 'remove' ? remove(session, set.jid, limits) : update(session, set, limits);
    if (failed === undefined) request.reply();
    else request.error(failed.condition, failed.text);
  };
}

export const handleRoster: IqHandler = rosterHandler();

/**
 * `foreign` stays false: another user's request gets the `service-unavailable` of an account that does not exist, so
 * it does not tell which accounts do.
 */
export const rosterModule: XmppModule = {
  spec: {
    id: 'RFC 6121 section 2',
    title: 'XMPP IM: roster with versioning',
    url: 'https://www.rfc-editor.org/rfc/rfc6121#section-2',
  },
  serverFeatures: [NS_ROSTER],
  iq: [{ ns: NS_ROSTER, name: 'query', types: ['get', 'set'], targets: ['account'], handle: handleRoster }],
};
