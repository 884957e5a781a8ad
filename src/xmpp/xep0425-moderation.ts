import type { Element } from 'ltx';
import type { XmppModule } from './module.ts';
import { escapeAttr, escapeText } from './stanza.ts';
import { occupantIdXml } from './xep0421-occupant-id.ts';
import { NS_RETRACT } from './xep0424-retraction.ts';

export const NS_MODERATE = 'urn:xmpp:message-moderate:1';

/** What a moderator asks of a room (XEP-0425 section 3). */
export interface Moderation {
  /** the room's id of the message */
  readonly id: string;
  readonly reason: string | undefined;
}

/** Who moderated, as the room knows it. */
export interface Moderator {
  /** occupant JID */
  readonly by: string;
  readonly occupantId: string;
}

/** Most characters of a reason; what is beyond is cut off. */
const REASON_MAX = 1000;

/** @returns undefined when it asks for nothing that a room does: only retraction is defined */
export function parseModeration(moderate: Element): Moderation | undefined {
  const { id } = moderate.attrs;
  if (moderate.getName() !== 'moderate' || id === undefined || id === '') return undefined;
  if (moderate.getChild('retract', NS_RETRACT) === undefined) return undefined;
  const reason = moderate.getChild('reason')?.getText().slice(0, REASON_MAX);
  return { id, reason: reason === '' ? undefined : reason };
}

/** What is within the tombstone's `<retracted/>` (section 4) and the `<retract/>` that the room sends. */
export function moderatedXml({ by, occupantId }: Moderator, reason: string | undefined): string {
  const why = reason === undefined ? '' : `<reason>${escapeText(reason)}</reason>`;
  return `<moderated xmlns='${NS_MODERATE}' by='${escapeAttr(by)}'>${occupantIdXml(occupantId)}</moderated>${why}`;
}

/** What the room's message to all says (section 3.1). */
export function moderationXml({ id, reason }: Moderation, moderator: Moderator): string {
  return `<retract xmlns='${NS_RETRACT}' id='${escapeAttr(id)}'>${moderatedXml(moderator, reason)}</retract>`;
}

export const moderationModule: XmppModule = {
  spec: {
    id: 'XEP-0425',
    title: 'Moderated Message Retraction',
    version: '0.3.0',
    url: 'https://xmpp.org/extensions/xep-0425.html',
    note: 'by moderators who are in the room',
  },
};
