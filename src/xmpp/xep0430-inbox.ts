import type { Element } from 'ltx';
import type { Conversation, InboxView } from './inbox-view.ts';
import { fitting, PAGE_DEFAULTS, type PageLimits } from './mam-page.ts';
import type { MamFault } from './mam-query.ts';
import type { ArchiveEntry } from './mam-view.ts';
import { addressesFor, archivedXml, type MessageRecord } from './message-record.ts';
import type { IqHandler, IqRequest, SessionPort, StreamPort, XmppModule } from './module.ts';
import { escapeAttr } from './stanza.ts';
import { parseRsm, type RsmRequest, type RsmResult, renderRsm } from './xep0059-rsm.ts';
import { type ArchivePort, renderResultElement } from './xep0313-mam.ts';

export const NS_INBOX = 'urn:xmpp:inbox:1';

export interface InboxQuery {
  readonly unreadOnly: boolean;
  readonly messages: boolean;
  readonly rsm: RsmRequest;
}

/** A page of conversations, the newest first, whatever the direction of paging. */
export interface InboxPage {
  readonly conversations: readonly Conversation[];
  readonly rsm: RsmResult;
}

type Limits = Pick<PageLimits, 'pageDefault' | 'pageMax' | 'pageUnitsMax'>;

/** xs:boolean; undefined when it is none */
function booleanOf(text: string | undefined, fallback: boolean): boolean | undefined {
  if (text === undefined) return fallback;
  if (text === 'true' || text === '1') return true;
  return text === 'false' || text === '0' ? false : undefined;
}

/** Reads an `<inbox/>`; bad-request for what is no boolean or no RSM. */
export function parseInboxQuery(payload: Element): InboxQuery | MamFault {
  const unreadOnly = booleanOf(payload.attrs['unread-only'], false);
  const messages = booleanOf(payload.attrs['messages'], true);
  if (unreadOnly === undefined) return { error: 'bad-request', text: 'unread-only must be true or false' };
  if (messages === undefined) return { error: 'bad-request', text: 'messages must be true or false' };
  const rsm = parseRsm(payload);
  return typeof rsm === 'string' ? { error: 'bad-request', text: rsm } : { unreadOnly, messages, rsm };
}

/** The inboxSeq of an id that this inbox may have given, undefined when it cannot have. */
function seqOfId(view: InboxView, id: string): number | undefined {
  if (!/^[1-9]\d{0,15}$/.test(id)) return undefined;
  const seq = Number(id);
  return seq <= view.lastSeq ? seq : undefined;
}

/**
 * The conversations of one page. Cost: halving for each id, then the page itself.
 *
 * An RSM id is the inboxSeq of a conversation's last message, so it names a place and not a conversation: one that gets
 * a message while the client pages goes to the front, and the client goes on where it was. An id that was never given
 * is item-not-found (XEP-0059 2.3).
 */
export function planInboxPage(view: InboxView, query: InboxQuery, limits: Limits): InboxPage | MamFault {
  const list = query.unreadOnly ? view.unread : view.all;
  const { max = limits.pageDefault, after, before, index } = query.rsm;
  const { size } = list;
  // Places from the newest, from 0.
  let from = Math.min(index ?? 0, size);
  let to = size;
  for (const [id, isAfter] of [
    [after, true],
    [before, false],
  ] as const) {
    if (id === undefined || id === '') continue;
    const seq = seqOfId(view, id);
    if (seq === undefined) return { error: 'item-not-found', text: 'no such id in this inbox' };
    if (isAfter) from = size - list.rankOf(seq - 1);
    else to = size - list.rankOf(seq);
  }
  to = Math.max(from, to);
  const length = Math.min(max, limits.pageMax, to - from);
  const first = before === undefined ? from : to - length;
  const conversations = list.slice(size - first - length, size - first).reverse();
  return { conversations, rsm: rsmOf(conversations, size, first) };
}

function rsmOf(conversations: readonly Conversation[], count: number, index: number): RsmResult {
  const [first, last] = [conversations[0], conversations.at(-1)];
  if (first === undefined || last === undefined) return { count };
  return { first: String(first.last), last: String(last.last), index, count };
}

/** Cuts a page to the messages that fit into `unitsMax` UTF-16 units, at least one, in the direction of paging. */
export function cutInboxPage(page: InboxPage, back: boolean, units: readonly number[], unitsMax: number): InboxPage {
  const { conversations, rsm } = page;
  const { length } = conversations;
  const kept = fitting(units, back, unitsMax);
  if (kept === length) return page;
  const start = back ? length - kept : 0;
  const left = conversations.slice(start, start + kept);
  return { conversations: left, rsm: rsmOf(left, rsm.count ?? 0, (rsm.index ?? 0) + start) };
}

/** What is shown of a conversation: where its last message is, and the archive's last id of it. */
interface Shown {
  readonly conversation: Conversation;
  readonly entry: ArchiveEntry;
  readonly id: string;
}

function renderEntry({ conversation, id }: Shown, user: string, record: MessageRecord | undefined): string {
  const { unread } = conversation;
  const jid = (conversation.occupant === true && record && occupantOf(record, user)) || conversation.jid;
  return `<entry xmlns='${NS_INBOX}' unread='${unread}' jid='${escapeAttr(jid)}' id='${id}'/>`;
}

/** Of a message between occupants of a room, the other one as the user knows it. */
function occupantOf(record: MessageRecord, user: string): string | undefined {
  const { from, to } = addressesFor(record, user) ?? {};
  return from ?? to;
}

function renderFin({ all, unread, unreadMessages }: InboxCounts, rsm: RsmResult): string {
  return `<fin xmlns='${NS_INBOX}' total='${all}' unread='${unread}' all-unread='${unreadMessages}'>${renderRsm(rsm)}</fin>`;
}

interface InboxCounts {
  readonly all: number;
  readonly unread: number;
  readonly unreadMessages: number;
}

/** Everything of one query but the session, which goes on in a later turn. */
interface Asked {
  readonly request: IqRequest;
  readonly stream: StreamPort;
  readonly query: InboxQuery;
  readonly page: InboxPage;
  readonly counts: InboxCounts;
}

const OUT_OF_REACH = 'part of the inbox is out of reach';

function inboxHandler(port: ArchivePort, limits: Limits): IqHandler {
  return (session, request) => {
    const { stream } = request;
    if (stream === undefined) return request.error('forbidden');
    const query = parseInboxQuery(request.payload);
    if ('error' in query) return request.error(query.error, query.text);
    const view = port.inbox(session);
    const page = planInboxPage(view, query, limits);
    if ('error' in page) return request.error(page.error, page.text);
    const counts = { all: view.all.size, unread: view.unread.size, unreadMessages: view.unreadMessages };
    const asked: Asked = { request, stream, query, page, counts };
    // The page is that of now; where its messages are can be read when what this turn sees is committed.
    port.whenCommitted(session, (later) => answerPage(port, limits, later, asked));
  };
}

function answerPage(port: ArchivePort, limits: Limits, session: SessionPort, asked: Asked): void {
  const { request, query, page } = asked;
  const shown: Shown[] = [];
  for (const conversation of page.conversations) {
    const found = showOf(port, session, conversation);
    if (found === undefined) return request.error('resource-constraint', OUT_OF_REACH);
    shown.push(found);
  }
  // Under which nick somebody is known is said by the message alone.
  if (!query.messages && !shown.some(({ conversation }) => conversation.occupant === true))
    return answer(session, asked, limits, shown, undefined);
  const entries = shown.map(({ entry }) => entry);
  port.load(session, entries, (now, messages) => {
    if (messages === undefined) return request.error('resource-constraint', OUT_OF_REACH);
    answer(now, asked, limits, shown, messages);
  });
}

/** undefined when the log refused what the page was made of, or the account went meanwhile */
function showOf(port: ArchivePort, session: SessionPort, conversation: Conversation): Shown | undefined {
  const { chat, n, last } = conversation;
  const reader = port.reader(session);
  const pointer = reader.read({ from: last, to: last, limit: 1 })[0]?.record;
  // A group has an archive of its own, whose ids are chatSeqs.
  if (conversation.room && pointer !== undefined)
    return { conversation, entry: { seq: pointer.q, chat, chatSeq: pointer.q, ts: pointer.ts }, id: String(pointer.q) };
  const newest = reader.chatRead(chat, { from: n, to: n, limit: 1 })[0]?.record;
  if (pointer === undefined || newest === undefined) return undefined;
  const entry = { seq: last, chat, chatSeq: pointer.q, ts: pointer.ts };
  return { conversation, entry, id: String(newest.i) };
}

function answer(
  session: SessionPort,
  { request, stream, query, page, counts }: Asked,
  limits: Limits,
  shown: readonly Shown[],
  messages: readonly (MessageRecord | undefined)[] | undefined,
): void {
  const stanzas = shown.map((one, at) => {
    const message = archivedXml(session.user, messages?.[at]);
    const result = query.messages && renderResultElement({ entry: one.entry, message, queryid: request.id });
    const head = `<message xmlns='jabber:client' from='${escapeAttr(session.user)}' to='${escapeAttr(stream.jid)}'>`;
    return `${head}${renderEntry(one, session.user, messages?.[at])}${result || ''}</message>`;
  });
  const back = query.rsm.before !== undefined;
  const sizes = stanzas.map((xml) => xml.length);
  const cut = cutInboxPage(page, back, sizes, limits.pageUnitsMax);
  const { length } = cut.conversations;
  const kept = back ? stanzas.slice(stanzas.length - length) : stanzas.slice(0, length);
  for (const xml of kept) session.send(stream, xml);
  request.reply(renderFin(counts, cut.rsm));
}

/** XEP-0430 on one's own account. Anyone else is forbidden, as of the archive. */
export function inboxModule(port: ArchivePort, limits: Limits = PAGE_DEFAULTS): XmppModule {
  return {
    spec: {
      id: 'XEP-0430',
      title: 'Inbox',
      version: '0.2.0',
      url: 'https://xmpp.org/extensions/xep-0430.html',
      note: 'newest first, paged with RSM; a message that the archive hides is not shown and not counted as unread',
    },
    accountFeatures: [NS_INBOX],
    iq: [
      {
        ns: NS_INBOX,
        name: 'inbox',
        types: ['get'],
        targets: ['account'],
        foreign: true,
        handle: inboxHandler(port, limits),
      },
    ],
  };
}
