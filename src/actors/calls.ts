import type { CallType, CallWrite, PlainWrite } from '../storage/log-store.ts';
import type { ChatPointer, InboxPointer } from '../xmpp/mam-view.ts';
import { detached } from '../xmpp/xml-text.ts';
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

/** Names of what a user keeps of one chat. Built once and kept: a name built anew is copied and hashed for each use,
 * since V8 keeps a concatenation as a tree until somebody reads it; `detached` gives it in one piece. */
export interface ChatNames {
  /** the chat's row, relative to the user's rows */
  readonly rowKey: string;
  /** the same in the shard */
  readonly row: string;
  readonly index: string;
  readonly inbox: string;
  readonly seen: string;
}

export function chatNames(user: string, chat: string): ChatNames {
  const prefix = userRows(user);
  const rowKey = detached(chatRowKey(chat));
  return {
    rowKey,
    row: detached(prefix + rowKey),
    index: detached(indexStream(user, chat)),
    inbox: detached(inboxStream(user)),
    seen: detached(prefix + SEEN_ROW),
  };
}

export const inboxCall: CallType = {
  name: 'inbox2',
  expand(args) {
    const [last, loud] = args.slice(12) as [number, number];
    return expandInbox(args, { last, loud });
  },
};

/** Of before there was an inbox to ask for (XEP-0430). */
const inbox1Call: CallType = { name: 'inbox1', expand: (args) => expandInbox(args, {}) };

/** With the words by which the user may find the message (XEP-0431). */
const inboxWordsCall: CallType = {
  name: 'inbox3',
  expand(args) {
    const [last, loud, w] = args.slice(12) as [number, number, string];
    return expandInbox(args, { last, loud }, w);
  },
};

function expandInbox(args: readonly unknown[], more: Pick<UserChatRow, 'last' | 'loud'>, w?: string): PlainWrite[] {
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
    ...(w !== undefined && { w }),
  };
  const row: UserChatRow = { v: 1, cur, n: rowN, unread, read, ...more };
  const write = { user, chat, seq, pointer, resource: resource ?? undefined, row, seen };
  return inboxWrites(write, chatNames(user, chat));
}

function inboxWrites({ seq, pointer, resource, row, seen }: InboxArgs, names: ChatNames): PlainWrite[] {
  const { n } = pointer;
  const inbox: PlainWrite = { t: 'append', stream: names.inbox, seq, record: pointer };
  const chat: PlainWrite = { t: 'put', key: names.row, value: row };
  const writes: PlainWrite[] =
    n === undefined
      ? [inbox, chat]
      : [inbox, { t: 'append', stream: names.index, seq: n, record: entryOf(seq, pointer, resource, row) }, chat];
  if (seen) writes.push({ t: 'put', key: names.seen, value: seq });
  return writes;
}

function entryOf(i: number, { q, ts }: InboxPointer, r: string | undefined, { loud = 0 }: UserChatRow): ChatPointer {
  if (loud === 0) return r === undefined ? { i, q, ts } : { i, q, ts, r };
  return r === undefined ? { i, q, ts, l: loud } : { i, q, ts, r, l: loud };
}

export function inboxWrite(write: InboxArgs, names: ChatNames): CallWrite {
  const { user, chat, seq, pointer, resource, row, seen } = write;
  const { ts, n = 0, s = 0, w } = pointer;
  const { cur, unread, read, last = 0, loud = 0 } = row;
  const r = resource ?? null;
  const writes = inboxWrites(write, names);
  if (w === undefined) {
    const args = [user, chat, seq, cur, ts, n, s, r, row.n, unread, read, seen, last, loud];
    return { t: 'call', call: inboxCall, args, writes };
  }
  // In one go: an array that grows is copied into one more than twice as long.
  const args = [user, chat, seq, cur, ts, n, s, r, row.n, unread, read, seen, last, loud, w];
  return { t: 'call', call: inboxWordsCall, args, writes };
}

/** All calls there have been, for opening a store. */
export const calls: readonly CallType[] = [inboxWordsCall, inboxCall, inbox1Call];
