import type { XmppModule } from './module.ts';
import { escapeAttr, escapeText } from './stanza.ts';
import { formatStamp } from './xep0082-datetime.ts';

const NS_DELAY = 'urn:xmpp:delay';

/** `<delay/>` (XEP-0203 section 2). `stampMs` since the epoch; `from` is the entity that held the stanza. */
export function delayElement(stampMs: number, from?: string, reason?: string): string {
  const by = from === undefined ? '' : ` from='${escapeAttr(from)}'`;
  const open = `<delay xmlns='${NS_DELAY}'${by} stamp='${formatStamp(stampMs)}'`;
  return reason === undefined ? `${open}/>` : `${open}>${escapeText(reason)}</delay>`;
}

export const delayModule: XmppModule = {
  spec: {
    id: 'XEP-0203',
    title: 'Delayed Delivery',
    version: '2.0',
    url: 'https://xmpp.org/extensions/xep-0203.html',
    note: 'messages that waited in the inbox, archive results',
  },
  serverFeatures: [NS_DELAY],
};
