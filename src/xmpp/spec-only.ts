import type { XmppModule } from './module.ts';

/** What the server speaks in places that are no module of their own: listed, and advertised where disco asks for it. */
export const elsewhere: readonly XmppModule[] = [
  {
    spec: {
      id: 'RFC 6120',
      title: 'XMPP: Core',
      url: 'https://www.rfc-editor.org/rfc/rfc6120',
      note: 'client streams over WebSocket only: no TCP, no server-to-server',
    },
  },
  {
    spec: {
      id: 'RFC 6121',
      title: 'XMPP: Instant Messaging and Presence',
      url: 'https://www.rfc-editor.org/rfc/rfc6121',
      note: 'roster with versioning, subscriptions, presence, routing',
    },
  },
  {
    spec: {
      id: 'RFC 7395',
      title: 'XMPP over WebSocket',
      url: 'https://www.rfc-editor.org/rfc/rfc7395',
      note: 'the one binding of this server',
    },
  },
  {
    spec: {
      id: 'RFC 7622',
      title: 'XMPP: Address Format',
      url: 'https://www.rfc-editor.org/rfc/rfc7622',
    },
  },
  {
    spec: {
      id: 'XEP-0128',
      title: 'Service Discovery Extensions',
      version: '1.0.1',
      url: 'https://xmpp.org/extensions/xep-0128.html',
      note: 'what disco says of rooms; the largest file that the upload service takes',
    },
  },
  {
    spec: {
      id: 'XEP-0249',
      title: 'Direct MUC Invitations',
      version: '1.2',
      url: 'https://xmpp.org/extensions/xep-0249.html',
      note: 'passed on and kept like any message; an invitation through a room carries one too',
    },
  },
  {
    spec: {
      id: 'XEP-0410',
      title: 'MUC Self-Ping (Schrödinger’s Chat)',
      version: '1.1.0',
      url: 'https://xmpp.org/extensions/xep-0410.html',
      note: 'answered by the room itself; not-acceptable when the device is not in it',
    },
  },
  {
    spec: {
      id: 'XEP-0156',
      title: 'Discovering Alternative XMPP Connection Methods',
      version: '1.4.0',
      url: 'https://xmpp.org/extensions/xep-0156.html',
      note: 'host-meta as XML and JSON over HTTP',
    },
  },
  {
    spec: {
      id: 'XEP-0308',
      title: 'Last Message Correction',
      version: '1.2.1',
      url: 'https://xmpp.org/extensions/xep-0308.html',
      note: 'passed on and kept like any message; not counted as unread',
    },
  },
  {
    spec: {
      id: 'XEP-0444',
      title: 'Message Reactions',
      version: '0.2.1',
      url: 'https://xmpp.org/extensions/xep-0444.html',
      note: 'passed on and kept like any message; not counted as unread',
    },
  },
  {
    spec: {
      id: 'XEP-0461',
      title: 'Message Replies',
      version: '0.2.1',
      url: 'https://xmpp.org/extensions/xep-0461.html',
      note: 'passed on and kept like any message',
    },
  },
];
