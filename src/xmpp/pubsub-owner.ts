import type { Element } from 'ltx';
import { tryJid } from './jid.ts';
import type { IqRequest } from './module.ts';
import { charsOf, configForm, configured, DEFAULT_CONFIG, readForm } from './pubsub-config.ts';
import { announce } from './pubsub-events.ts';
import { applyConfig, deleteNode, getNode, type NodeRow, type PepParts, purgeNode, saveNode } from './pubsub-nodes.ts';
import { byOwner, NO_NODE, named, type PubsubAction, type PubsubRequest, refuse } from './pubsub-requests.ts';
import { isFault, NS_PUBSUB_OWNER, type PubsubFault, unsupported } from './pubsub-types.ts';
import { element } from './stanza.ts';

/** Requests of a node's owner (XEP-0060 8). The owner of all nodes of an account is its user. */

const replyWith = (request: IqRequest, inner: string): void =>
  request.reply(`<pubsub xmlns='${NS_PUBSUB_OWNER}'>${inner}</pubsub>`);

/** The node exists. */
function existing(action: (asked: PubsubRequest, row: NodeRow) => void): PubsubAction {
  return byOwner(
    named((asked) => {
      const row = getNode(asked.session, asked.node);
      if (row === undefined) refuse(asked.request, NO_NODE);
      else action(asked, row);
    }),
  );
}

const getConfig = existing(({ request, node }, { config }) =>
  replyWith(request, element('configure', { node }, configForm(config))),
);

const setConfig = existing(({ parts, session, request, action, node }, row) => {
  const fields = readForm(action, 'config');
  if (fields !== undefined && isFault(fields)) return refuse(request, fields);
  // Cancelled (8.2.4).
  if (fields === undefined) return request.reply();
  const config = configured(row.config, fields, parts.limits);
  if (isFault(config)) return refuse(request, config);
  const after = applyConfig(parts, session, node, row, config);
  request.reply();
  if (config.notifyConfig) announce(parts, session, node, after, { inner: element('configuration', { node }) });
});

const getDefault: PubsubAction = byOwner(({ request }) =>
  replyWith(request, element('default', {}, configForm(DEFAULT_CONFIG))),
);

const deleteAction = existing(({ parts, session, request, node }, row) => {
  deleteNode(parts, session, node, row);
  request.reply();
  if (row.config.notifyDelete) announce(parts, session, node, row, { inner: element('delete', { node }) });
});

const purge = existing(({ parts, session, request, node }, row) => {
  if (!row.config.persist) return refuse(request, unsupported('persistent-items'));
  const after = purgeNode(parts, session, node, row);
  request.reply();
  if (row.config.notifyRetract) announce(parts, session, node, after, { inner: element('purge', { node }) });
});

const getAffiliations = existing(({ session, request, node }, { members }) => {
  const owner = element('affiliation', { jid: session.user, affiliation: 'owner' });
  const others = members.map((jid) => element('affiliation', { jid, affiliation: 'member' }));
  replyWith(request, element('affiliations', { node }, owner + others.join('')));
});

/** 8.9.2. `member` and `none` can be given; the owner stays what it is. */
const setAffiliations = existing(({ parts, session, request, action, node }, row) => {
  const members = membersAfter(action, row.members, session.user, parts);
  if (isFault(members)) return refuse(request, members);
  saveNode(session, node, row, { members });
  request.reply();
});

function membersAfter(
  action: Element,
  before: readonly string[],
  owner: string,
  { limits }: PepParts,
): readonly string[] | PubsubFault {
  const members = new Set(before);
  for (const { attrs } of action.getChildren('affiliation', NS_PUBSUB_OWNER)) {
    const jid = tryJid(attrs['jid'] ?? '');
    if (jid === undefined) return { error: 'jid-malformed' };
    const { affiliation } = attrs;
    if (jid.bare === owner) {
      if (affiliation !== 'owner') return { error: 'not-acceptable', text: 'the owner stays the owner' };
    } else if (affiliation === 'member') members.add(jid.bare);
    else if (affiliation === 'none') members.delete(jid.bare);
    else return { error: 'not-acceptable', text: 'others can be member or none' };
  }
  const after = [...members].sort();
  if (after.length > limits.membersMax || charsOf(after) > limits.listCharsMax)
    return { error: 'not-acceptable', text: 'the node has too many members' };
  return after;
}

const getSubscriptions = existing(({ request, node }, { subscribers }) => {
  const found = subscribers.map((jid) => element('subscription', { jid, subscription: 'subscribed' }));
  replyWith(request, element('subscriptions', { node }, found.join('')));
});

/** By type and name of the element that says what is wanted. */
export const OWNER_ACTIONS: Readonly<Record<string, PubsubAction>> = {
  'get configure': getConfig,
  'set configure': setConfig,
  'get default': getDefault,
  'set delete': deleteAction,
  'set purge': purge,
  'get affiliations': getAffiliations,
  'set affiliations': setAffiliations,
  'get subscriptions': getSubscriptions,
  'set subscriptions': byOwner(({ request }) => refuse(request, unsupported('manage-subscriptions'))),
};
