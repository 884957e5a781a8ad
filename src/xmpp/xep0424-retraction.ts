import type { Element } from 'ltx';
import type { MessageRecord } from './message-record.ts';
import type { XmppModule } from './module.ts';
import { NS_MUC_USER } from './muc-words.ts';
import { escapeAttr } from './stanza.ts';
import { formatStamp } from './xep0082-datetime.ts';
import { parseChecked } from './xml.ts';

export const NS_RETRACT = 'urn:xmpp:message-retract:1';
export const NS_TOMBSTONE = `${NS_RETRACT}#tombstone`;

/** Id of the message that this one takes back (XEP-0424 section 3); undefined when it takes none back. */
export function retractedId(message: Element): string | undefined {
  const id = message.getChild('retract', NS_RETRACT)?.attrs['id'];
  return id === '' ? undefined : id;
}

/** The same of a message as the log has it. Most messages are not parsed for it: this is on the way of each. */
export function retractedIdOf({ inner }: Pick<MessageRecord, 'inner'>): string | undefined {
  if (!inner.includes(NS_RETRACT)) return undefined;
  return retractedId(parseChecked(`<message xmlns='jabber:client'>${inner}</message>`).el);
}

export interface Retraction {
  /** id of the message that took it back */
  readonly id: string | undefined;
  /** when, ms since the epoch */
  readonly ts: number;
  /** checked XML within the `<retracted/>`: who moderated it (XEP-0425) */
  readonly content?: string;
  /** checked XML of the server's own beside it: the sender's occupant-id */
  readonly beside?: string;
}

/**
 * What stays of a message that was taken back (section 4): where it stood, from whom and to whom, its ids. Whatever
 * else the record had is left out, also what later versions may add to one.
 */
export function tombstone(record: MessageRecord, { id, ts, content, beside = '' }: Retraction): MessageRecord {
  const { from, to, type, oid, tok, nick, via, back, x } = record;
  const by = id === undefined ? '' : ` id='${escapeAttr(id)}'`;
  const open = `<retracted xmlns='${NS_RETRACT}'${by} stamp='${formatStamp(ts)}'`;
  const origin = oid === undefined ? '' : `<origin-id xmlns='urn:xmpp:sid:0' id='${escapeAttr(oid)}'/>`;
  // Clients tell by it that a message came through a room (XEP-0045 7.5).
  const relayed = via === undefined ? '' : `<x xmlns='${NS_MUC_USER}'/>`;
  const retracted = content === undefined ? `${open}/>` : `${open}>${content}</retracted>`;
  return {
    v: 1,
    from,
    to,
    type,
    id: record.id,
    oid,
    ts: record.ts,
    inner: retracted + origin + relayed + beside,
    x: { ...x, quiet: true },
    gone: true,
    ...(tok !== undefined && { tok }),
    ...(nick !== undefined && { nick }),
    ...(via !== undefined && { via }),
    ...(back !== undefined && { back }),
  };
}

export const retractionModule: XmppModule = {
  spec: {
    id: 'XEP-0424',
    title: 'Message Retraction',
    version: '0.4.2',
    url: 'https://xmpp.org/extensions/xep-0424.html',
    note: 'the body leaves the state of every replica, a tombstone takes its place',
  },
  serverFeatures: [NS_RETRACT, NS_TOMBSTONE],
  accountFeatures: [NS_RETRACT, NS_TOMBSTONE],
};
