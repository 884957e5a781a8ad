import type { Element } from 'ltx';
import { type Blocklist, blocklistOf, isBlocked, newBlocklist, saveBlocklist } from './blocklist.ts';
import { parseJid, tryJid } from './jid.ts';
import type { IqHandler, IqRequest, SessionPort, StanzaCondition, XmppModule } from './module.ts';
import { PERSONAL_LIMITS } from './personal-limits.ts';
import { contacts, getContact, seenByUs, seesUs } from './rfc6121-contacts.ts';
import { sharePresence, unavailableXml, withdrawPresence } from './rfc6121-subscription.ts';
import { childElements, element, stanza } from './stanza.ts';
import type { ErrorDetails } from './stanza-error.ts';

const NS_BLOCKING = 'urn:xmpp:blocking';

/** The error of a stanza to somebody whom its sender blocks (section 3.3): `not-acceptable` with these. */
export const BLOCKED_ERROR: ErrorDetails = {
  type: 'cancel',
  appCondition: `<blocked xmlns="urn:xmpp:blocking:errors"/>`,
};

interface Fault {
  readonly condition: StanzaCondition;
  readonly text: string;
}

function readItems(payload: Element): string[] | Fault {
  const jids: string[] = [];
  for (const item of childElements(payload)) {
    if (!item.is('item', NS_BLOCKING)) return { condition: 'bad-request', text: 'only items are expected' };
    const given = item.attrs['jid'];
    if (given === undefined || given === '') return { condition: 'bad-request', text: 'an item has no jid' };
    const jid = tryJid(given);
    if (jid === undefined) return { condition: 'jid-malformed', text: 'the jid of an item is malformed' };
    jids.push(jid.full);
  }
  return jids;
}

function itemsXml(jids: Iterable<string>): string {
  let xml = '';
  for (const jid of jids) xml += element('item', { jid });
  return xml;
}

/** Makes `after` hold: the chats first, for that may be refused; who loses sight of the user while it still may be told. */
function change(session: SessionPort, request: IqRequest, after: Blocklist, push: string): void {
  const before = blocklistOf(session);
  if (!session.blocklistChanges(before, after)) {
    return request.error('resource-constraint', 'too many chats are concerned at once: wait');
  }
  hide(session, before, after);
  saveBlocklist(session, before, after);
  show(session, before, after);
  request.reply();
  for (const stream of session.streams()) {
    if (!stream.blocklist) continue;
    session.send(stream, stanza('iq', { type: 'set', id: session.newId(), to: stream.jid }, push));
  }
}

/** Section 3.3: who may see the user's presence, and is now blocked, hears that the user is gone. */
function hide(session: SessionPort, before: Blocklist, after: Blocklist): void {
  const turns = (jid: string): boolean => !isBlocked(session, jid, before) && isBlocked(session, jid, after);
  for (const contact of contacts(session)) {
    if (seesUs(contact) && turns(contact.jid)) withdrawPresence(session, contact.jid);
  }
  const full = [...after.jids].filter((jid) => turns(jid) && seesUsBy(session, jid));
  for (const { jid: from, presence, directed } of session.streams()) {
    const debts = [...(directed ?? [])].filter(turns);
    for (const to of debts) directed?.delete(to);
    for (const to of new Set([...debts, ...(presence === undefined ? [] : full)])) {
      const gone = { t: 'presence', from, to, xml: unavailableXml(from), available: false, directed: true } as const;
      session.tell(parseJid(to).bare, gone);
    }
  }
}

/** Is this the full JID of somebody who sees the user's presence? */
function seesUsBy(session: SessionPort, text: string): boolean {
  const { bare, resource } = parseJid(text);
  return resource !== '' && seesUs(getContact(session, bare));
}

/** Section 3.4: … and who is not any more gets the current presence; theirs is asked for, which was dropped meanwhile. */
function show(session: SessionPort, before: Blocklist, after: Blocklist): void {
  for (const contact of contacts(session)) {
    const { jid } = contact;
    const kept = after.resources.get(jid) ?? [];
    const freed = (before.resources.get(jid) ?? []).some((resource) => !kept.includes(resource));
    if ((!freed && !isBlocked(session, jid, before)) || isBlocked(session, jid, after)) continue;
    if (seesUs(contact)) sharePresence(session, jid);
    if (!seenByUs(contact)) continue;
    for (const { jid: from, presence } of session.streams())
      if (presence !== undefined) session.tell(jid, { t: 'probe', from, to: jid });
  }
}

function block(max: number): IqHandler {
  return (session, request) => {
    const items = readItems(request.payload);
    if (!Array.isArray(items)) return request.error(items.condition, items.text);
    if (items.length === 0) return request.error('bad-request', 'nothing to block');
    if (items.some((jid) => parseJid(jid).bare === session.user))
      return request.error('not-allowed', 'the own address cannot be blocked');
    const before = blocklistOf(session);
    const jids = new Set([...before.jids, ...items]);
    if (jids.size > max) return request.error('policy-violation', `at most ${max} addresses can be blocked`);
    const push = element('block', { xmlns: NS_BLOCKING }, itemsXml(items));
    change(session, request, newBlocklist(before.ver + 1, jids), push);
  };
}

/** Without items, all of them (section 3.5). */
const unblock: IqHandler = (session, request) => {
  const items = readItems(request.payload);
  if (!Array.isArray(items)) return request.error(items.condition, items.text);
  const before = blocklistOf(session);
  const gone = new Set(items.length === 0 ? before.jids : items);
  const jids = [...before.jids].filter((jid) => !gone.has(jid));
  const push = element('unblock', { xmlns: NS_BLOCKING }, itemsXml(items));
  change(session, request, newBlocklist(before.ver + 1, jids), push);
};

const list: IqHandler = (session, request) => {
  if (request.stream !== undefined) request.stream.blocklist = true;
  request.reply(element('blocklist', { xmlns: NS_BLOCKING }, itemsXml(blocklistOf(session).jids)));
};

/** @param max most addresses that one user blocks */
export function blockingModule(max = PERSONAL_LIMITS.blockedMax): XmppModule {
  return {
    spec: {
      id: 'XEP-0191',
      title: 'Blocking Command',
      version: '1.3',
      url: 'https://xmpp.org/extensions/xep-0191.html',
      note: 'polite: subscriptions stay. A message of somebody blocked is refused by the chat, and reaches no inbox',
    },
    serverFeatures: [NS_BLOCKING],
    iq: [
      { ns: NS_BLOCKING, name: 'blocklist', types: ['get'], targets: ['account'], handle: list },
      { ns: NS_BLOCKING, name: 'block', types: ['set'], targets: ['account'], handle: block(max) },
      { ns: NS_BLOCKING, name: 'unblock', types: ['set'], targets: ['account'], handle: unblock },
    ],
  };
}
