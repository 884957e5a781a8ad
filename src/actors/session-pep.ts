import type { PeerMessage } from '../xmpp/module.ts';
import { getContact, seenByUs } from '../xmpp/rfc6121-contacts.ts';
import type { SessionState } from './session-state.ts';

/** An event of somebody's node, or a wish for some; an account that is not there has neither. */
export function onPepPeer(session: SessionState, msg: Extract<PeerMessage, { t: 'event' | 'wants' }>): void {
  if (session.exists) session.parts.pep?.onPeer(session, msg);
}

/**
 * Runs what takes a message of a contact's: when the user sees the contact's presence from then on, the user's devices
 * get the last items of the contact's nodes (XEP-0163 4.3.4).
 */
export function notingNewContact(session: SessionState, msg: PeerMessage, take: () => void): void {
  const { pep } = session.parts;
  if (msg.t !== 'subscription' || pep === undefined) return take();
  const sees = (): boolean => {
    const contact = getContact(session, msg.from);
    return contact !== undefined && seenByUs(contact);
  };
  const saw = sees();
  take();
  if (!saw && sees()) pep.onSubscribed(session, msg.from);
}
