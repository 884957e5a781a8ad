/** Stanza errors, RFC 6120 section 8.3. */
import type { Element } from 'ltx';
import type { StanzaCondition } from './module.ts';
import { escapeAttr, escapeText, stanza } from './stanza.ts';

export const STANZAS_ERROR_NS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

/** What the sender may do: RFC 6120 8.3.2 */
export type ErrorType = 'auth' | 'cancel' | 'continue' | 'modify' | 'wait';

/** The type each condition has unless another is given (RFC 6120 8.3.3; where it names two, the first). */
export const ERROR_TYPES: Readonly<Record<StanzaCondition, ErrorType>> = {
  'bad-request': 'modify',
  conflict: 'cancel',
  'feature-not-implemented': 'cancel',
  forbidden: 'auth',
  gone: 'cancel',
  'internal-server-error': 'cancel',
  'item-not-found': 'cancel',
  'jid-malformed': 'modify',
  'not-acceptable': 'modify',
  'not-allowed': 'cancel',
  'not-authorized': 'auth',
  'policy-violation': 'modify',
  'recipient-unavailable': 'wait',
  redirect: 'modify',
  'registration-required': 'auth',
  'remote-server-not-found': 'cancel',
  'remote-server-timeout': 'wait',
  'resource-constraint': 'wait',
  'service-unavailable': 'cancel',
  'subscription-required': 'auth',
  'undefined-condition': 'cancel',
  'unexpected-request': 'wait',
};

export interface ErrorDetails {
  readonly type?: ErrorType;
  /** for people, in English; never parsed by a program */
  readonly text?: string;
  /** address of who found the error, when it is not the `from` of the reply */
  readonly by?: string;
  /** new address for gone and redirect: a URI */
  readonly uri?: string;
  /** application-specific condition: XML that declares its own namespace, goes in as it is */
  readonly appCondition?: string;
}

/** The `<error/>` child of an error stanza. */
export function errorInner(condition: StanzaCondition, details: ErrorDetails = {}): string {
  const { by, text, uri, appCondition = '' } = details;
  const type = details.type ?? ERROR_TYPES[condition];
  const head = `<error type="${type}"${by === undefined ? '' : ` by="${escapeAttr(by)}"`}>`;
  const name = `${condition} xmlns="${STANZAS_ERROR_NS}"`;
  const defined = uri === undefined ? `<${name}/>` : `<${name}>${escapeText(uri)}</${condition}>`;
  const note = text === undefined ? '' : `<text xmlns="${STANZAS_ERROR_NS}" xml:lang="en">${escapeText(text)}</text>`;
  return `${head}${defined}${note}${appCondition}</error>`;
}

export interface ErrorReply extends ErrorDetails {
  /** the reply's `from`, instead of the stanza's `to` */
  readonly from?: string;
  /** the reply's `to`, instead of the stanza's `from`; a stanza of one's own client often has none */
  readonly to?: string;
  /** raw inner XML of the stanza, to be sent back with the error (RFC 6120 8.3.1) */
  readonly echo?: string;
}

/**
 * The error stanza that answers `el`: addresses swapped, id kept. Undefined when none may be sent: an error is never
 * answered with an error (RFC 6120 8.3.1), nor is the result of an iq (8.2.3).
 */
export function errorReply(el: Element, condition: StanzaCondition, reply: ErrorReply = {}): string | undefined {
  const { type, id, from, to } = el.attrs;
  const name = el.getName();
  if (type === 'error' || (name === 'iq' && type === 'result')) return undefined;
  if (name !== 'message' && name !== 'presence' && name !== 'iq') return undefined;
  const attrs = { from: reply.from ?? to, to: reply.to ?? from, id, type: 'error' };
  return stanza(name, attrs, (reply.echo ?? '') + errorInner(condition, reply));
}

/** What an error stanza says, for those who handle errors that come back. Undefined when it holds no known condition. */
export function readError(el: Element): { condition: StanzaCondition; type: string } | undefined {
  for (const error of el.getChildren('error')) {
    for (const child of error.getChildElements()) {
      const condition = child.getName();
      if (child.getNS() !== STANZAS_ERROR_NS || !Object.hasOwn(ERROR_TYPES, condition)) continue;
      return { condition: condition as StanzaCondition, type: error.attrs['type'] ?? '' };
    }
  }
  return undefined;
}
