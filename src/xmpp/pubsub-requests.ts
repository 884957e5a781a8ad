import type { Element } from 'ltx';
import { bareOf, tryJid } from './jid.ts';
import type { IqRequest, SessionPort } from './module.ts';
import { refusedAccess } from './pubsub-access.ts';
import { charsOf, configured, readForm } from './pubsub-config.ts';
import { sendLastItems } from './pubsub-events.ts';
import { readItemsQuery, retrieveItems } from './pubsub-items.ts';
import { allNodes, configFor, createNode, getNode, type NodeRow, type PepParts, saveNode } from './pubsub-nodes.ts';
import { publishItem, retract } from './pubsub-publish.ts';
import { appConditionOf, isFault, NS_PUBSUB, type PubsubFault, unsupported } from './pubsub-types.ts';
import { childElements, element, xmlOf } from './stanza.ts';

/** Requests in the namespace of XEP-0060 for users; those for owners are in pubsub-owner.ts. */

export interface PubsubRequest {
  readonly parts: PepParts;
  readonly session: SessionPort;
  readonly request: IqRequest;
  /** the element that says what is wanted */
  readonly action: Element;
  /** name of the node, '' when none is given */
  readonly node: string;
}

export type PubsubAction = (asked: PubsubRequest) => void;

export function refuse(request: IqRequest, fault: PubsubFault): void {
  request.error(fault.error, fault.text, appConditionOf(fault));
}

const replyWith = (request: IqRequest, inner: string): void =>
  request.reply(`<pubsub xmlns='${NS_PUBSUB}'>${inner}</pubsub>`);

export const NO_NODE: PubsubFault = { error: 'item-not-found', text: 'no such node' };
const NODE_REQUIRED: PubsubFault = { error: 'bad-request', app: 'nodeid-required' };

/** Only the owner may; others are forbidden. */
export function byOwner(action: PubsubAction): PubsubAction {
  return (asked) =>
    asked.request.stream === undefined ? refuse(asked.request, { error: 'forbidden' }) : action(asked);
}

/** The request names a node. */
export function named(action: PubsubAction, fault: PubsubFault = NODE_REQUIRED): PubsubAction {
  return (asked) => (asked.node === '' ? refuse(asked.request, fault) : action(asked));
}

/** The node exists, and who asks may read it. */
function readable({ session, request, node }: PubsubRequest): NodeRow | PubsubFault {
  const row = getNode(session, node);
  return row === undefined ? NO_NODE : (refusedAccess(session, row, request.from.bare) ?? row);
}

const publish: PubsubAction = ({ parts, session, request, action, node }) => {
  const items = action.getChildren('item', NS_PUBSUB);
  const [item] = items;
  if (item === undefined) return refuse(request, { error: 'bad-request', app: 'item-required' });
  if (items.length > 1) return refuse(request, { error: 'not-allowed', app: 'max-items-exceeded' });
  const payloads = childElements(item);
  const [payload] = payloads;
  if (payload === undefined) return refuse(request, { error: 'bad-request', app: 'payload-required' });
  if (payloads.length > 1) return refuse(request, { error: 'bad-request', app: 'invalid-payload' });
  const options = readForm(request.payload.getChild('publish-options', NS_PUBSUB), 'options');
  if (options !== undefined && isFault(options)) return refuse(request, options);
  const id: string | undefined = item.attrs['id'];
  const xml = xmlOf(payload, '');
  const done = publishItem(parts, session, node, { id: id === '' ? undefined : id, xml }, options);
  if (isFault(done)) return refuse(request, done);
  parts.onPublished?.(session, node, { id: done.id, xml });
  replyWith(request, element('publish', { node }, element('item', { id: done.id })));
};

const retractAction: PubsubAction = ({ parts, session, request, action, node }) => {
  const ids = action.getChildren('item', NS_PUBSUB).map(({ attrs }) => attrs['id'] ?? '');
  const [id = ''] = ids;
  if (id === '') return refuse(request, { error: 'bad-request', app: 'item-required' });
  if (ids.length > 1) return refuse(request, { error: 'not-allowed', app: 'max-items-exceeded' });
  const notify = action.attrs['notify'] === 'true' || action.attrs['notify'] === '1';
  const fault = retract(parts, session, node, id, notify);
  if (fault !== undefined) refuse(request, fault);
  else request.reply();
};

const items: PubsubAction = (asked) => {
  const { parts, session, request, action, node } = asked;
  const row = readable(asked);
  if (isFault(row)) return refuse(request, row);
  const query = readItemsQuery(request.payload, action);
  if (isFault(query)) return refuse(request, query);
  retrieveItems(parts, session, node, query, (answer) => {
    if (typeof answer === 'string') request.reply(answer);
    else refuse(request, answer);
  });
};

const create: PubsubAction = ({ parts, session, request, node }) => {
  // An instant node (XEP-0060 8.1.3).
  const name = node === '' ? session.newId() : node;
  if (getNode(session, name) !== undefined) return refuse(request, { error: 'conflict', text: 'the node exists' });
  const fields = readForm(request.payload.getChild('configure', NS_PUBSUB), 'config');
  if (fields !== undefined && isFault(fields)) return refuse(request, fields);
  const start = configFor(parts, name);
  const config = fields === undefined ? start : configured(start, fields, parts.limits);
  const row = isFault(config) ? config : createNode(parts, session, name, config);
  if (isFault(row)) return refuse(request, row);
  if (node === '') replyWith(request, element('create', { node: name }));
  else request.reply();
};

/** The JID that a subscription is for: the asker's own, bare or full (XEP-0060 6.1.3.1). */
function subscriberOf({ request, action }: PubsubRequest): string | undefined {
  const jid = tryJid(action.attrs['jid'] ?? '');
  if (jid === undefined || jid.bare !== request.from.bare) return undefined;
  return jid.full === jid.bare || jid.full === request.from.full ? jid.full : undefined;
}

const INVALID_JID: PubsubFault = { error: 'bad-request', app: 'invalid-jid' };

const subscribe: PubsubAction = (asked) => {
  const { parts, session, request, node } = asked;
  const jid = subscriberOf(asked);
  if (jid === undefined) return refuse(request, INVALID_JID);
  const row = readable(asked);
  if (isFault(row)) return refuse(request, row);
  const { subscribers } = row;
  if (!subscribers.includes(jid)) {
    const { subscriptionsMax, listCharsMax } = parts.limits;
    if (subscribers.length >= subscriptionsMax || charsOf(subscribers) + jid.length > listCharsMax)
      return refuse(request, { error: 'policy-violation', app: 'too-many-subscriptions' });
    saveNode(session, node, row, { subscribers: [...subscribers, jid].sort() });
  }
  replyWith(request, element('subscription', { node, jid, subscription: 'subscribed' }));
  sendLastItems(parts, session, { jid, subscribed: true }, [node], 'subscription');
};

const unsubscribe: PubsubAction = (asked) => {
  const { session, request, node } = asked;
  const jid = subscriberOf(asked);
  if (jid === undefined) return refuse(request, INVALID_JID);
  const row = getNode(session, node);
  if (row === undefined) return refuse(request, NO_NODE);
  const subscribers = row.subscribers.filter((one) => one !== jid);
  if (subscribers.length === row.subscribers.length)
    return refuse(request, { error: 'unexpected-request', app: 'not-subscribed' });
  saveNode(session, node, row, { subscribers });
  request.reply();
};

/** XEP-0060 5.6: the asker's own, of one node or of all. */
const subscriptions: PubsubAction = ({ session, request, node }) => {
  const found: string[] = [];
  for (const [name, { subscribers }] of allNodes(session)) {
    if (node !== '' && name !== node) continue;
    for (const jid of subscribers) {
      if (bareOf(jid) !== request.from.bare) continue;
      found.push(element('subscription', { node: name, jid, subscription: 'subscribed' }));
    }
  }
  replyWith(request, element('subscriptions', { node: node === '' ? undefined : node }, found.join('')));
};

/** XEP-0060 5.7: the asker's own. */
const affiliations: PubsubAction = ({ session, request, node }) => {
  const found: string[] = [];
  for (const [name, { members }] of allNodes(session)) {
    if (node !== '' && name !== node) continue;
    if (request.stream !== undefined) found.push(element('affiliation', { node: name, affiliation: 'owner' }));
    else if (members.includes(request.from.bare))
      found.push(element('affiliation', { node: name, affiliation: 'member' }));
  }
  replyWith(request, element('affiliations', { node: node === '' ? undefined : node }, found.join('')));
};

const notHere =
  (feature: string): PubsubAction =>
  ({ request }) =>
    refuse(request, unsupported(feature));

/** By type and name of the element that says what is wanted. */
export const USER_ACTIONS: Readonly<Record<string, PubsubAction>> = {
  'set publish': byOwner(named(publish)),
  'set retract': byOwner(named(retractAction)),
  'set create': byOwner(create),
  'get items': named(items),
  'set subscribe': named(subscribe),
  'set unsubscribe': named(unsubscribe),
  'get subscriptions': subscriptions,
  'get affiliations': affiliations,
  'get options': notHere('subscription-options'),
  'set options': notHere('subscription-options'),
  'get default': notHere('retrieve-default-sub'),
};
