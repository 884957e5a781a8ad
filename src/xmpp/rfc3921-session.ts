import type { XmppModule } from './module.ts';

const NS_SESSION = 'urn:ietf:params:xml:ns:xmpp-session';

/** Stream feature: a session may be asked for and need not be. */
export const SESSION_FEATURE = `<session xmlns='${NS_SESSION}'><optional/></session>`;

/** RFC 3921 3: clients of its time ask for a session after bind. There is nothing to establish, so it is granted. */
export const sessionModule: XmppModule = {
  spec: {
    id: 'RFC 3921 section 3',
    title: 'Session establishment',
    url: 'https://www.rfc-editor.org/rfc/rfc3921#section-3',
    note: 'granted to older clients that ask for it; bind is all that is needed',
  },
  iq: [
    {
      ns: NS_SESSION,
      name: 'session',
      types: ['set'],
      targets: ['account', 'server'],
      handle: (_session, request) => request.reply(),
    },
  ],
};
