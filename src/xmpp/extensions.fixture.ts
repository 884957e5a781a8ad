import type { Element } from 'ltx';
import { buildProtocol, type Protocol, type ProtocolDeps } from './index.ts';
import { dispatchIq, type Unhandled } from './iq-table.ts';
import { parseJid } from './jid.ts';
import type { ArchiveReader, ChatPointer, InboxPointer } from './mam-view.ts';
import type { MessageRecord } from './message-record.ts';
import type { IqRequest, SessionPort, StreamPort } from './module.ts';
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
    directed: new Set(),
    carbons: false,
    inactive: false,
    interested: false,
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

export interface Answer {
  /** `result`, `error`, or why nobody took it */
  readonly outcome: 'result' | 'error' | Unhandled | 'silence';
  /** payload of a result, condition of an error */
  readonly body: string;
  /** of an error, when it has one */
  readonly appCondition?: string;
}

/** Romeo's session at montague.lit. */
export class FakeUser implements SessionPort {
  readonly user = ROMEO;
  readonly domain = 'montague.lit';
  now = 1_283_000_000_000;
  readonly rows = new Map<string, unknown>();
  readonly live = [fakeStream('orchard')];
  readonly archive = new FakeArchive();
  /** what streams got, in order */
  readonly out: string[] = [];
  readonly protocol: Protocol;

  constructor(deps: Partial<ProtocolDeps> = {}) {
    this.protocol = buildProtocol({
      software: { name: 'Rookery', version: '1.2.3' },
      startedAtMs: this.now - 123_456_000,
      archive: {
        reader: () => this.archive,
        chatIdOf: (_user, bareJid) => bareJid,
        load: (session, entries, done) =>
          done(
            session,
            entries.map(({ chat, chatSeq }) => this.archive.messages.get(`${chat} ${chatSeq}`)),
          ),
      },
      ...deps,
    });
  }

  get<T>(key: string): T | undefined {
    return this.rows.get(key) as T | undefined;
  }
  entries<T>(prefix: string): [string, T][] {
    return [...this.rows].filter(([key]) => key.startsWith(prefix)) as [string, T][];
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
  tell(): void {}
  post(): void {}
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
