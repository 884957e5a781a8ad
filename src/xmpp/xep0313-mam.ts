import { findPage } from './fulltext-page.ts';
import type { FulltextReader } from './fulltext-scan.ts';
import type { InboxView } from './inbox-view.ts';
import type { Jid } from './jid.ts';
import { archiveEnds, cutPage, type MamPage, PAGE_DEFAULTS, type PageLimits, planPage } from './mam-page.ts';
import { DEFAULT_PREFS, type MamPrefs, PREFS_ROW, parsePrefs, renderPrefs } from './mam-prefs.ts';
import { type MamQuery, NS_MAM, parseMamQuery, renderMamForm } from './mam-query.ts';
import type { ArchiveEntry, ArchiveReader, ChatPointer, InboxPointer } from './mam-view.ts';
import { addressesFor, archivedXml, type MessageRecord, renderMessage } from './message-record.ts';
import type { IqHandler, IqRequest, SessionPort, StreamPort, XmppModule } from './module.ts';
import { escapeAttr } from './stanza.ts';
import { renderRsm } from './xep0059-rsm.ts';
import { formatStamp } from './xep0082-datetime.ts';
import { delayElement } from './xep0203-delay.ts';
import type { Fulltext } from './xep0431-fulltext.ts';

const NS_FORWARD = 'urn:xmpp:forward:0';

/** The archive as the handlers need it; the session shell implements it. */
export interface ArchivePort {
  reader(session: SessionPort): ArchiveReader;
  /** id of the direct chat of this user with that bare JID */
  chatIdOf(user: string, bareJid: string): string;
  /** the same of whatever has that JID, a room too */
  conversationOf(session: SessionPort, bareJid: string): string;
  /** what a search in the user's archive reads (XEP-0431) */
  fulltext(session: SessionPort): FulltextReader;
  /** conversations as they are now (XEP-0430); to be used in this turn */
  inbox(session: SessionPort): InboxView;
  /** Goes on when everything that this turn sees is committed, or was refused. */
  whenCommitted(session: SessionPort, run: (session: SessionPort) => void): void;
  /**
   * Fetches the messages of a page from their chats, in the order asked, undefined for one that is gone. May answer in
   * the same turn or in a later one (chats on other nodes); `messages` is undefined when a chat cannot be reached now.
   */
  load(
    session: SessionPort,
    entries: readonly ArchiveEntry[],
    done: (session: SessionPort, messages: readonly (MessageRecord | undefined)[] | undefined) => void,
  ): void;
}

export interface ResultParts {
  readonly entry: ArchiveEntry;
  /** the whole stanza; undefined when it is gone: the result then shows its id and time only (XEP-0313 section 3.2) */
  readonly message: string | undefined;
  readonly queryid: string | undefined;
  /** bare JID of the archive's user; clients check it */
  readonly from: string;
  /** full JID of the asking stream */
  readonly to: string;
}

/** One `<message><result/></message>` of a page (XEP-0313 section 4.2). */
export function renderResult({ from, to, ...result }: ResultParts): string {
  return (
    `<message xmlns='jabber:client' from='${escapeAttr(from)}' to='${escapeAttr(to)}'>` +
    `${renderResultElement(result)}</message>`
  );
}

/** The `<result/>` alone. */
export function renderResultElement({ entry, message, queryid }: Omit<ResultParts, 'from' | 'to'>): string {
  const query = queryid === undefined ? '' : ` queryid='${escapeAttr(queryid)}'`;
  return (
    `<result xmlns='${NS_MAM}'${query} id='${entry.seq}'><forwarded xmlns='${NS_FORWARD}'>` +
    `${delayElement(entry.ts)}${message ?? ''}` +
    `</forwarded></result>`
  );
}

/** The `<fin/>` that ends a page (XEP-0313 section 4.3). */
export function renderFin(page: MamPage): string {
  return `<fin xmlns='${NS_MAM}'${page.complete ? " complete='true'" : ''}>${renderRsm(page)}</fin>`;
}

/** The answer to a metadata query (XEP-0313 section 5). */
export function renderMetadata(reader: ArchiveReader): string {
  const ends = archiveEnds(reader);
  if (ends === undefined) return `<metadata xmlns='${NS_MAM}'/>`;
  const end = (name: string, entry: ArchiveEntry): string =>
    `<${name} id='${entry.seq}' timestamp='${formatStamp(entry.ts)}'/>`;
  return `<metadata xmlns='${NS_MAM}'>${end('start', ends.first)}${end('end', ends.last)}</metadata>`;
}

/**
 * The pointer that follows `previous` in the inbox; with `hidden`, one that the archive does not show.
 * @param n seq of the message in its chat's index stream; none when hidden
 */
export function nextPointer(
  previous: InboxPointer | undefined,
  message: { readonly chat: string; readonly chatSeq: number; readonly ts: number; readonly n: number | undefined },
): InboxPointer {
  const { chat, chatSeq, n } = message;
  const s = (previous?.s ?? 0) + (n === undefined ? 1 : 0);
  // An inbox is fed by many chats, whose clocks differ: halving by time needs an order.
  const ts = Math.max(previous?.ts ?? 0, message.ts);
  // One object a delivery, of few shapes: what a spread makes is slow to make and to read.
  if (n === undefined) return { c: chat, q: chatSeq, ts, h: 1, s };
  return s === 0 ? { c: chat, q: chatSeq, ts, n } : { c: chat, q: chatSeq, ts, n, s };
}

/** The pointer of a delivered message in its chat's index stream, seen from `user` (bare JID). */
export function chatPointer(user: string, pointer: InboxPointer, inboxSeq: number, from: Jid, to: Jid): ChatPointer {
  const resource = (from.bare === user ? to : from).resource;
  return { i: inboxSeq, q: pointer.q, ts: pointer.ts, ...(resource === '' ? {} : { r: resource }) };
}

function queryHandler(port: ArchivePort, limits: PageLimits): IqHandler {
  return (session, request) => {
    const { stream } = request;
    if (stream === undefined) return request.error('forbidden');
    if (request.type === 'get') return request.reply(renderMamForm());
    const query = parseMamQuery(request.payload);
    if ('error' in query) return request.error(query.error, query.text);
    const chatIdOf = (bareJid: string): string => port.chatIdOf(session.user, bareJid);
    const { fulltext } = query;
    if (fulltext !== undefined) return search(port, session, { ...query, fulltext }, request, stream, limits);
    const page = planPage(port.reader(session), query, { ...limits, chatIdOf });
    if ('error' in page) return request.error(page.error, page.text);
    port.load(session, page.entries, (now, messages) => {
      if (messages === undefined) return request.error('resource-constraint', OUT_OF_REACH);
      const shown = messages.map((message) => archivedXml(session.user, message));
      answerPage(now, query, request, stream, page, shown, limits);
    });
  };
}

const OUT_OF_REACH = 'part of the archive is out of reach';

function answerPage(
  session: SessionPort,
  query: MamQuery,
  request: IqRequest,
  stream: StreamPort,
  page: MamPage,
  messages: readonly (string | undefined)[],
  limits: PageLimits,
): void {
  const { user } = session;
  const results = page.entries.map((entry, at) =>
    renderResult({ entry, message: messages[at], queryid: query.queryid, from: user, to: stream.jid }),
  );
  const back = query.rsm.before !== undefined;
  const sizes = results.map((xml) => xml.length);
  const cut = cutPage(page, back, sizes, limits.pageUnitsMax);
  const kept = back ? results.slice(results.length - cut.entries.length) : results.slice(0, cut.entries.length);
  for (const xml of query.flip ? kept.reverse() : kept) session.send(stream, xml);
  request.reply(renderFin(cut));
}

/** XEP-0431 over all the user may read, groups too: their messages show with the room's id of them. */
function search(
  port: ArchivePort,
  session: SessionPort,
  query: MamQuery & { readonly fulltext: Fulltext },
  request: IqRequest,
  stream: StreamPort,
  limits: PageLimits,
): void {
  const { user } = session;
  const chatOf = (bareJid: string): string => port.conversationOf(session, bareJid);
  const finding = findPage(port.fulltext(session), query, query.fulltext, { ...limits, user, chatOf, from: 1 });
  const goOn = (now: SessionPort, step: ReturnType<typeof finding.next>): void => {
    if (!step.done)
      return port.load(now, step.value, (later, messages) =>
        messages === undefined
          ? request.error('resource-constraint', OUT_OF_REACH)
          : goOn(later, finding.next(messages)),
      );
    if ('error' in step.value) return request.error(step.value.error, step.value.text);
    const { page, messages } = step.value;
    const shown = messages.map((message, at) => {
      const { chat, chatSeq } = page.entries[at]!;
      const stanzaId = message.type === 'groupchat' ? { by: chat, id: String(chatSeq) } : undefined;
      return renderMessage(message, { ...addressesFor(message, user), ...(stanzaId && { stanzaId }) });
    });
    answerPage(now, query, request, stream, page, shown, limits);
  };
  goOn(session, finding.next([]));
}

const handlePrefs: IqHandler = (session, request) => {
  if (request.stream === undefined) return request.error('forbidden');
  if (request.type === 'get') return request.reply(renderPrefs(session.get<MamPrefs>(PREFS_ROW) ?? DEFAULT_PREFS));
  const prefs = parsePrefs(request.payload);
  if ('error' in prefs) return request.error(prefs.error, prefs.text);
  session.put(PREFS_ROW, prefs);
  request.reply(renderPrefs(prefs));
};

/** XEP-0313 on the user's own archive. Anyone else is forbidden (section 8.1). */
export function mamModule(port: ArchivePort, limits: PageLimits = PAGE_DEFAULTS): XmppModule {
  return {
    spec: {
      id: 'XEP-0313',
      title: 'Message Archive Management',
      version: '1.1.3',
      url: 'https://xmpp.org/extensions/xep-0313.html',
      note: 'user archives, `#extended`; an archive id is the decimal inboxSeq',
    },
    accountFeatures: [NS_MAM, `${NS_MAM}#extended`],
    iq: [
      {
        ns: NS_MAM,
        name: 'query',
        types: ['get', 'set'],
        targets: ['account'],
        foreign: true,
        handle: queryHandler(port, limits),
      },
      {
        ns: NS_MAM,
        name: 'metadata',
        types: ['get'],
        targets: ['account'],
        foreign: true,
        handle: (session, request) => {
          if (request.stream === undefined) return request.error('forbidden');
          request.reply(renderMetadata(port.reader(session)));
        },
      },
    ],
  };
}

export const mamPrefsModule: XmppModule = {
  spec: {
    id: 'XEP-0441',
    title: 'Message Archive Management Preferences',
    version: '0.2.0',
    url: 'https://xmpp.org/extensions/xep-0441.html',
    note: 'an excluded message is still delivered to every device; the archive does not show it',
  },
  iq: [
    {
      ns: NS_MAM,
      name: 'prefs',
      types: ['get', 'set'],
      targets: ['account'],
      foreign: true,
      handle: handlePrefs,
    },
  ],
};

export const forwardModule: XmppModule = {
  spec: {
    id: 'XEP-0297',
    title: 'Stanza Forwarding',
    version: '1.0',
    url: 'https://xmpp.org/extensions/xep-0297.html',
    note: 'the wrapping of carbons and archive results',
  },
  serverFeatures: [NS_FORWARD],
};
