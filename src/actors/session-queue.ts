import { errorInner } from '../xmpp/stanza-error.ts';
import { delayElement } from '../xmpp/xep0203-delay.ts';
import { presenceHoldKey } from '../xmpp/xep0352-csi.ts';
import type { SessionLimits, Stream, StreamManagement } from './session-types.ts';

/** What a stream's queue of unacknowledged stanzas (XEP-0198) has room for. */
export function isFullTo(share: number, { out }: StreamManagement, limits: SessionLimits): boolean {
  return out.size >= limits.unackedStanzasMax * share || out.bytes >= limits.unackedBytesMax * share;
}

/** Its client does not read or acknowledge as fast as it is sent: what may be lost is not for it. */
export function isBehind({ sm, conn }: Stream, limits: SessionLimits): boolean {
  if (sm !== undefined && isFullTo(0.5, sm, limits)) return true;
  return conn !== undefined && conn.queuedBytes > limits.outQueueBytesMax * 0.5;
}

/** UTF-16 units from which an answer counts as large: a vCard with a photo */
const LARGE = 4096;

/**
 * A client may ask for more large answers at once than the queue holds, such as the vCards of all contacts. One that does
 * not leave a quarter free is refused instead, to be asked for again; else the stream would end for want of room.
 * @param xml a whole stanza, as stanza.ts writes it
 */
export function answerThatFits(xml: string, { out }: StreamManagement, { unackedBytesMax }: SessionLimits): string {
  if (xml.length < LARGE || !xml.startsWith('<iq ') || out.bytes + xml.length <= unackedBytesMax * 0.75) return xml;
  const open = xml.slice(0, xml.indexOf('>') + 1);
  const refused = open.replace(' type="result"', ' type="error"');
  return refused === open ? xml : `${refused}${errorInner('resource-constraint')}</iq>`;
}

/** An iq of type get or set, as stanza.ts writes it; reads the outer tag only. */
export function isRequest(xml: string): boolean {
  if (!xml.startsWith('<iq ')) return false;
  const open = xml.slice(0, xml.indexOf('>'));
  return open.includes(' type="get"') || open.includes(' type="set"');
}

/** XEP-0352: under which key a presence may wait; reads the outer tag only. */
export function holdKeyOf(xml: string): string | undefined {
  const open = xml.slice(0, xml.indexOf('>'));
  const from = / from=(['"])(.*?)\1/.exec(open)?.[2];
  const type = / type=(['"])(.*?)\1/.exec(open)?.[2];
  return from === undefined ? undefined : presenceHoldKey(from, type, xml);
}

const END = '</message>';

/**
 * A message that is sent again on a stream that was taken up: it says when it was sent first of all (XEP-0198 5, XEP-0203).
 * What comes behind it may be late and say so; by those times clients put them in order.
 * @param ts of the message, ms since the epoch
 */
export function sentBefore(xml: string, ts: number, domain: string): string {
  return xml.endsWith(END) ? xml.slice(0, -END.length) + delayElement(ts, domain) + END : xml;
}
