import type { IqHandler, XmppModule } from './module.ts';
import type { PepParts } from './pubsub-nodes.ts';
import { OWNER_ACTIONS } from './pubsub-owner.ts';
import { type PubsubAction, refuse, USER_ACTIONS } from './pubsub-requests.ts';
import { NS_PUBSUB, NS_PUBSUB_OWNER } from './pubsub-types.ts';
import { childElements } from './stanza.ts';

/** What of XEP-0060 an account does (its section 10), beside what XEP-0163 demands. */
const FEATURES: readonly string[] = [
  'access-open',
  'access-presence',
  'access-roster',
  'access-whitelist',
  'config-node',
  'config-node-max',
  'create-and-configure',
  'create-nodes',
  'delete-items',
  'delete-nodes',
  'instant-nodes',
  'item-ids',
  'member-affiliation',
  'meta-data',
  'modify-affiliations',
  'persistent-items',
  'publish',
  'publish-options',
  'purge-nodes',
  'retract-items',
  'retrieve-affiliations',
  'retrieve-default',
  'retrieve-items',
  'retrieve-subscriptions',
  'rsm',
  'subscribe',
];

/** Beside these an action may have: options of a publication, the configuration of a new node, a page. */
const BESIDE: ReadonlySet<string> = new Set(['publish-options', 'configure', 'set', 'options']);

function handler(parts: PepParts, actions: Readonly<Record<string, PubsubAction>>): IqHandler {
  return (session, request) => {
    const elements = childElements(request.payload);
    // `configure` and `options` are actions of their own too.
    const action = elements.find((el) => !BESIDE.has(el.getName())) ?? elements[0];
    if (action === undefined) return refuse(request, { error: 'bad-request', text: 'nothing is asked for' });
    const name = `${request.type} ${action.getName()}`;
    const run = Object.hasOwn(actions, name) ? actions[name] : undefined;
    if (run === undefined || action.getNS() !== request.payload.getNS())
      return refuse(request, { error: 'feature-not-implemented', text: 'this is not done here' });
    run({ parts, session, request, action, node: action.attrs['node'] ?? '' });
  };
}

/** XEP-0060 on the nodes of accounts: anybody may ask, each node's access model decides. */
export function pubsubModule(parts: PepParts): XmppModule {
  const route = { name: 'pubsub', types: ['get', 'set'], targets: ['account'], foreign: true } as const;
  return {
    spec: {
      id: 'XEP-0060',
      title: 'Publish-Subscribe',
      version: '1.30.0',
      url: 'https://xmpp.org/extensions/xep-0060.html',
      note: 'on accounts (XEP-0163): nodes, items, publish-options, access models except authorize; only the owner publishes',
    },
    accountFeatures: [NS_PUBSUB, ...FEATURES.map((feature) => `${NS_PUBSUB}#${feature}`)],
    iq: [
      { ...route, ns: NS_PUBSUB, handle: handler(parts, USER_ACTIONS) },
      { ...route, ns: NS_PUBSUB_OWNER, handle: handler(parts, OWNER_ACTIONS) },
    ],
  };
}
