import type { Element } from 'ltx';
import { tryJid } from './jid.ts';
import type { SessionPort } from './module.ts';
import { getNode, type PepParts } from './pubsub-nodes.ts';
import { publishItem, retract } from './pubsub-publish.ts';
import { isFault, type PubsubFault } from './pubsub-types.ts';
import { element, escapeText, xmlOf } from './stanza.ts';
import { readBoolean } from './xep0004-forms.ts';
import { NS_BOOKMARKS } from './xep0402-bookmarks.ts';
import { parseChecked } from './xml.ts';

/**
 * Bookmarks of rooms, seen as items of their node (XEP-0402) and as the one list that older clients keep in private XML
 * (XEP-0048 1.0 in XEP-0049), where Conversations and Converse look unless the server says that it unifies both (XEP-0402
 * 5.3). They are kept once, as items: a list that a client sets is taken apart, and who reads it gets the items. What
 * is no room (links), or no item can be made of, stays in private XML.
 *
 * Bound: items that one answer has no room for (`answerBytesMax`) are no list; such a one is refused.
 */
export interface BookmarkList {
  /** @param stored what is in private XML. @param done the whole list, or why there is none; in a later turn */
  show(session: SessionPort, stored: string | undefined, done: (list: string | undefined | PubsubFault) => void): void;
  /** Publishes what has changed, retracts what is gone. What has become an item is taken out of `list`. */
  take(session: SessionPort, list: Element, done: (fault: PubsubFault | undefined) => void): void;
}

export const NS_STORAGE = 'storage:bookmarks';

/** What both kinds say of a room. */
interface Bookmark {
  readonly name: string | undefined;
  readonly autojoin: boolean;
  readonly nick: string | undefined;
  readonly password: string | undefined;
}

type Items = ReadonlyMap<string, Element>;

const TOO_LARGE: PubsubFault = { error: 'policy-violation', text: 'the bookmarks are too many for one list' };

export function createBookmarkList(parts: PepParts): BookmarkList {
  return {
    show: (session, stored, done) =>
      load(parts, session, (items) => done(isFault(items) ? items : listOf(items, stored))),
    take: (session, list, done) =>
      load(parts, session, (items) => {
        if (!isFault(items)) apply(parts, session, list, items);
        done(isFault(items) ? items : undefined);
      }),
  };
}

/** All items by their ids; those that change meanwhile are left out. */
function load({ port, limits }: PepParts, session: SessionPort, done: (items: Items | PubsubFault) => void): void {
  const row = getNode(session, NS_BOOKMARKS);
  if (row === undefined || row.items === 0) return done(new Map());
  if (row.bytes > limits.answerBytesMax) return done(TOO_LARGE);
  const seqs = [...port.index(session, row.no).values()].map(({ seq }) => seq);
  port.load(session, row.no, seqs, (found) => {
    const items = new Map<string, Element>();
    for (const item of found) if (item !== undefined) items.set(item.id, parseChecked(item.xml).el);
    done(items);
  });
}

function bookmarkOf(conference: Element): Bookmark {
  const ns = conference.getNS() ?? '';
  return {
    name: conference.attrs['name'],
    autojoin: readBoolean(conference.attrs['autojoin']) === true,
    nick: conference.getChildText('nick', ns) ?? undefined,
    password: conference.getChildText('password', ns) ?? undefined,
  };
}

function isSame(a: Bookmark, b: Bookmark): boolean {
  return a.name === b.name && a.autojoin === b.autojoin && a.nick === b.nick && a.password === b.password;
}

function innerOf({ nick, password }: Bookmark): string {
  const of = (name: string, text: string | undefined): string =>
    text === undefined ? '' : element(name, {}, escapeText(text));
  return of('nick', nick) + of('password', password);
}

function conferencesOf(list: Element): Element[] {
  return list.getChildren('conference', NS_STORAGE);
}

/** The room of a conference in a list. */
function roomOf(conference: Element): string | undefined {
  const jid = tryJid(conference.attrs['jid'] ?? '');
  return jid === undefined || jid.local === '' ? undefined : jid.bare;
}

/** What is stored still counts only of rooms that have no item. */
function listOf(items: Items, stored: string | undefined): string | undefined {
  const rooms = [...items].map(([jid, item]) => {
    const bookmark = bookmarkOf(item);
    const autojoin = bookmark.autojoin ? 'true' : undefined;
    return element('conference', { name: bookmark.name, jid, autojoin }, innerOf(bookmark));
  });
  if (stored === undefined) return rooms.length === 0 ? undefined : wrap(rooms);
  const { el } = parseChecked(stored);
  const known = conferencesOf(el).filter((one) => items.has(roomOf(one) ?? ''));
  const rest = el.getChildElements().filter((one) => !known.includes(one));
  return wrap([...rooms, ...rest.map((one) => xmlOf(one, NS_STORAGE))]);
}

function wrap(inner: readonly string[]): string {
  return element('storage', { xmlns: NS_STORAGE }, inner.join(''));
}

function apply(parts: PepParts, session: SessionPort, list: Element, items: Items): void {
  const listed = new Set<string>();
  const taken: unknown[] = [];
  for (const conference of conferencesOf(list)) {
    const room = roomOf(conference);
    if (room === undefined) continue;
    const bookmark = bookmarkOf(conference);
    const known = items.get(room);
    listed.add(room);
    if (known === undefined || !isSame(bookmark, bookmarkOf(known))) {
      const extensions = known?.getChildren('extensions', NS_BOOKMARKS).map((one) => xmlOf(one, NS_BOOKMARKS)) ?? [];
      const attrs = { xmlns: NS_BOOKMARKS, name: bookmark.name, autojoin: bookmark.autojoin ? 'true' : undefined };
      const xml = element('conference', attrs, innerOf(bookmark) + extensions.join(''));
      if (isFault(publishItem(parts, session, NS_BOOKMARKS, { id: room, xml }))) continue;
    }
    taken.push(conference);
  }
  list.children = list.children.filter((child) => !taken.includes(child));
  for (const room of items.keys()) if (!listed.has(room)) retract(parts, session, NS_BOOKMARKS, room, true);
}
