import type { Element } from 'ltx';
import { tryJid } from '../xmpp/jid.ts';
import type { StanzaCondition } from '../xmpp/module.ts';
import { featuresXml, isOpen, openXml, readOpen } from '../xmpp/rfc7395-framing.ts';
import {
  mechanismsFeature,
  parseSaslFrame,
  type SaslEffect,
  type SaslEvent,
  type SaslState,
  saslFrameXml,
  saslIdle,
  saslStep,
} from '../xmpp/sasl.ts';
import { escapeText, stanza } from '../xmpp/stanza.ts';
import { errorInner } from '../xmpp/stanza-error.ts';
import { decideBeforeAuth, REGISTER_FEATURE, REGISTER_NS, registrationErrors } from '../xmpp/xep0077-registration.ts';
import { failedXml, NS_SM, parseSm } from '../xmpp/xep0198-stream-management.ts';
import type { ParsedFrame } from '../xmpp/xml.ts';
import type { BindOutcome, GatewayBackend, ResumeOutcome } from './backend.ts';
import type { Connection, Phase } from './connection.ts';

const NS_BIND = 'urn:ietf:params:xml:ns:xmpp-bind';
const NS_CLIENT = 'jabber:client';
const PASSWORD_CHARS_MIN = 1;

/**
 * Frames that may wait while an answer is on its way (a lookup, a bind), before login of `loginBytesMax` together; a client
 * that sends more is cut off.
 */
const WAITING_MAX = 32;

/**
 * From the first frame to a bound stream: open, SASL or registration, open again, bind or resume (RFC 6120 4.3, 6, 7;
 * RFC 7395; XEP-0077; XEP-0198 5). Freed once the stream is bound. Frames are handled one at a time: while an answer
 * is awaited the next ones wait.
 */
export class Login implements Phase {
  readonly #conn: Connection;
  readonly #backend: GatewayBackend;
  /** limiter key of the peer's address */
  readonly #address: string;
  #at: 'open' | 'login' | 'reopen' | 'bind' = 'open';
  #sasl: SaslState = saslIdle;
  #user = '';
  /** an anonymous account, which would be another one elsewhere */
  #throwAway = false;
  #registered = false;
  #busy = false;
  readonly #waiting: ParsedFrame[] = [];
  /** UTF-16 units of what has waited since the last answer */
  #waitingChars = 0;
  /** the client closed its stream, while an answer was on its way or before */
  #leftClean = false;

  constructor(conn: Connection, backend: GatewayBackend, address: string) {
    this.#conn = conn;
    this.#backend = backend;
    this.#address = address;
  }

  frame(frame: ParsedFrame): void {
    if (this.#busy) {
      this.#waitingChars += frame.inner.length;
      if (this.#waiting.length >= WAITING_MAX || (this.#user === '' && this.#waitingChars > this.#conn.bytesMax))
        this.#conn.fail('policy-violation', 'wait for answers before you send more');
      else this.#waiting.push(frame);
      return;
    }
    this.#handle(frame);
  }

  gone(clean: boolean): void {
    this.#waiting.length = 0;
    this.#leftClean = clean;
  }

  #handle(frame: ParsedFrame): void {
    switch (this.#at) {
      case 'open':
      case 'reopen':
        return this.#onOpen(frame.el);
      case 'login':
        return this.#onLogin(frame.el);
      case 'bind':
        return this.#onBind(frame.el);
    }
  }

  /**
   * Holds further frames back until `done`; then handles them in order, unless the phase is over.
   * @param late instead of `done` when the socket went meanwhile: takes back what the answer granted
   */
  #await<T>(promise: Promise<T>, done: (value: T) => void, failed: () => void, late?: (value: T) => void): void {
    this.#busy = true;
    const go = (next: () => void): void => {
      this.#busy = false;
      this.#waitingChars = 0;
      if (this.#conn.closing) return;
      next();
      while (!this.#busy && this.#conn.phase === this) {
        const frame = this.#waiting.shift();
        if (frame === undefined) return;
        this.#handle(frame);
      }
    };
    const guarded = (next: () => void): void => {
      try {
        next();
      } catch (error) {
        this.#conn.fault(error);
      }
    };
    promise.then(
      (value) => guarded(() => (this.#conn.closing ? late?.(value) : go(() => done(value)))),
      () => guarded(() => go(failed)),
    );
  }

  #onOpen(el: Element): void {
    const open = readOpen(el);
    const { domain } = this.#backend;
    if (!open.ok) return this.#conn.fail(open.condition, open.reason);
    if (open.to !== domain) return this.#conn.fail('host-unknown', `this server serves ${domain}`);
    this.#conn.opened = true;
    const to = this.#user === '' ? undefined : this.#user;
    this.#conn.send(
      openXml({
        from: domain,
        id: this.#backend.newStreamId(),
        ...(to !== undefined && { to }),
        ...(open.lang !== undefined && { lang: open.lang }),
      }),
    );
    if (this.#at === 'reopen' && !this.#throwAway) {
      const uri = this.#backend.seeOtherUri(this.#user, this.#conn.peer);
      if (uri !== undefined) return this.#conn.sendOn(uri);
    }
    this.#conn.send(featuresXml(this.#features()));
    this.#at = this.#at === 'open' ? 'login' : 'bind';
  }

  #features(): readonly string[] {
    if (this.#at === 'reopen') return this.#backend.featuresAfterLogin;
    const mechanisms = mechanismsFeature(this.#backend.sasl(this.#conn.peer));
    return this.#backend.registrationOpen(this.#conn.peer) ? [mechanisms, REGISTER_FEATURE] : [mechanisms];
  }

  // --- before login --------------------------------------------------------------------------------------------

  #onLogin(el: Element): void {
    const sasl = parseSaslFrame(el);
    if (sasl !== undefined) {
      return this.#sasl0(sasl.t === 'auth' ? { ...sasl, random: this.#backend.randomBytes(18) } : sasl);
    }
    if (el.getNS() === NS_CLIENT && el.name === 'iq') return this.#onEarlyIq(el);
    this.#conn.fail('not-authorized', 'log in first');
  }

  #sasl0(event: SaslEvent): void {
    const { state, effect } = saslStep(this.#sasl, event, this.#backend.sasl(this.#conn.peer));
    this.#sasl = state;
    if (effect !== undefined) this.#saslEffect(effect);
  }

  #saslEffect(effect: SaslEffect): void {
    switch (effect.t) {
      case 'challenge':
        return this.#conn.send(saslFrameXml(effect));
      case 'lookup':
        return this.#lookup(effect.user, effect.exchange);
      case 'derive': {
        const { exchange } = effect;
        const unavailable = (): void => this.#sasl0({ t: 'unavailable', exchange, reason: 'derivations-busy' });
        return this.#await(
          this.#backend.derive(effect.request),
          (derived) => this.#sasl0({ t: 'derived', exchange, derived }),
          unavailable,
        );
      }
      case 'success':
        return this.#onSuccess(effect);
      case 'failure':
        return this.#onFailure(effect);
    }
  }

  #lookup(user: string, exchange: number): void {
    const backend = this.#backend;
    const decision = backend.limit({ t: 'attempt', address: this.#address, account: user, nowMs: backend.now() });
    if (!decision.allow) return this.#sasl0({ t: 'unavailable', exchange, reason: decision.reason });
    const waited =
      decision.delayMs === 0 ? undefined : new Promise<void>((resolve) => backend.later(decision.delayMs, resolve));
    const found = waited === undefined ? backend.credentials(user) : waited.then(() => backend.credentials(user));
    this.#await(
      found,
      (credentials) => this.#sasl0({ t: 'account', exchange, credentials }),
      () => this.#sasl0({ t: 'unavailable', exchange, reason: 'lookup-failed' }),
    );
  }

  #onSuccess(effect: Extract<SaslEffect, { t: 'success' }>): void {
    const { mechanism, user } = effect;
    const backend = this.#backend;
    const done = (): void => {
      backend.limit({ t: 'authenticated', address: this.#address });
      backend.onLogin({ t: 'success', mechanism, user, peer: this.#conn.peer });
      this.#user = user;
      this.#throwAway = mechanism === 'ANONYMOUS';
      this.#conn.user = user;
      this.#at = 'reopen';
      this.#conn.send(saslFrameXml(effect));
    };
    if (mechanism !== 'ANONYMOUS') {
      backend.limit({ t: 'succeeded', address: this.#address, account: user });
      return done();
    }
    const refuse = (): void => this.#conn.fail('resource-constraint', 'no anonymous account can be made now');
    this.#await(backend.registerAnonymous(user), (made) => (made ? done() : refuse()), refuse);
  }

  #onFailure(effect: Extract<SaslEffect, { t: 'failure' }>): void {
    const { mechanism, user, reason } = effect;
    const backend = this.#backend;
    backend.onLogin({ t: 'failure', mechanism, user, reason, peer: this.#conn.peer });
    if (effect.condition === 'not-authorized' && user !== undefined) {
      backend.limit({ t: 'failed', address: this.#address, account: user, nowMs: backend.now() });
    }
    this.#conn.send(saslFrameXml(effect));
    if (effect.final) this.#conn.fail('policy-violation', 'too many failed attempts to log in');
  }

  /** XEP-0077 3.1: the only stanza that is answered before login. */
  #onEarlyIq(el: Element): void {
    const query = el.getChild('query', REGISTER_NS);
    const { id, type } = el.attrs;
    if (query === undefined || id === undefined || !(type === 'get' || type === 'set')) {
      return this.#conn.fail('not-authorized', 'log in first');
    }
    const { peer } = this.#conn;
    const backend = this.#backend;
    const context = {
      domain: backend.domain,
      open: backend.registrationOpen(peer),
      secure: peer.secure || peer.loopback,
      registered: this.#registered,
      passwordCharsMin: PASSWORD_CHARS_MIN,
    };
    const decision = decideBeforeAuth(query, type, context);
    switch (decision.t) {
      case 'form':
        return this.#result(id, decision.payload);
      case 'register':
        return this.#register(id, decision.user, decision.password);
      case 'error':
        return this.#error(id, decision.condition, decision.text);
      default:
        return this.#error(id, 'unexpected-request');
    }
  }

  #register(id: string, user: string, password: string): void {
    const backend = this.#backend;
    const { rate, busy, conflict } = registrationErrors;
    if (!backend.limit({ t: 'register', address: this.#address, nowMs: backend.now() }).allow)
      return this.#error(id, rate.condition, rate.text);
    const failed = (): void => this.#error(id, busy.condition, busy.text);
    this.#await(
      backend.register(user, password),
      (outcome) => {
        if (outcome === 'busy') return failed();
        if (outcome === 'conflict') return this.#error(id, conflict.condition, conflict.text);
        this.#registered = true;
        backend.onLogin({ t: 'registered', user, peer: this.#conn.peer });
        this.#result(id, '');
      },
      failed,
    );
  }

  // --- after login ---------------------------------------------------------------------------------------------

  #onBind(el: Element): void {
    if (el.getNS() === NS_SM) return this.#onSm(el);
    const { id, type } = el.attrs;
    if (el.getNS() !== NS_CLIENT || el.name !== 'iq' || id === undefined)
      return this.#conn.fail('not-authorized', 'bind a resource first');
    const bind = el.getChild('bind', NS_BIND);
    if (type !== 'set' || bind === undefined) return this.#conn.fail('not-authorized', 'bind a resource first');
    const asked = bind.getChildText('resource') ?? '';
    const resource = asked === '' ? undefined : tryJid(`${this.#user}/${asked}`)?.resource;
    if (asked !== '' && resource === undefined) return this.#error(id, 'bad-request', 'the resource is malformed');
    const refused = (condition: StanzaCondition): void => this.#error(id, condition);
    this.#await(
      this.#backend.bind(this.#user, this.#conn, resource),
      (outcome) => {
        if (!outcome.ok) return refused(outcome.condition);
        this.#enter(outcome.sid);
        this.#backend.onLogin({ t: 'bound', jid: outcome.jid, peer: this.#conn.peer });
        this.#result(id, `<bind xmlns='${NS_BIND}'><jid>${escapeText(outcome.jid)}</jid></bind>`);
      },
      () => refused('resource-constraint'),
      (outcome) => this.#takeBack(outcome),
    );
  }

  /** A stream was bound or resumed for a socket that is gone: without this it would stay attached to it for good. */
  #takeBack(outcome: BindOutcome | ResumeOutcome): void {
    if (outcome.ok) this.#backend.gone(this.#user, outcome.sid, this.#conn, this.#leftClean);
  }

  #onSm(el: Element): void {
    const nonza = parseSm(el);
    if (nonza?.t !== 'resume') return this.#conn.send(failedXml('unexpected-request'));
    const failed = (h?: number): void => this.#conn.send(failedXml('item-not-found', h));
    this.#await(
      this.#backend.resume(this.#user, this.#conn, nonza.previd, nonza.h),
      (outcome) => {
        if (!outcome.ok) return failed(outcome.h);
        this.#enter(outcome.sid);
        this.#backend.onLogin({ t: 'resumed', jid: outcome.jid, peer: this.#conn.peer });
      },
      () => failed(),
      (outcome) => this.#takeBack(outcome),
    );
  }

  /** From here on frames go to the session; those that waited go first. */
  #enter(sid: number): void {
    const bound = new Bound(this.#conn, this.#backend, this.#user, sid);
    this.#conn.phase = bound;
    const waiting = this.#waiting.splice(0);
    // After the answer to the bind has been queued.
    if (waiting.length > 0)
      queueMicrotask(() => {
        for (const frame of waiting) bound.frame(frame);
      });
  }

  #result(id: string, inner: string): void {
    this.#conn.send(stanza('iq', { id, type: 'result' }, inner));
  }

  #error(id: string, condition: StanzaCondition, text?: string): void {
    this.#conn.send(stanza('iq', { id, type: 'error' }, errorInner(condition, text === undefined ? {} : { text })));
  }
}

/** A bound stream: every frame is the session's. */
export class Bound implements Phase {
  readonly #conn: Connection;
  readonly #backend: GatewayBackend;
  readonly #user: string;
  readonly #sid: number;

  constructor(conn: Connection, backend: GatewayBackend, user: string, sid: number) {
    this.#conn = conn;
    this.#backend = backend;
    this.#user = user;
    this.#sid = sid;
  }

  frame(frame: ParsedFrame): void {
    if (isOpen(frame.el)) return this.#conn.fail('bad-format', 'the stream is open already');
    this.#backend.frame(this.#user, this.#sid, this.#conn, frame);
  }

  gone(clean: boolean): void {
    this.#backend.gone(this.#user, this.#sid, this.#conn, clean);
  }
}
