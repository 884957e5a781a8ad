import { type AccountRow, newAccount, withCredentials } from '../xmpp/account.ts';
import {
  type Credentials,
  DerivationsBusyError,
  deriveCredentials,
  type Pbkdf2,
  SALT_BYTES,
} from '../xmpp/credentials.ts';
import type { AccountAnswer, AccountAsk } from './messages.ts';
import type { Runtime } from './runtime.ts';

/** Accounts as the gateway, the CLI and the registration see them: questions to the user's session actor. */
export interface Accounts {
  credentials(user: string): Promise<Credentials | undefined>;
  /** @param password after preparePassword */
  create(user: string, password: string, origin: AccountRow['origin']): Promise<'done' | 'conflict' | 'busy'>;
  createAnonymous(user: string): Promise<boolean>;
  setPassword(user: string, password: string): Promise<'done' | 'none' | 'busy'>;
  remove(user: string): Promise<'done' | 'none' | 'busy'>;
  /** bare JIDs of the accounts of all nodes with their rows' times, sorted; at most `limit`; rejects when a node does not answer */
  listAll(limit: number): Promise<readonly { readonly user: string; readonly createdMs: number }[]>;
}

export interface AccountsOptions {
  readonly runtime: Runtime;
  readonly pbkdf2: Pbkdf2;
  readonly iterations: number;
  readonly askTimeoutMs: number;
  now(): number;
  randomBytes(count: number): Uint8Array;
}

export function createAccounts(options: AccountsOptions): Accounts {
  const { runtime } = options;

  /** Rejects when the session actor does not answer in time (its mailbox is full, or it crashed on the question). */
  function ask(user: string, question: AccountAsk): Promise<AccountAnswer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the session did not answer')), options.askTimeoutMs);
      const reply = (answer: AccountAnswer): void => {
        clearTimeout(timer);
        resolve(answer);
      };
      if (runtime.toSession(user, { t: 'account', ask: question, reply })) return;
      clearTimeout(timer);
      reject(new Error('the mailbox of the session is full'));
    });
  }

  async function derive(password: string): Promise<Credentials | 'busy'> {
    const { iterations, pbkdf2 } = options;
    try {
      return await deriveCredentials(password, { iterations, random: options.randomBytes(2 * SALT_BYTES) }, pbkdf2);
    } catch (error) {
      if (error instanceof DerivationsBusyError) return 'busy';
      throw error;
    }
  }

  async function rowOf(user: string): Promise<AccountRow | undefined> {
    const answer = await ask(user, { t: 'lookup' });
    // That nobody answered (a failover) says nothing of the account: a login must not fail for good by it.
    if (answer.t === 'failed') throw new Error(`the account was not looked up: ${answer.condition}`);
    return answer.t === 'account' ? (answer.row as AccountRow) : undefined;
  }

  return {
    async credentials(user) {
      return (await rowOf(user))?.credentials;
    },
    async create(user, password, origin) {
      const credentials = await derive(password);
      if (credentials === 'busy') return 'busy';
      const answer = await ask(user, { t: 'create', row: newAccount(credentials, origin, options.now()) });
      return answer.t === 'done' ? 'done' : answer.t === 'conflict' ? 'conflict' : 'busy';
    },
    async createAnonymous(user) {
      const row = { v: 1, anonymous: true, createdMs: options.now() };
      return (await ask(user, { t: 'create', row })).t === 'done';
    },
    async setPassword(user, password) {
      const row = await rowOf(user);
      if (row === undefined) return 'none';
      const credentials = await derive(password);
      if (credentials === 'busy') return 'busy';
      const answer = await ask(user, { t: 'setCredentials', row: withCredentials(row, credentials, options.now()) });
      return answer.t === 'done' ? 'done' : answer.t === 'none' ? 'none' : 'busy';
    },
    async remove(user) {
      const answer = await ask(user, { t: 'remove' });
      return answer.t === 'done' ? 'done' : answer.t === 'none' ? 'none' : 'busy';
    },
    listAll: (limit) => runtime.listAccounts(limit),
  };
}
