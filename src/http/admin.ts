import type { ClusterAdmin, ClusterStatus } from './admin-cluster.ts';

export { ADMIN_REFUSALS, AdminError, type AdminRefusal } from './admin-error.ts';

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
  /** Of all nodes, sorted by address. @param limit 1 to `USERS_MAX` @throws AdminError `unanswered` */
  listUsers(limit: number): Promise<readonly AdminUser[]>;
  status(): Promise<NodeStatus>;
  /** the cluster's side; on a node that is alone every question is refused with `not-a-cluster` */
  readonly cluster: ClusterAdmin;
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
  /** left out on a node that is alone */
  readonly cluster?: ClusterStatus;
}

/** Users in one answer at most. */
export const USERS_MAX = 1_000_000;
