/**
 * Names on NATS, all under `rookery.<cluster>`, so that one line of an account's permissions covers a cluster. What
 * becomes part of a name is a single token of a NATS subject: no dot, space or wildcard.
 */
const TOKEN = /^[A-Za-z0-9_-]{1,64}$/;

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** @throws RangeError when the text would not be a single token */
export function token(text: string, what: string): string {
  if (!isToken(text)) throw new RangeError(`${what} must be 1 to 64 letters, digits, dashes or underscores`);
  return text;
}

/** Envelopes to a node, traffic (`d`) or bulk (`b`). */
export function nodeSubject(cluster: string, nodeId: string, lane: 'd' | 'b'): string {
  return `rookery.${cluster}.${nodeId}.${lane}`;
}

/** Heartbeats of all nodes. */
export function heartbeatSubject(cluster: string): string {
  return `rookery.${cluster}.hb`;
}

/** JetStream bucket of the configuration. */
export function bucketName(cluster: string): string {
  return `rookery-${token(cluster, 'the name of the cluster')}`;
}
