/**
 * Every way in which a connection ends, in one place: the WebSocket close code (RFC 6455 7.4.1), its reason, the
 * stream error that goes before `<close/>`, and what a client is to do next. Codes 1005, 1006 and 1015 are never sent.
 */
import type { StreamCondition } from './rfc7395-framing.ts';

/**
 * - `none`: it was the client's wish, or a newer connection has taken over;
 * - `resume`: connect again at once and resume the stream (XEP-0198);
 * - `backoff`: connect again after a random wait that grows, and resume if the stream could be resumed;
 * - `fix`: the same again would end the same way: a fault of the client, or new credentials are needed.
 */
export type ClientDuty = 'none' | 'resume' | 'backoff' | 'fix';

export interface Ending {
  readonly code: number;
  /** At most 123 bytes (RFC 6455 5.5) */
  readonly reason: string;
  readonly condition: StreamCondition | undefined;
  readonly duty: ClientDuty;
  /** Is the stream kept for a resumption? */
  readonly resumable: boolean;
}

function ending(
  code: number,
  reason: string,
  condition: StreamCondition | undefined,
  duty: ClientDuty,
  resumable = false,
): Ending {
  return { code, reason, condition, duty, resumable };
}

export const ENDINGS = {
  /** the client sent close */
  closed: ending(1000, 'closed', undefined, 'none'),
  /** the client is sent on to another node (RFC 7395 3.6.1), before it has bound a stream here */
  elsewhere: ending(1000, 'see-other-uri', undefined, 'resume', true),
  /** the account is gone (XEP-0077 3.2) or its password was changed elsewhere */
  accountRemoved: ending(1000, 'account removed', 'not-authorized', 'fix'),
  /** another connection bound the same resource (RFC 6120 7.7.2.2) */
  replaced: ending(1000, 'replaced by a new connection', 'conflict', 'none'),
  /** another connection resumed this stream (XEP-0198 5) */
  resumedElsewhere: ending(1000, 'resumed on a new connection', 'conflict', 'none'),
  /** this node drains or stops */
  shutdown: ending(1001, 'system-shutdown', 'system-shutdown', 'backoff', true),
  /** the entity that held the stream moved or restarted */
  reset: ending(1001, 'reset', 'reset', 'resume', true),
  /** no sign of life, even after a ping */
  timeout: ending(1001, 'connection-timeout', 'connection-timeout', 'resume', true),
  /** connected, and never authenticated in time */
  loginTimeout: ending(1008, 'not authenticated in time', 'connection-timeout', 'backoff'),
  /** the client did not offer the xmpp subprotocol (RFC 7395 3.1) */
  noSubprotocol: ending(1002, 'subprotocol xmpp is required', undefined, 'fix'),
  /** a binary frame (RFC 7395 3.2) */
  binary: ending(1003, 'text frames only', 'bad-format', 'fix'),
  /** a text frame that is no UTF-8; the WebSocket layer finds it and no more can be sent */
  invalidUtf8: ending(1007, 'invalid UTF-8', undefined, 'fix'),
  notWellFormed: ending(1007, 'not-well-formed', 'not-well-formed', 'fix'),
  restrictedXml: ending(1007, 'restricted-xml', 'restricted-xml', 'fix'),
  unsupportedEncoding: ending(1007, 'unsupported-encoding', 'unsupported-encoding', 'fix'),
  /** frames out of order: before open, a second open, stanzas before bind */
  outOfOrder: ending(1008, 'frame out of order', 'not-authorized', 'fix'),
  badFormat: ending(1008, 'bad-format', 'bad-format', 'fix'),
  hostUnknown: ending(1008, 'host-unknown', 'host-unknown', 'fix'),
  improperAddressing: ending(1008, 'improper-addressing', 'improper-addressing', 'fix'),
  invalidFrom: ending(1008, 'invalid-from', 'invalid-from', 'fix'),
  invalidNamespace: ending(1008, 'invalid-namespace', 'invalid-namespace', 'fix'),
  unsupportedStanza: ending(1008, 'unsupported-stanza-type', 'unsupported-stanza-type', 'fix'),
  unsupportedVersion: ending(1008, 'unsupported-version', 'unsupported-version', 'fix'),
  /** too many failed logins, or a limit other than size */
  policy: ending(1008, 'policy-violation', 'policy-violation', 'backoff'),
  tooBig: ending(1009, 'frame over the limit', 'policy-violation', 'fix'),
  /** our fault */
  internal: ending(1011, 'internal-server-error', 'internal-server-error', 'backoff', true),
  /** the client reads too slowly, and its queue is full */
  slow: ending(1013, 'reading too slowly', 'resource-constraint', 'backoff', true),
  /** too many connections: of this address, of this account, or of the node */
  tooManyConnections: ending(1013, 'too many connections', 'resource-constraint', 'backoff'),
} as const satisfies Record<string, Ending>;

export type EndingName = keyof typeof ENDINGS;

const BY_CONDITION: Partial<Record<StreamCondition, EndingName>> = {
  'bad-format': 'badFormat',
  conflict: 'replaced',
  'connection-timeout': 'timeout',
  'host-unknown': 'hostUnknown',
  'improper-addressing': 'improperAddressing',
  'internal-server-error': 'internal',
  'invalid-from': 'invalidFrom',
  'invalid-namespace': 'invalidNamespace',
  'not-authorized': 'outOfOrder',
  'not-well-formed': 'notWellFormed',
  'policy-violation': 'policy',
  reset: 'reset',
  'resource-constraint': 'tooManyConnections',
  'restricted-xml': 'restrictedXml',
  'system-shutdown': 'shutdown',
  'unsupported-encoding': 'unsupportedEncoding',
  'unsupported-stanza-type': 'unsupportedStanza',
  'unsupported-version': 'unsupportedVersion',
};

/** How to end a connection for a stream condition, for example that of a FrameError. Others end as `policy`, with theirs. */
export function endingFor(condition: StreamCondition): Ending {
  const name = BY_CONDITION[condition];
  return name === undefined ? ending(1008, condition, condition, 'fix') : ENDINGS[name];
}
