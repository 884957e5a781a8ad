import { messageOf } from '../base/errors.ts';
import { type AdminApi, AdminError, type AdminUser, type NodeStatus } from './admin.ts';
import { type ClusterAdmin, noCluster } from './admin-cluster.ts';

/** What the admin API needs of a node: its accounts, and the protocol's rules for names and passwords. */
export interface AdminApiParts {
  readonly domain: string;
  readonly accounts: {
    create(user: string, password: string, origin: 'operator'): Promise<'done' | 'conflict' | 'busy'>;
    setPassword(user: string, password: string): Promise<'done' | 'none' | 'busy'>;
    remove(user: string): Promise<'done' | 'none' | 'busy'>;
    /** of all nodes; rejects when one of them cannot be asked */
    listAll(limit: number): Promise<readonly AdminUser[]>;
  };
  /** Normalised bare JID of a local part, or undefined when no account can have that name. */
  bareJidOf(localpart: string): string | undefined;
  /** SASLprep'd password, or undefined when it is not allowed. */
  preparePassword(password: string): string | undefined;
  status(): Promise<NodeStatus>;
  /** left out on a node that is alone */
  readonly cluster?: ClusterAdmin;
}

/** The admin API over a node's accounts: checks and normalises what an operator typed, and words the refusals. */
export function createAdminApi(parts: AdminApiParts): AdminApi {
  const { accounts, domain } = parts;

  function jidOf(user: string): string {
    const at = user.lastIndexOf('@');
    if (at !== -1 && user.slice(at + 1).toLowerCase() !== domain)
      throw new AdminError('invalid-user', `${user} is not of this node's domain, ${domain}`);
    const jid = parts.bareJidOf(at === -1 ? user : user.slice(0, at));
    if (jid === undefined) throw new AdminError('invalid-user', `${user} is no possible name of a user`);
    return jid;
  }

  function prepared(password: string): string {
    const safe = parts.preparePassword(password);
    if (safe === undefined || safe === '')
      throw new AdminError('invalid-password', 'the password is empty or has characters that are not allowed');
    return safe;
  }

  function settle(user: string, outcome: 'done' | 'none' | 'conflict' | 'busy'): void {
    if (outcome === 'conflict')
      throw new AdminError('exists', `${user} exists already; user passwd changes the password`);
    if (outcome === 'none') throw new AdminError('unknown-user', `there is no ${user}`);
    if (outcome === 'busy') throw new AdminError('busy', 'the node cannot do it just now (busy, or its disk is full)');
  }

  return {
    addUser: async (user, password) => {
      const jid = jidOf(user);
      settle(jid, await accounts.create(jid, prepared(password), 'operator'));
    },
    setPassword: async (user, password) => {
      const jid = jidOf(user);
      settle(jid, await accounts.setPassword(jid, prepared(password)));
    },
    removeUser: async (user) => {
      const jid = jidOf(user);
      settle(jid, await accounts.remove(jid));
    },
    listUsers: async (limit) => {
      try {
        return await accounts.listAll(limit);
      } catch (error) {
        throw new AdminError('unanswered', `not every account can be listed now: ${messageOf(error)}`);
      }
    },
    status: () => parts.status(),
    cluster: parts.cluster ?? noCluster(),
  };
}
