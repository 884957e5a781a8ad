import { parseJid } from '../xmpp/jid.ts';
import { archives, type MamPrefs, PREFS_ROW } from '../xmpp/mam-prefs.ts';
import { type MessageRecord, renderMessage } from '../xmpp/message-record.ts';
import { routeMessage } from '../xmpp/rfc6121-routing.ts';
import { stanza } from '../xmpp/stanza.ts';
import { wrapCarbon } from '../xmpp/xep0280-carbons.ts';
import { chatPointer, nextPointer } from '../xmpp/xep0313-mam.ts';
import { directPeer, inboxStream, indexStream } from './keys.ts';
import type { ChatItem, LiveMessage, Source } from './messages.ts';
import type { SessionState } from './session-state.ts';
import { chatRowKey, SEEN_ROW, type Stream, type UserChatRow } from './session-types.ts';

/** Step 6 of the way of a message: inbox, archive index, unread; then the live streams. */

const NO_CHAT: UserChatRow = { v: 1, cur: 0, n: 0, unread: 0, read: 0 };

export function onMessageItem(session: SessionState, source: Source, item: ChatItem, record: MessageRecord): void {
  const { turn } = session;
  // The account went while the message was on its way: there is no inbox to put it in.
  if (!session.exists) {
    turn.effects.push({ t: 'ackDelivery', source });
    return;
  }
  const key = chatRowKey(item.chat);
  const row = session.get<UserChatRow>(key);
  if (row !== undefined && item.seq <= row.cur) {
    turn.effects.push({ t: 'ackDelivery', source });
    return;
  }
  // A gap: an earlier item was lost on the way. Not acked, so the source sends both again, in order.
  if (row === undefined ? !item.first : item.seq !== row.cur + 1) return;
  deliver(session, item, record, row ?? NO_CHAT, key);
  turn.effects.push({ t: 'ackDelivery', source });
}

function deliver(session: SessionState, item: ChatItem, record: MessageRecord, row: UserChatRow, key: string): void {
  const { turn, user } = session;
  const prefs = session.get<MamPrefs>(PREFS_ROW);
  const peer = directPeer(item.chat, user);
  const from = parseJid(record.from);
  const mine = from.bare === user;
  const shown = record.x?.hidden !== true && archives(prefs, (jid) => session.rows.has(`r/${jid}`), parseJid(peer));
  const n = shown ? row.n + 1 : undefined;
  const seq = session.inboxSeq + 1;
  const pointer = nextPointer(session.lastPointer, { chat: item.chat, chatSeq: item.seq, ts: record.ts, n });
  session.inboxSeq = seq;
  session.lastPointer = pointer;
  turn.streams.push({ t: 'append', stream: inboxStream(user), seq, record: pointer });
  if (n !== undefined) {
    const entry = chatPointer(user, pointer, seq, from, parseJid(record.to));
    turn.streams.push({ t: 'append', stream: indexStream(user, item.chat), seq: n, record: entry });
  }
  const quiet = record.x?.quiet === true;
  session.put(key, {
    v: 1,
    cur: item.seq,
    n: n ?? row.n,
    unread: mine ? 0 : row.unread + (quiet ? 0 : 1),
    read: mine ? item.seq : row.read,
  } satisfies UserChatRow);
  if (session.byResource.size > 0) push(session, record, seq, mine);
}

/** To the live streams: the addressed ones get the message, the others a carbon (XEP-0280). */
function push(session: SessionState, record: MessageRecord, seq: number, mine: boolean): void {
  const streams = session.streams();
  const toSelf = mine && parseJid(record.to).bare === session.user;
  const stanzaId = { by: session.user, id: String(seq) };
  let xml: string | undefined;
  const rendered = (): string => {
    xml ??= renderMessage(record, { stanzaId });
    return xml;
  };
  const addressed = mine && !toSelf ? [] : recipients(session, record.type, record.to);
  let delivered = false;
  for (const stream of streams) {
    if (stream.lag !== undefined) continue;
    if (addressed.includes(stream.resource)) {
      delivered = true;
      session.turn.effects.push({ t: 'stanza', stream, xml: rendered(), seq });
      // Without stream management what is written counts as received: RFC 6120 knows no more.
      if (stream.sm === undefined) markSeen(session, seq);
    } else if (stream.carbons && stream.jid !== record.from && record.x?.nocopy !== true) {
      const kind = mine ? 'sent' : 'received';
      session.turn.effects.push({
        t: 'stanza',
        stream,
        xml: wrapCarbon(kind, session.user, stream.jid, rendered()),
        seq: 0,
      });
    }
  }
  if (mine && !delivered) markSeen(session, seq);
}

/** Moves 'seen' on only when nothing before is still owed. */
function markSeen(session: SessionState, seq: number): void {
  if ((session.get<number>(SEEN_ROW) ?? 0) === seq - 1) session.put(SEEN_ROW, seq);
}

/** Resources that get a message of that type addressed to this user (RFC 6121 8.5). */
export function recipients(
  session: SessionState,
  type: Parameters<typeof routeMessage>[0],
  to: string,
): readonly string[] {
  const { resource } = parseJid(to);
  const streams = session
    .streams()
    .map((stream) => ({ resource: stream.resource, priority: stream.presence?.priority }));
  return routeMessage(type, resource === '' ? 'bare' : 'full', resource, streams).to;
}

/** A message that is not logged: to whom it reaches now, with carbons of chat messages. */
export function onLive(session: SessionState, _chat: string, message: LiveMessage): void {
  if (!session.exists) return;
  const mine = parseJid(message.from).bare === session.user;
  const toSelf = mine && parseJid(message.to).bare === session.user;
  const xml = renderLive(message);
  const addressed = mine && !toSelf ? [] : recipients(session, message.type, message.to);
  for (const stream of session.streams()) {
    if (addressed.includes(stream.resource)) session.send(stream, xml);
    else if (
      stream.carbons &&
      message.type === 'chat' &&
      stream.jid !== message.from &&
      message.flags?.nocopy !== true
    ) {
      session.send(stream, wrapCarbon(mine ? 'sent' : 'received', session.user, stream.jid, xml));
    }
  }
}

function renderLive(message: LiveMessage): string {
  const { from, to, type, id, lang, inner } = message;
  const attrs = { from, to, type: type === 'normal' ? undefined : type, id, 'xml:lang': lang };
  return stanza('message', attrs, inner);
}

/** After initial presence: a stream that may get what waits in the inbox catches up with it, then goes live. */
export function startCatchUp(session: SessionState, stream: Stream): void {
  const seen = session.get<number>(SEEN_ROW) ?? 0;
  if (seen >= session.inboxSeq || stream.lag !== undefined) return;
  stream.lag = { next: Math.max(seen + 1, session.inboxSeq - session.parts.limits.catchUpMax + 1), loading: false };
  session.turn.effects.push({ t: 'catchUp', stream });
}

/** A page for a stream that catches up: sends it, and either goes live or asks for more. */
export function onCaughtUp(
  session: SessionState,
  stream: Stream,
  page: readonly { readonly seq: number; readonly record: MessageRecord | undefined }[],
  upto: number,
): void {
  const { lag } = stream;
  if (lag === undefined || stream.ended) return;
  lag.loading = false;
  lag.next = upto + 1;
  for (const { seq, record } of page) {
    if (record === undefined) continue;
    const mine = parseJid(record.from).bare === session.user;
    if (mine) {
      if (!stream.carbons || record.from === stream.jid || record.x?.nocopy === true) continue;
      session.send(
        stream,
        wrapCarbon(
          'sent',
          session.user,
          stream.jid,
          renderMessage(record, { stanzaId: { by: session.user, id: String(seq) } }),
        ),
      );
      continue;
    }
    const options = { stanzaId: { by: session.user, id: String(seq) }, delay: { from: session.domain } };
    session.turn.effects.push({ t: 'stanza', stream, xml: renderMessage(record, options), seq });
    if (stream.sm === undefined) markSeen(session, seq);
  }
  if (lag.next > session.inboxSeq) {
    stream.lag = undefined;
    if (stream.sm === undefined) session.put(SEEN_ROW, session.inboxSeq);
  } else session.turn.effects.push({ t: 'catchUp', stream });
}
