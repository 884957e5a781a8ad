import type { Element } from 'ltx';
import type { XmppModule } from './module.ts';

export const NS_RECEIPTS = 'urn:xmpp:receipts';

export type Receipt = { readonly t: 'request' } | { readonly t: 'received'; readonly id: string };

/** The receipt, or the wish for one, that a message carries (XEP-0184 section 5). A `<received/>` needs an id. */
export function receipt(message: Element): Receipt | undefined {
  const received = message.getChild('received', NS_RECEIPTS);
  if (received !== undefined) {
    const id = received.attrs['id'];
    return id === undefined || id === '' ? undefined : { t: 'received', id };
  }
  return message.getChild('request', NS_RECEIPTS) === undefined ? undefined : { t: 'request' };
}

export const receiptsModule: XmppModule = {
  spec: {
    id: 'XEP-0184',
    title: 'Message Delivery Receipts',
    version: '1.4.0',
    url: 'https://xmpp.org/extensions/xep-0184.html',
    note: 'between clients; stored and copied like messages',
  },
};
