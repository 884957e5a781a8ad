import type { Element } from 'ltx';
import { type Blocklist, withoutBlocked } from './blocklist.ts';
import type { Conversation, ConversationList, InboxView } from './inbox-view.ts';
import { buildProtocol, type Protocol, type ProtocolDeps } from './index.ts';
import { dispatchIq, type Unhandled } from './iq-table.ts';
import { parseJid } from './jid.ts';
import type { ArchiveReader, ChatPointer, InboxPointer } from './mam-view.ts';
import type { MessageRecord } from './message-record.ts';
import type { IqRequest, PeerMessage, SessionPort, StreamPort } from './module.ts';
import { bytesOf, type ItemPlace, type ItemPort, type StoredItem } from './pubsub-types.ts';
import { chatPointer, nextPointer } from './xep0313-mam.ts';
import { parseFrame } from './xml.ts';

/** One user's session, its streams and archive in plain maps, for tests of the extensions. */

export const ROMEO = 'romeo@montague.lit';
export const JULIET = 'juliet@capulet.lit';

/** A stanza as a client sends it. */
export function parse(xml: string): Element {
  return parseFrame(xml.replace(/^<(iq|message|presence)(?=[ >/])(?! xmlns=)/, `<$1 xmlns='jabber:client'`)).el;
}

export function fakeStream(resource: string, user = ROMEO): StreamPort {
  return {
    resource,
    jid: `${user}/${resource}`,
    presence: undefined,
    directed: undefined,
    carbons: false,
    inactive: false,
    interested: false,
    blocklist: false,
    lastActive: 0,
  };
}

interface ArchivedMessage {
  readonly from: string;
  readonly to: string;
  readonly ts: number;
  readonly body: string;
  readonly hidden?: boolean;
}

/** A user's archive in arrays, filled as a session does it; counts the records read. */
export class FakeArchive implements ArchiveReader {
  readonly inbox: InboxPointer[] = [];
  readonly chats = new Map<string, ChatPointer[]>();
  readonly messages = new Map<string, MessageRecord>();
  reads = 0;

  add({ from, to, ts, body, hidden }: ArchivedMessage, user = ROMEO): void {
    const [sender, receiver] = [parseJid(from), parseJid(to)];
    const chat = sender.bare === user ? receiver.bare : sender.bare;
    const index = this.chats.get(chat) ?? [];
    const chatSeq = this.inbox.length + 1;
    const n = hidden === true ? undefined : index.length + 1;
    const pointer = nextPointer(this.inbox.at(-1), { chat, chatSeq, ts, n });
    this.inbox.push(pointer);
    if (n !== undefined)
      this.chats.set(chat, [...index, chatPointer(user, pointer, this.inbox.length, sender, receiver)]);
    const inner = `<body>${body}</body>`;
    this.messages.set(`${chat} ${chatSeq}`, {
      v: 1,
      from,
      to,
      type: 'chat',
      id: `m${chatSeq}`,
      oid: undefined,
      ts,
      inner,
    });
  }

  last(): number {
    return this.inbox.length;
  }
  chatLast(chatId: string): number {
    return this.chats.get(chatId)?.length ?? 0;
  }
  read(range: { from: number; to: number; limit: number }) {
    return this.#slice(this.inbox, range);
  }
  chatRead(chatId: string, range: { from: number; to: number; limit: number }) {
    return this.#slice(this.chats.get(chatId) ?? [], range);
  }
  #slice<T>(records: readonly T[], { from, to, limit }: { from: number; to: number; limit: number }) {
    const found = records.slice(from - 1, Math.min(to, from - 1 + limit));
    this.reads += found.length;
    return found.map((record, at) => ({ seq: from + at, record }));
  }
}

/** An inbox of these conversations. */
export function fakeInbox(conversations: readonly Conversation[], lastSeq: number): InboxView {
  const listOf = (some: readonly Conversation[]): ConversationList => {
    const list = [...some].sort((a, b) => a.last - b.last);
    return {
      size: list.length,
      rankOf: (seq) => list.filter(({ last }) => last <= seq).length,
      slice: (from, to) => list.slice(from, to),
    };
  };
  return {
    all: listOf(conversations),
    unread: listOf(conversations.filter(({ unread }) => unread > 0)),
    unreadMessages: conversations.reduce((sum, { unread }) => sum + unread, 0),
    lastSeq,
  };
}

export interface Answer {
  /** `result`, `error`, or why nobody took it */
  readonly outcome: 'result' | 'error' | Unhandled | 'silence';
  /** payload of a result, condition of an error */
  readonly body: string;
  /** application-specific condition of an error, when it has one */
  readonly appCondition?: string;
}

/** Items of nodes in a map; `load` answers at once. */
export class FakeItems implements ItemPort {
  readonly nodes = new Map<number, Map<string, ItemPlace & { readonly item: StoredItem }>>();

  index(_session: SessionPort, node: number): Map<string, ItemPlace & { readonly item: StoredItem }> {
    const index = this.nodes.get(node) ?? new Map();
    this.nodes.set(node, index);
    return index;
  }
  put(session: SessionPort, node: number, seq: number, item: StoredItem): void {
    this.index(session, node).set(item.id, { seq, bytes: bytesOf(item), item });
  }
  del(session: SessionPort, node: number, id: string): void {
    this.index(session, node).delete(id);
  }
  forget(_session: SessionPort, node: number): void {
    this.nodes.delete(node);
  }
  load(
    session: SessionPort,
    node: number,
    seqs: readonly number[],
    done: (items: readonly (StoredItem | undefined)[]) => void,
  ): void {
    const places = [...this.index(session, node).values()];
    done(seqs.map((seq) => places.find((place) => place.seq === seq)?.item));
  }
}

/** Romeo's session at montague.lit. */
export class FakeUser implements SessionPort {
  readonly user = ROMEO;
  readonly domain = 'montague.lit';
  now = 1_283_000_000_000;
  readonly rows = new Map<string, unknown>();
  readonly live = [fakeStream('orchard')];
  readonly archive = new FakeArchive();
  inbox: InboxView = fakeInbox([], 0);
  readonly items = new FakeItems();
  /** rows that are not in memory */
  readonly stored = new Map<string, unknown>();
  /** changes of the block list that chats heard of, and whether they do */
  readonly listChanges: [before: string[], after: string[]][] = [];
  chatsHaveRoom = true;
  /** what streams got, in order */
  readonly out: string[] = [];
  /** what other sessions were told, in order */
  readonly told: { readonly to: string; readonly msg: PeerMessage }[] = [];
  readonly protocol: Protocol;

  constructor(deps: Partial<ProtocolDeps> = {}) {
    this.protocol = buildProtocol({
      software: { name: 'Rookery', version: '1.2.3' },
      startedAtMs: this.now - 123_456_000,
      archive: {
        reader: () => this.archive,
        chatIdOf: (_user, bareJid) => bareJid,
        conversationOf: (_session, bareJid) => bareJid,
        fulltext: () => ({
          last: () => this.archive.last(),
          read: (range) => this.archive.read(range),
          // Pointers here have no words, as if all of them were older than the index.
          first: Number.MAX_SAFE_INTEGER,
          shows: ({ h }) => h === undefined,
          spans: () => 0,
          rows: () => new Map(),
        }),
        inbox: () => this.inbox,
        whenCommitted: (session, run) => run(session),
        load: (session, entries, done) =>
          done(
            session,
            entries.map(({ chat, chatSeq }) => this.archive.messages.get(`${chat} ${chatSeq}`)),
          ),
      },
      items: this.items,
      ...deps,
    });
  }

  get<T>(key: string): T | undefined {
    return this.rows.get(key) as T | undefined;
  }
  entries<T>(prefix: string): [string, T][] {
    const found = [...this.rows].filter(([key]) => key.startsWith(prefix)) as [string, T][];
    return found.sort(([a], [b]) => (a < b ? -1 : 1));
  }
  put(key: string, value: unknown): void {
    this.rows.set(key, value);
  }
  del(key: string): void {
    this.rows.delete(key);
  }
  streams(): readonly StreamPort[] {
    return this.live;
  }
  stream(resource: string): StreamPort | undefined {
    return this.live.find((stream) => stream.resource === resource);
  }
  send(_stream: StreamPort, xml: string): void {
    this.out.push(xml);
  }
  tell(to: string, msg: PeerMessage): void {
    const left = withoutBlocked(this, msg);
    if (left !== undefined) this.told.push({ to, msg: left });
  }
  post(): void {}
  putStored(key: string, value: unknown): void {
    if (value === undefined) this.stored.delete(key);
    else this.stored.set(key, value);
  }
  readStored(key: string, done: (value: unknown) => void): void {
    done(this.stored.get(key));
  }
  blocklistChanges(before: Blocklist, after: Blocklist): boolean {
    if (!this.chatsHaveRoom) return false;
    this.listChanges.push([[...before.jids], [...after.jids]]);
    return true;
  }
  newId(): string {
    return 'id';
  }

  /** Adds a contact whose subscription is as named. */
  contact(jid: string, subscription: 'none' | 'to' | 'from' | 'both', listed = true): void {
    this.put(`r/${jid}`, { v: 1, jid, listed, name: '', groups: [], subscription, ver: 1, cursor: 0, at: 0 });
  }

  /** An iq without `from` is romeo's own; one with it comes from another user. */
  ask(xml: string): Answer {
    const iq = parse(xml);
    const payload = iq.getChildElements()[0];
    if (payload === undefined) throw new Error('an iq needs a payload');
    const from = iq.attrs['from'];
    const answers: Answer[] = [];
    const request: IqRequest = {
      iq,
      payload,
      type: iq.attrs['type'] === 'set' ? 'set' : 'get',
      id: iq.attrs['id'] ?? '',
      from: parseJid(from ?? `${ROMEO}/orchard`),
      to: parseJid(iq.attrs['to'] ?? ROMEO),
      stream: from === undefined ? this.live[0] : undefined,
      reply: (body = '') => answers.push({ outcome: 'result', body }),
      error: (condition, _text, appCondition) =>
        answers.push({ outcome: 'error', body: condition, ...(appCondition && { appCondition }) }),
    };
    const outcome = dispatchIq(this.protocol.iqTable, this, request);
    if (answers.length > 1) throw new Error('answered twice');
    if (outcome !== 'handled') return { outcome, body: '' };
    return answers[0] ?? { outcome: 'silence', body: '' };
  }
}
