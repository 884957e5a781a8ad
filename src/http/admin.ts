/** What an operator can ask of a node, over its admin socket or in the same process. The node implements it. */
export interface AdminApi {
  /**
   * @param user a local part (`alice`) or a whole address of the served domain (`alice@localhost`), as typed
   * @throws AdminError `exists`, `invalid-user`, `invalid-password`, `busy`
   */
  addUser(user: string, password: string): Promise<void>;
  /** Ends the user's streams too. @throws AdminError `unknown-user`, `invalid-user`, `invalid-password`, `busy` */
  setPassword(user: string, password: string): Promise<void>;
  /** The account with all it holds. @throws AdminError `unknown-user`, `invalid-user`, `busy` */
  removeUser(user: string): Promise<void>;
  /** Sorted by address. @param limit 1 to `USERS_MAX` */
  listUsers(limit: number): Promise<readonly AdminUser[]>;
  status(): Promise<NodeStatus>;
}

export interface AdminUser {
  /** bare JID */
  readonly user: string;
  /** milliseconds since the epoch */
  readonly createdMs: number;
}

export interface NodeStatus {
  readonly node: string;
  readonly version: string;
  readonly domain: string;
  readonly pid: number;
  /** milliseconds since the epoch */
  readonly startedMs: number;
  readonly ready: boolean;
  /** why not ready */
  readonly reason?: string;
  readonly webUrl: string;
  readonly webSocketUrls: readonly string[];
  readonly registration: string;
  /** what is counted, in the order to show it; names ending in `Bytes` are bytes */
  readonly figures: Readonly<Record<string, number>>;
}

/** Users in one answer at most. */
export const USERS_MAX = 1_000_000;

/** Reasons for a no, and the HTTP status each has on the socket. */
export const ADMIN_REFUSALS = {
  exists: 409,
  'unknown-user': 404,
  'invalid-user': 422,
  'invalid-password': 422,
  /** too many password derivations at once, or the storage takes no writes: try again */
  busy: 503,
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
