import type { Element } from 'ltx';
import { decodeBase64 } from './base64.ts';
import type { Credentials, DeriveRequest } from './credentials.ts';
import type { XmppModule } from './module.ts';
import { anonymousMechanism } from './sasl-anonymous.ts';
import {
  type Mechanism,
  SASL_RANDOM_BYTES,
  type SaslCondition,
  type SaslContext,
  type SaslStep,
} from './sasl-mechanism.ts';
import { plainMechanism } from './sasl-plain.ts';
import { scramSha1, scramSha256 } from './scram.ts';

/**
 * SASL for one connection (RFC 6120 6, framed by RFC 7395) as a pure machine: `saslStep(state, event, context)` gives
 * the next state and at most one effect. The shell looks accounts up, runs PBKDF2 and sends frames; a mechanism is a
 * chain of steps, each saying what it waits for and what comes next.
 *
 * A connection has one exchange at a time. Every exchange has a number, which lookups and derivations carry there and
 * back, so that the answer to an aborted exchange does nothing in the next one.
 */
export const SASL_NS = 'urn:ietf:params:xml:ns:xmpp-sasl';

export const AUTH_ATTEMPTS_MAX_DEFAULT = 3;
/** Characters of base64 in one frame; the longest lawful one is PLAIN with a password of 1,024 bytes. */
export const SASL_TEXT_CHARS_MAX = 8_192;

/** In the order of preference in which they are offered. */
const MECHANISMS: readonly Mechanism[] = [scramSha256, scramSha1, plainMechanism, anonymousMechanism];

export type SaslFrame =
  | { readonly t: 'auth'; readonly mechanism: string; readonly text: string }
  | { readonly t: 'response'; readonly text: string }
  | { readonly t: 'abort' }
  | { readonly t: 'malformed'; readonly reason: string };

export type SaslEvent =
  | { readonly t: 'auth'; readonly mechanism: string; readonly text: string; readonly random: Uint8Array }
  | Exclude<SaslFrame, { t: 'auth' }>
  /** answer to `lookup`; undefined: no such account, or one without a password */
  | { readonly t: 'account'; readonly exchange: number; readonly credentials: Credentials | undefined }
  /** answer to `derive` */
  | { readonly t: 'derived'; readonly exchange: number; readonly derived: Uint8Array }
  /** the lookup or derivation could not be done (busy, timeout, storage) */
  | { readonly t: 'unavailable'; readonly exchange: number; readonly reason: string };

export type SaslEffect =
  | { readonly t: 'lookup'; readonly exchange: number; readonly user: string }
  | { readonly t: 'derive'; readonly exchange: number; readonly request: DeriveRequest }
  /** text: base64, or '' for an empty challenge */
  | { readonly t: 'challenge'; readonly text: string }
  /** user: authenticated bare JID */
  | { readonly t: 'success'; readonly mechanism: string; readonly user: string; readonly text: string }
  /**
   * final: attempts are used up, the caller ends the stream with `policy-violation` after sending it.
   * user: whom the exchange was about, as far as known, for the limiter; it need not exist.
   */
  | {
      readonly t: 'failure';
      readonly condition: SaslCondition;
      readonly reason: string;
      readonly mechanism: string;
      readonly user: string | undefined;
      readonly final: boolean;
    };

type Waiting = Extract<SaslStep, { next: unknown }>;

export type SaslState =
  | { readonly at: 'idle'; readonly exchange: number; readonly failures: number }
  | {
      readonly at: 'exchange';
      readonly exchange: number;
      readonly failures: number;
      readonly mechanism: string;
      readonly user: string | undefined;
      readonly waiting: Waiting;
    }
  /** authenticated, or out of attempts: every event is ignored */
  | { readonly at: 'ended'; readonly exchange: number; readonly failures: number };

export interface SaslResult {
  readonly state: SaslState;
  readonly effect: SaslEffect | undefined;
}

export const saslIdle: SaslState = { at: 'idle', exchange: 0, failures: 0 };

/** Names of the mechanisms offered on this connection, best first. */
export function offeredMechanisms(context: SaslContext): string[] {
  return MECHANISMS.filter((mechanism) => mechanism.refusal(context) === undefined).map(({ name }) => name);
}

/** RFC 6120 6.4.1: the stream feature. */
export function mechanismsFeature(context: SaslContext): string {
  const names = offeredMechanisms(context).map((name) => `<mechanism>${name}</mechanism>`);
  return `<mechanisms xmlns='${SASL_NS}'>${names.join('')}</mechanisms>`;
}

/** A frame of the SASL namespace, or undefined when `el` is of another namespace. The caller adds `random` to `auth`. */
export function parseSaslFrame(el: Element): SaslFrame | undefined {
  if (el.getNS() !== SASL_NS) return undefined;
  const name = el.getName();
  if (name === 'abort') return { t: 'abort' };
  if (name !== 'auth' && name !== 'response') return { t: 'malformed', reason: 'unknown-element' };
  if (el.children.some((child) => typeof child !== 'string')) return { t: 'malformed', reason: 'child-element' };
  const text = el.getText();
  if (text.length > SASL_TEXT_CHARS_MAX) return { t: 'malformed', reason: 'too-long' };
  if (name === 'response') return { t: 'response', text };
  return { t: 'auth', mechanism: el.attrs['mechanism'] ?? '', text };
}

/**
 * One step. At most one effect, to be done before the next event. Nothing that a client sends makes it throw.
 * @throws RangeError when an `auth` event brings too few random bytes (a fault of the caller)
 */
export function saslStep(state: SaslState, event: SaslEvent, context: SaslContext): SaslResult {
  if (state.at === 'ended') return { state, effect: undefined };
  switch (event.t) {
    case 'auth':
      return state.at === 'idle'
        ? begin(state, event, context)
        : fail(state, context, 'malformed-request', 'auth-twice');
    case 'response':
      return respond(state, event.text, context);
    case 'abort':
      return fail(state, context, 'aborted', 'aborted');
    case 'malformed':
      return fail(state, context, 'malformed-request', event.reason);
    case 'account':
      if (state.at !== 'exchange' || state.exchange !== event.exchange || state.waiting.t !== 'lookup') break;
      return advance(state, state.waiting.next(event.credentials), context);
    case 'derived':
      if (state.at !== 'exchange' || state.exchange !== event.exchange || state.waiting.t !== 'derive') break;
      return advance(state, state.waiting.next(event.derived), context);
    case 'unavailable':
      if (state.at !== 'exchange' || state.exchange !== event.exchange || !asksShell(state.waiting)) break;
      return fail(state, context, 'temporary-auth-failure', event.reason);
  }
  return { state, effect: undefined };
}

function asksShell(waiting: Waiting): boolean {
  return waiting.t === 'lookup' || waiting.t === 'derive';
}

function begin(state: SaslState, event: Extract<SaslEvent, { t: 'auth' }>, context: SaslContext): SaslResult {
  const { text } = event;
  if (event.random.length < SASL_RANDOM_BYTES) {
    throw new RangeError(`an auth event brings ${SASL_RANDOM_BYTES} random bytes`);
  }
  // a copy: the caller's may be a view into a pool, and an empty challenge keeps it for later
  const random = Uint8Array.from(event.random.subarray(0, SASL_RANDOM_BYTES));
  const mechanism = MECHANISMS.find(({ name }) => name === event.mechanism);
  if (mechanism === undefined) return fail(state, context, 'invalid-mechanism', 'mechanism-unknown');
  const base = { ...state, exchange: state.exchange + 1, mechanism: mechanism.name, user: undefined };
  const refusal = mechanism.refusal(context);
  if (refusal !== undefined) return fail(base, context, refusal, 'mechanism-not-offered');
  const start = (message: string): SaslStep => mechanism.start(message, context, random);
  if (text === '') {
    const step: SaslStep = mechanism.emptyInitial === 'start' ? start('') : { t: 'challenge', data: '', next: start };
    return advance(base, step, context);
  }
  // RFC 6120 6.4.2: a single '=' is an initial response of no bytes
  const message = text === '=' ? '' : decodeText(text);
  if (typeof message !== 'string') return fail(base, context, message.condition, 'initial-response');
  return advance(base, start(message), context);
}

function respond(state: SaslState, text: string, context: SaslContext): SaslResult {
  if (state.at !== 'exchange' || state.waiting.t !== 'challenge') {
    return fail(state, context, 'malformed-request', 'response-unexpected');
  }
  const message = decodeText(text);
  if (typeof message !== 'string') return fail(state, context, message.condition, 'response');
  return advance(state, state.waiting.next(message), context);
}

interface Underway {
  readonly exchange: number;
  readonly failures: number;
  readonly mechanism?: string;
  readonly user?: string | undefined;
}

function advance(at: Underway & { mechanism: string }, step: SaslStep, context: SaslContext): SaslResult {
  const { exchange, failures, mechanism } = at;
  switch (step.t) {
    case 'failure':
      return fail({ ...at, user: step.user ?? at.user }, context, step.condition, step.reason);
    case 'success': {
      const effect: SaslEffect = { t: 'success', mechanism, user: step.user, text: encodeText(step.data ?? '') };
      return { state: { at: 'ended', exchange, failures }, effect };
    }
  }
  const user = step.t === 'lookup' ? step.user : at.user;
  const state: SaslState = { at: 'exchange', exchange, failures, mechanism, user, waiting: step };
  switch (step.t) {
    case 'lookup':
      return { state, effect: { t: 'lookup', exchange, user: step.user } };
    case 'derive':
      return { state, effect: { t: 'derive', exchange, request: step.request } };
    case 'challenge':
      return { state, effect: { t: 'challenge', text: encodeText(step.data) } };
  }
}

/** Every failure counts, whatever its condition: so the number of exchanges of one connection is bounded. */
function fail(at: Underway, context: SaslContext, condition: SaslCondition, reason: string): SaslResult {
  const failures = at.failures + 1;
  const final = failures >= context.authAttemptsMax;
  const { exchange, mechanism = '', user } = at;
  const effect: SaslEffect = { t: 'failure', condition, reason, mechanism, user, final };
  return { state: { at: final ? 'ended' : 'idle', exchange, failures }, effect };
}

/** The frame of an effect that is one (RFC 6120 6.4). */
export function saslFrameXml(effect: Extract<SaslEffect, { t: 'challenge' | 'success' | 'failure' }>): string {
  if (effect.t === 'failure') return `<failure xmlns='${SASL_NS}'><${effect.condition}/></failure>`;
  if (effect.text === '') return `<${effect.t} xmlns='${SASL_NS}'/>`;
  return `<${effect.t} xmlns='${SASL_NS}'>${effect.text}</${effect.t}>`;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeText(text: string): string | { readonly condition: SaslCondition } {
  const bytes = decodeBase64(text);
  if (bytes === undefined) return { condition: 'incorrect-encoding' };
  try {
    return utf8.decode(bytes);
  } catch {
    // a fatal decoder throws for one thing only: bytes that are not UTF-8
    return { condition: 'malformed-request' };
  }
}

function encodeText(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

export const saslModule: XmppModule = {
  spec: {
    id: 'RFC 6120 6',
    title: 'SASL negotiation',
    url: 'https://www.rfc-editor.org/rfc/rfc6120#section-6',
    note: 'SCRAM-SHA-256, SCRAM-SHA-1, PLAIN, ANONYMOUS',
  },
};
