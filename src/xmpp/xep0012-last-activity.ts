import type { Element } from 'ltx';
import type { SessionPort, XmppModule } from './module.ts';
import { getContact, seesUs } from './rfc6121-contacts.ts';
import { escapeText } from './stanza.ts';

const NS_LAST = 'jabber:iq:last';

/** Row of the user that says when the last resource went offline. */
export const LAST_SEEN_ROW = 'last-seen';

export interface LastSeen {
  readonly v: 1;
  /** ms since the epoch */
  readonly ts: number;
  /** `<status/>` of the last unavailable presence, '' when it had none */
  readonly status: string;
}

/** The row to put when the user's last available resource goes. `nowMs` since the epoch. */
export function lastSeen(nowMs: number, status = ''): LastSeen {
  return { v: 1, ts: nowMs, status };
}

/** Whether `bareJid` may see this user's presence: the user itself, or a contact subscribed to it. */
export function seesPresence(session: SessionPort, bareJid: string): boolean {
  return bareJid === session.user || seesUs(getContact(session, bareJid));
}

/**
 * Whether an iq for one of this user's resources must not be handed to it but be answered with forbidden: a last
 * activity request of someone who may not see the user's presence (XEP-0012 section 5).
 */
export function forbidsLastActivity(session: SessionPort, payload: Element | undefined, fromBare: string): boolean {
  return payload?.is('query', NS_LAST) === true && !seesPresence(session, fromBare);
}

function query(seconds: number, status = ''): string {
  const open = `<query xmlns='${NS_LAST}' seconds='${Math.max(0, Math.floor(seconds))}'`;
  return status === '' ? `${open}/>` : `${open}>${escapeText(status)}</query>`;
}

/** @param startedAtMs when the server started, ms since the epoch: a server's last activity is its uptime (section 6) */
export function lastActivityModule(startedAtMs: number): XmppModule {
  return {
    spec: {
      id: 'XEP-0012',
      title: 'Last Activity',
      version: '2.0',
      url: 'https://xmpp.org/extensions/xep-0012.html',
      note: 'of an account to its subscribers; of the server, its uptime',
    },
    serverFeatures: [NS_LAST],
    accountFeatures: [NS_LAST],
    iq: [
      {
        ns: NS_LAST,
        name: 'query',
        types: ['get'],
        targets: ['account'],
        foreign: true,
        handle: (session, request) => {
          if (!seesPresence(session, request.from.bare)) return request.error('forbidden');
          // Section 4: zero while any resource is available.
          if (session.streams().some((stream) => stream.presence !== undefined)) return request.reply(query(0));
          const seen = session.get<LastSeen>(LAST_SEEN_ROW);
          if (seen === undefined) return request.error('item-not-found', 'never seen online');
          request.reply(query((session.now - seen.ts) / 1000, seen.status));
        },
      },
      {
        ns: NS_LAST,
        name: 'query',
        types: ['get'],
        targets: ['server'],
        handle: (session, request) => request.reply(query((session.now - startedAtMs) / 1000)),
      },
    ],
  };
}
