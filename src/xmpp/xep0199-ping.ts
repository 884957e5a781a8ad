import type { XmppModule } from './module.ts';
import { escapeAttr } from './stanza.ts';

export const NS_PING = 'urn:xmpp:ping';

/** A ping of the server's own to a client; its answer, result or error, shows that the client is there. */
export function pingIq(id: string, from: string, to: string): string {
  const attrs = `id='${escapeAttr(id)}' from='${escapeAttr(from)}' to='${escapeAttr(to)}'`;
  return `<iq xmlns='jabber:client' type='get' ${attrs}><ping xmlns='${NS_PING}'/></iq>`;
}

export const pingModule: XmppModule = {
  spec: { id: 'XEP-0199', title: 'XMPP Ping', version: '2.0.1', url: 'https://xmpp.org/extensions/xep-0199.html' },
  serverFeatures: [NS_PING],
  accountFeatures: [NS_PING],
  iq: [
    {
      ns: NS_PING,
      name: 'ping',
      types: ['get'],
      targets: ['server', 'account'],
      handle: (_session, request) => request.reply(),
    },
  ],
};
