import type { Element } from 'ltx';
import { accountJid, authzidMatches, checkUsername } from './account.ts';
import { preparePassword } from './credentials.ts';
import type { StanzaCondition, XmppModule } from './module.ts';
import { escapeText } from './stanza.ts';

/**
 * XEP-0077: In-Band Registration, version 2.4, https://xmpp.org/extensions/xep-0077.html
 *
 * Pure decisions about the payload of an iq; the caller looks accounts up, derives keys, commits and answers. Errors
 * never carry the request back, for it holds a password (3.3).
 */
export const REGISTER_NS = 'jabber:iq:register';
export const REGISTER_FEATURE = `<register xmlns='http://jabber.org/features/iq-register'/>`;

const DATA_NS = 'jabber:x:data';
const INSTRUCTIONS = 'Choose a username and a password.';
const REGISTERED = 'This account is registered. A new password can be set here.';

/** `reason` is a constant word for logs and counters; `text` is for people, and holds nothing the client sent. */
export interface RegistrationError {
  readonly t: 'error';
  readonly condition: StanzaCondition;
  readonly text: string;
  readonly reason: string;
}

export type RegistrationDecision =
  /** answer with this payload */
  | { readonly t: 'form'; readonly payload: string }
  /** make the account unless it exists (then `registrationErrors.conflict`); user: bare JID; password: after SASLprep */
  | { readonly t: 'register'; readonly user: string; readonly password: string }
  /** set the password of the asking account; other devices of it stay */
  | { readonly t: 'change-password'; readonly user: string; readonly password: string }
  /** answer, remove the account, end all its streams with `not-authorized` (3.2) */
  | { readonly t: 'remove'; readonly user: string }
  | RegistrationError;

export interface RegistrationContext {
  /** served domain, normalised */
  readonly domain: string;
  /** in-band registration is open to this connection (configuration and address) */
  readonly open: boolean;
  /** TLS or loopback */
  readonly secure: boolean;
  /** an account has been made on this stream already */
  readonly registered: boolean;
  /** least characters (code points) of a new password, ≥ 1 */
  readonly passwordCharsMin: number;
}

/** Errors of what the caller finds out after a `register` or `change-password` decision. */
export const registrationErrors = {
  conflict: error('conflict', 'This username is taken.', 'username-taken'),
  rate: error('resource-constraint', 'Too many registrations from your address. Try again later.', 'registration-rate'),
  busy: error('resource-constraint', 'The server is busy. Try again in a moment.', 'derivations-busy'),
  unknown: error('registration-required', 'This account is not registered.', 'account-unknown'),
} as const satisfies Record<string, RegistrationError>;

/** An iq of REGISTER_NS before authentication. `query` is its payload. */
export function decideBeforeAuth(
  query: Element,
  type: 'get' | 'set',
  context: RegistrationContext,
): RegistrationDecision {
  if (!context.open) return error('not-allowed', 'Registration is closed on this server.', 'registration-closed');
  if (type === 'get') return { t: 'form', payload: formPayload() };
  if (query.getChild('remove', REGISTER_NS) !== undefined) {
    return error('unexpected-request', 'Log in to remove your account.', 'remove-before-auth');
  }
  if (context.registered) {
    return error('not-acceptable', 'An account has been made on this connection already.', 'registered-already');
  }
  const fields = readFields(query, [REGISTER_NS]);
  if ('t' in fields) return fields;
  const name = checkUsername(fields.username ?? '', context.domain);
  if (!name.ok) return error('not-acceptable', 'This username cannot be used.', name.reason);
  const password = newPassword(fields.password ?? '', context);
  if (typeof password !== 'string') return password;
  return { t: 'register', user: name.jid.bare, password };
}

/** An iq of REGISTER_NS from the authenticated `user` (bare JID), addressed to its own account or the server. */
export function decideAuthenticated(
  query: Element,
  type: 'get' | 'set',
  user: string,
  context: RegistrationContext,
): RegistrationDecision {
  if (type === 'get') return { t: 'form', payload: registeredPayload(user) };
  if (query.getChild('remove', REGISTER_NS) !== undefined) {
    if (query.getChildElements().length > 1) {
      return error('bad-request', 'A removal carries nothing else.', 'remove-not-alone');
    }
    return { t: 'remove', user };
  }
  const fields = readFields(query, [REGISTER_NS, `${REGISTER_NS}:changepassword`]);
  if ('t' in fields) return fields;
  if (!fields.username || !fields.password) {
    return error('bad-request', 'Username and new password are required.', 'incomplete');
  }
  if (!isOwn(fields.username, user, context.domain)) {
    return error('not-authorized', 'Only your own password can be changed.', 'account-of-another');
  }
  if (!context.secure) {
    return error('not-authorized', 'Passwords are changed over encrypted connections only.', 'channel-insecure');
  }
  const password = newPassword(fields.password, context);
  return typeof password === 'string' ? { t: 'change-password', user, password } : password;
}

/** Clients send the local part; the form of XEP-0077's example 22 holds the bare JID. */
function isOwn(username: string, user: string, domain: string): boolean {
  return accountJid(username, domain)?.bare === user || authzidMatches(username, user);
}

function newPassword(raw: string, context: RegistrationContext): string | RegistrationError {
  const verdict = preparePassword(raw);
  if (!verdict.ok) return error('not-acceptable', 'This password cannot be used.', verdict.reason);
  if ([...verdict.password].length < context.passwordCharsMin) {
    return error('not-acceptable', `A password has at least ${context.passwordCharsMin} characters.`, 'password-short');
  }
  return verdict.password;
}

interface Fields {
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** The data form wins over plain fields (6). A field given twice is an error: which one would count? */
function readFields(query: Element, formTypes: readonly string[]): Fields | RegistrationError {
  const form = query.getChild('x', DATA_NS);
  const values = new Map<string, string>();
  if (form === undefined) {
    for (const child of query.getChildElements()) {
      if (child.getNS() !== REGISTER_NS) continue;
      if (values.has(child.getName())) return error('bad-request', 'A field was sent twice.', 'field-twice');
      values.set(child.getName(), child.getText());
    }
    return { username: values.get('username'), password: values.get('password') };
  }
  if (form.attrs['type'] !== 'submit')
    return error('not-acceptable', 'The form was not submitted.', 'form-not-submitted');
  for (const field of form.getChildren('field', DATA_NS)) {
    const name = field.attrs['var'] ?? '';
    if (values.has(name)) return error('bad-request', 'A field was sent twice.', 'field-twice');
    values.set(name, field.getChildText('value', DATA_NS) ?? '');
  }
  const formType = values.get('FORM_TYPE');
  if (formType !== undefined && !formTypes.includes(formType)) {
    return error('bad-request', 'This is another form.', 'form-type');
  }
  return { username: values.get('username'), password: values.get('password') };
}

function formPayload(): string {
  const field = (type: string, name: string, label: string): string =>
    `<field type='${type}' var='${name}' label='${label}'><required/></field>`;
  return (
    `<query xmlns='${REGISTER_NS}'><instructions>${INSTRUCTIONS}</instructions><username/><password/>` +
    `<x xmlns='${DATA_NS}' type='form'><title>Registration</title><instructions>${INSTRUCTIONS}</instructions>` +
    `<field type='hidden' var='FORM_TYPE'><value>${REGISTER_NS}</value></field>` +
    field('text-single', 'username', 'Username') +
    field('text-private', 'password', 'Password') +
    '</x></query>'
  );
}

function registeredPayload(user: string): string {
  const local = escapeText(user.slice(0, user.lastIndexOf('@')));
  return (
    `<query xmlns='${REGISTER_NS}'><registered/><instructions>${REGISTERED}</instructions>` +
    `<username>${local}</username><password/></query>`
  );
}

function error(condition: StanzaCondition, text: string, reason: string): RegistrationError {
  return { t: 'error', condition, text, reason };
}

export const registrationModule: XmppModule = {
  spec: {
    id: 'XEP-0077',
    title: 'In-Band Registration',
    version: '2.4',
    url: 'https://xmpp.org/extensions/xep-0077.html',
    note: 'registration, password change and removal; plain fields and data form',
  },
  serverFeatures: [REGISTER_NS],
};
