import type { SessionPort } from './module.ts';
import type { NodeRow } from './pubsub-nodes.ts';
import type { PubsubFault } from './pubsub-types.ts';
import { getContact, seesUs } from './rfc6121-contacts.ts';

/**
 * Whether a user may read a node of this account, subscribe to it and get its events (XEP-0060 4.5).
 * @param bareJid who wants to
 * @returns undefined when it may, else what it is to be told
 */
export function refusedAccess(
  session: SessionPort,
  { config, members }: NodeRow,
  bareJid: string,
): PubsubFault | undefined {
  if (bareJid === session.user) return undefined;
  const contact = getContact(session, bareJid);
  switch (config.access) {
    case 'open':
      return undefined;
    case 'presence':
      return seesUs(contact) ? undefined : { error: 'not-authorized', app: 'presence-subscription-required' };
    case 'roster':
      return contact?.listed === true && contact.groups.some((group) => config.groups.includes(group))
        ? undefined
        : { error: 'not-authorized', app: 'not-in-roster-group' };
    case 'whitelist':
      return members.includes(bareJid) ? undefined : { error: 'not-allowed', app: 'closed-node' };
  }
}
