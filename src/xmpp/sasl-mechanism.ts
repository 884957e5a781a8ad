import type { Credentials, DeriveRequest } from './credentials.ts';

/** Random bytes that every `auth` event brings. */
export const SASL_RANDOM_BYTES = 18;

/** RFC 6120 6.5, those that can happen here. */
export type SaslCondition =
  | 'aborted'
  | 'encryption-required'
  | 'incorrect-encoding'
  | 'invalid-authzid'
  | 'invalid-mechanism'
  | 'malformed-request'
  | 'not-authorized'
  | 'temporary-auth-failure';

/** What holds for a connection's whole life. */
export interface SaslContext {
  /** served domain, normalised */
  readonly domain: string;
  /** TLS or loopback: a password may be sent in the clear */
  readonly secure: boolean;
  /** ANONYMOUS is enabled */
  readonly anonymous: boolean;
  /** the cluster's secret, ≥ 16 bytes: from it come the salts of users who do not exist */
  readonly secret: Uint8Array;
  /** PBKDF2 rounds shown for users who do not exist: the value new passwords get */
  readonly iterations: number;
  /** failed exchanges after which the last failure says `final` */
  readonly authAttemptsMax: number;
}

/** What a mechanism waits for or ends with. `reason` is a constant word for logs and counters. */
export type SaslStep =
  | { readonly t: 'challenge'; readonly data: string; readonly next: (response: string) => SaslStep }
  | { readonly t: 'lookup'; readonly user: string; readonly next: (credentials: Credentials | undefined) => SaslStep }
  | { readonly t: 'derive'; readonly request: DeriveRequest; readonly next: (derived: Uint8Array) => SaslStep }
  | { readonly t: 'success'; readonly user: string; readonly data?: string }
  | { readonly t: 'failure'; readonly condition: SaslCondition; readonly reason: string; readonly user?: string };

export interface Mechanism {
  readonly name: string;
  /** why it is not offered on this connection; undefined when it is */
  refusal(context: SaslContext): SaslCondition | undefined;
  /** without an initial response: ask for it with an empty challenge, or start with an empty one */
  readonly emptyInitial: 'challenge' | 'start';
  /** `message` is the decoded initial response; `random` has SASL_RANDOM_BYTES fresh bytes */
  start(message: string, context: SaslContext, random: Uint8Array): SaslStep;
}
