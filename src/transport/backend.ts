import type { Credentials, DeriveRequest } from '../xmpp/credentials.ts';
import type { LimitDecision } from '../xmpp/login-limit-options.ts';
import type { LimitEvent } from '../xmpp/login-limits.ts';
import type { StanzaCondition } from '../xmpp/module.ts';
import type { SaslContext } from '../xmpp/sasl-mechanism.ts';
import type { ParsedFrame } from '../xmpp/xml.ts';
import type { Connection, Peer } from './connection.ts';

/** What the gateway asks of the node behind it. It decides nothing about chat itself. */
export interface GatewayBackend {
  readonly domain: string;
  /** features after login: bind, stream management and the rest, each XML with its own namespace */
  readonly featuresAfterLogin: readonly string[];
  sasl(peer: Peer): SaslContext;
  registrationOpen(peer: Peer): boolean;
  limit(event: LimitEvent): LimitDecision;
  /** credentials of an account, undefined when there is none; rejects when its session cannot be asked */
  credentials(user: string): Promise<Credentials | undefined>;
  /** PBKDF2 off the main thread; rejects when too many wait */
  derive(request: DeriveRequest): Promise<Uint8Array>;
  register(user: string, password: string): Promise<'done' | 'conflict' | 'busy'>;
  /** makes the throw-away account of an anonymous login */
  registerAnonymous(user: string): Promise<boolean>;
  /** where a client that has logged in is to go instead (RFC 7395 3.6.1); undefined: it stays. Asked once a login. */
  seeOtherUri(user: string, peer: Peer): string | undefined;
  bind(user: string, connection: Connection, resource: string | undefined): Promise<BindOutcome>;
  /** the session sends `<resumed/>` and what is owed itself, before this resolves */
  resume(user: string, connection: Connection, smId: string, h: number): Promise<ResumeOutcome>;
  frame(user: string, sid: number, connection: Connection, frame: ParsedFrame): void;
  gone(user: string, sid: number, connection: Connection, clean: boolean): void;
  randomBytes(count: number): Uint8Array;
  /** an unpredictable stream id (RFC 6120 4.7.3) */
  newStreamId(): string;
  now(): number;
  /** after `delayMs` */
  later(delayMs: number, run: () => void): void;
  onLogin(event: LoginEvent): void;
  /** a connection met something that nobody expected, and ends; to be logged and looked into */
  onFault(error: unknown): void;
}

/** For logs and counters; `reason` is a constant word. Never holds a secret. */
export type LoginEvent =
  | { readonly t: 'success'; readonly mechanism: string; readonly user: string; readonly peer: Peer }
  | {
      readonly t: 'failure';
      readonly mechanism: string;
      readonly user: string | undefined;
      readonly reason: string;
      readonly peer: Peer;
    }
  | { readonly t: 'registered'; readonly user: string; readonly peer: Peer }
  | { readonly t: 'bound' | 'resumed'; readonly jid: string; readonly peer: Peer };

export type BindOutcome =
  | { readonly ok: true; readonly sid: number; readonly resource: string; readonly jid: string }
  | { readonly ok: false; readonly condition: StanzaCondition };

export type ResumeOutcome =
  | { readonly ok: true; readonly sid: number; readonly jid: string }
  | { readonly ok: false; readonly h: number | undefined };
