import { escapeAttr } from './stanza.ts';
import { delayElement } from './xep0203-delay.ts';

/**
 * A message as the chat's log keeps it: once, for every receiver. `inner` is the raw XML that the sender wrote between
 * the tags, checked and self-contained, and it is spliced into each receiver's stanza unparsed.
 */
export interface MessageRecord {
  readonly v: 1;
  /** full JID of the sender */
  readonly from: string;
  /** as addressed: bare or full JID, or the room's */
  readonly to: string;
  readonly type: 'chat' | 'normal' | 'groupchat';
  readonly id: string | undefined;
  /** XEP-0359 origin-id */
  readonly oid: string | undefined;
  /** when the chat took it, ms since the epoch */
  readonly ts: number;
  /** xml:lang of the stanza */
  readonly lang?: string;
  /** raw inner XML, the stanza-ids that claim to be ours taken out */
  readonly inner: string;
  readonly x?: MessageFlags;
  /** the sender session's name for this send, where nothing else tells a retry of it from a new message */
  readonly tok?: string;
  /**
   * hashes of its words (XEP-0431), '' when there are none to find it by. The log of a direct chat lacks it: its
   * members' inboxes have it
   */
  readonly w?: string;
  /** of a group's message: what its sender was called then; `from` stays the real address */
  readonly nick?: string;
  /** its content was taken back, this is the tombstone (XEP-0424) */
  readonly gone?: true;
  /** it took back the message of this chat with chatSeq `q`, said at `ts` (ms since the epoch). For inboxes, not for clients */
  readonly back?: { readonly q: number; readonly ts: number };
  /** of a message that a room relayed: its sender as the receiver knows it, its receiver as the sender addressed it */
  readonly via?: { readonly from: string; readonly to: string };
}

/** What the receiving session has to know without parsing `inner` again. Absent means no. */
export interface MessageFlags {
  /** XEP-0280: no carbon of it */
  readonly nocopy?: true;
  /** XEP-0334 no-permanent-store: delivered through the inbox, not shown in the archive */
  readonly hidden?: true;
  /** nothing in it for people to read: does not raise the unread count */
  readonly quiet?: true;
}

export interface RenderOptions {
  /** sender's JID as this receiver sees it; the record's own `from` when absent */
  readonly from?: string | undefined;
  /** receiver's JID; the record's own `to` when absent */
  readonly to?: string | undefined;
  /** XEP-0359 stanza-id: `by` is the receiver's bare JID (or the room), `id` the archive id */
  readonly stanzaId?: { readonly by: string; readonly id: string } | undefined;
  /** XEP-0203: `from` is who held it, normally the domain; the stamp is the record's `ts` */
  readonly delay?: { readonly from: string } | undefined;
}

/** The whole stanza as the archive of its sender or receiver shows it; undefined when it is gone. */
export function archivedXml(user: string, record: MessageRecord | undefined): string | undefined {
  return record && renderMessage(record, addressesFor(record, user));
}

/** Whole `<message xmlns='jabber:client' …>` for one receiver, by splicing strings. */
export function renderMessage(record: MessageRecord, options: RenderOptions = {}): string {
  const { before, after } = renderAround(record, options);
  return before + escapeAttr(options.to ?? record.to) + after;
}

/** What stands before and after the receiver's escaped JID: the same for all who get a message. */
export interface RenderedAround {
  readonly before: string;
  readonly after: string;
}

/** `renderMessage` but for the receiver's JID. @param options `to` is not looked at */
export function renderAround(record: MessageRecord, options: RenderOptions): RenderedAround {
  const before = `<message xmlns='jabber:client' from='${escapeAttr(options.from ?? record.from)}'${TO}`;
  let open = "'";
  if (record.type !== 'normal') open += ` type='${record.type}'`;
  if (record.id !== undefined) open += ` id='${escapeAttr(record.id)}'`;
  if (record.lang !== undefined) open += ` xml:lang='${escapeAttr(record.lang)}'`;
  let inner = record.inner;
  if (options.stanzaId !== undefined) {
    const { by, id } = options.stanzaId;
    inner += `<stanza-id xmlns='urn:xmpp:sid:0' by='${escapeAttr(by)}' id='${escapeAttr(id)}'/>`;
  }
  if (options.delay !== undefined) inner += delayElement(record.ts, options.delay.from);
  return { before, after: `${open}>${inner}</message>` };
}

const TO = " to='";

/** For nobody: as the archive of a room shows it (XEP-0313 6.1.2). @param options `to` is not looked at */
export function renderUnaddressed(record: MessageRecord, options: RenderOptions): string {
  const { before, after } = renderAround(record, options);
  return before.slice(0, -TO.length) + after.slice(1);
}

/**
 * How a user sees it: a group's message comes from its sender's nick; a relayed one (`via`) from the room for its
 * receiver, and went to the room for its sender.
 */
export function addressesFor(
  { from, to, type, nick, via }: MessageRecord,
  user: string,
): { readonly from?: string; readonly to?: string } | undefined {
  if (type === 'groupchat') return { from: nick === undefined ? to : `${to}/${nick}` };
  if (via === undefined) return undefined;
  const mine = from.startsWith(user) && from.charAt(user.length) === '/';
  return mine ? { to: via.to } : { from: via.from };
}
