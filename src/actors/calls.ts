import type { CallType, PlainWrite } from '../storage/log-store.ts';
import type { ChatPointer, InboxPointer } from '../xmpp/mam-view.ts';
import { inboxStream, indexStream, userRows } from './keys.ts';
import { chatRowKey, SEEN_ROW, type UserChatRow } from './session-types.ts';

/**
 * Calls of the journal (log-store.ts). Their names and the order of their arguments are part of the format on disk:
 * what means something else gets a new name, and the old one stays readable.
 */

/** A message reaches a user's inbox: pointer, archive index, the chat's row, and `seen`. */
export interface InboxArgs {
  readonly user: string;
  readonly chat: string;
  readonly seq: number;
  readonly pointer: InboxPointer;
  /** resource of the other party as the message named it */
  readonly resource: string | undefined;
  readonly row: UserChatRow;
  /** some device has everything up to this one */
  readonly seen: boolean;
}

export const inboxCall: CallType = {
  name: 'inbox1',
  expand(args) {
    const [user, chat, seq, cur, ts, n, s, resource, rowN, unread, read, seen] = args as [
      string,
      string,
      number,
      number,
      number,
      number,
      number,
      string | null,
      number,
      number,
      number,
      boolean,
    ];
    const pointer: InboxPointer = {
      c: chat,
      q: cur,
      ts,
      ...(n === 0 ? { h: 1 as const } : { n }),
      ...(s !== 0 && { s }),
    };
    const row: UserChatRow = { v: 1, cur, n: rowN, unread, read };
    const writes: PlainWrite[] = [{ t: 'append', stream: inboxStream(user), seq, record: pointer }];
    if (n !== 0) {
      const entry: ChatPointer = { i: seq, q: cur, ts, ...(resource !== null && { r: resource }) };
      writes.push({ t: 'append', stream: indexStream(user, chat), seq: n, record: entry });
    }
    const prefix = userRows(user);
    writes.push({ t: 'put', key: prefix + chatRowKey(chat), value: row });
    if (seen) writes.push({ t: 'put', key: prefix + SEEN_ROW, value: seq });
    return writes;
  },
};

export function inboxArgs({ user, chat, seq, pointer, resource, row, seen }: InboxArgs): unknown[] {
  const { ts, n = 0, s = 0 } = pointer;
  return [user, chat, seq, row.cur, ts, n, s, resource ?? null, row.n, row.unread, row.read, seen];
}

/** All calls there have been, for opening a store. */
export const calls: readonly CallType[] = [inboxCall];
