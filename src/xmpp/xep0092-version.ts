import type { XmppModule } from './module.ts';
import { escapeText } from './stanza.ts';

const NS_VERSION = 'jabber:iq:version';

export interface Software {
  readonly name: string;
  readonly version: string;
  /** left out unless the operator wants it shown (XEP-0092 section 4) */
  readonly os?: string;
}

export function versionModule(software: Software): XmppModule {
  const os = software.os === undefined ? '' : `<os>${escapeText(software.os)}</os>`;
  const answer =
    `<query xmlns='${NS_VERSION}'><name>${escapeText(software.name)}</name>` +
    `<version>${escapeText(software.version)}</version>${os}</query>`;
  return {
    spec: {
      id: 'XEP-0092',
      title: 'Software Version',
      version: '1.1',
      url: 'https://xmpp.org/extensions/xep-0092.html',
    },
    serverFeatures: [NS_VERSION],
    iq: [
      {
        ns: NS_VERSION,
        name: 'query',
        types: ['get'],
        targets: ['server'],
        handle: (_session, request) => request.reply(answer),
      },
    ],
  };
}
