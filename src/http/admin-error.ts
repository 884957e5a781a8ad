/** Reasons for a no, and the HTTP status each has on the socket. */
export const ADMIN_REFUSALS = {
  exists: 409,
  'unknown-user': 404,
  'invalid-user': 422,
  'invalid-password': 422,
  /** too many password derivations at once, or the storage takes no writes: try again */
  busy: 503,
  'not-a-cluster': 409,
  'unknown-node': 404,
  'unknown-shard': 404,
  /** the cluster cannot do it, or not now; the message says why */
  refused: 409,
  /** the configuration store, or the node that was to do it, did not answer: it may have been done */
  'store-unavailable': 503,
  unanswered: 503,
} as const;

export type AdminRefusal = keyof typeof ADMIN_REFUSALS;

/** The node understood and said no. The message is one line for the operator, without secrets. */
export class AdminError extends Error {
  override readonly name = 'AdminError';
  readonly reason: AdminRefusal;

  constructor(reason: AdminRefusal, message: string) {
    super(message);
    this.reason = reason;
  }
}
