import type { LogStore } from '../storage/log-store.ts';
import type { ArchiveEntry } from '../xmpp/mam-view.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import { messageStream } from './keys.ts';
import type { FarAnswer, FoundOfChat, NodeAsk, WantedOfChat } from './wire.ts';

/**
 * Messages of a page. Those of chats led here are read at once; the others are asked for, one request a node, until
 * all are there: an answer holds as much as fits, what is left is asked for again, of whoever leads by then.
 */
export interface PagesOptions {
  readonly store: LogStore;
  /** most UTF-8 bytes of message bodies in one answer, but for its first message */
  readonly answerBytesMax: number;
  /** a page that is not whole by then fails, ms */
  readonly timeoutMs: number;
  /** how long to wait before asking again when nobody could be asked, ms */
  readonly pauseMs: number;
  shardOfChat(id: string): number;
  leads(shard: number): boolean;
  farLeader(shard: number): string | undefined;
  now(): number;
  later(delayMs: number, run: () => void): void;
  /** resolves with undefined when the node does not answer */
  ask(node: string, ask: NodeAsk): Promise<FarAnswer | undefined>;
}

type Found = (MessageRecord | undefined)[];

/** Places of a page that wait for their messages, by chat. */
type Missing = Map<string, { seq: number; at: number }[]>;

export class Pages {
  readonly #options: PagesOptions;

  constructor(options: PagesOptions) {
    this.#options = options;
  }

  /** In the order of the entries; undefined for a message that is gone. @throws (rejects) when a chat is out of reach */
  fetch(entries: readonly ArchiveEntry[]): Found | Promise<Found> {
    const found: Found = new Array(entries.length);
    const missing: Missing = new Map();
    for (const [at, { chat, chatSeq }] of entries.entries()) {
      const wanted = missing.get(chat);
      if (wanted === undefined) missing.set(chat, [{ seq: chatSeq, at }]);
      else wanted.push({ seq: chatSeq, at });
    }
    for (const wanted of missing.values()) wanted.sort((a, b) => a.seq - b.seq);
    this.#readOwn(missing, found);
    return missing.size === 0 ? found : this.#askForRest(missing, found);
  }

  /** What this node has of what another asks for; chats that it does not lead are left out. */
  serve(chats: readonly WantedOfChat[]): FoundOfChat[] {
    const { store, shardOfChat, leads, answerBytesMax } = this.#options;
    const answer: FoundOfChat[] = [];
    let bytes = 0;
    for (const { chat, seqs } of chats) {
      const shard = shardOfChat(chat);
      if (!leads(shard)) continue;
      const last = store.last(shard, messageStream(chat));
      const records: (MessageRecord | null)[] = [];
      for (const record of this.#read(chat, seqs)) {
        // The asker knows of a message that this node has not heard of: it does not lead the shard any more.
        if (record === undefined && (seqs[records.length] as number) > last) break;
        bytes += record === undefined ? 0 : Buffer.byteLength(record.inner);
        if (bytes > answerBytesMax && (records.length > 0 || answer.length > 0)) break;
        records.push(record ?? null);
      }
      if (records.length > 0) answer.push({ chat, records });
      if (bytes > answerBytesMax) break;
    }
    return answer;
  }

  #readOwn(missing: Missing, found: Found): void {
    for (const [chat, wanted] of missing) {
      if (!this.#options.leads(this.#options.shardOfChat(chat))) continue;
      const records = this.#read(
        chat,
        wanted.map(({ seq }) => seq),
      );
      for (const [i, { at }] of wanted.entries()) found[at] = records[i];
      missing.delete(chat);
    }
  }

  async #askForRest(missing: Missing, found: Found): Promise<Found> {
    const { now, timeoutMs, pauseMs } = this.#options;
    const deadline = now() + timeoutMs;
    while (missing.size > 0) {
      if (now() >= deadline) throw new Error('some chats of the page could not be reached in time');
      if (!(await this.#round(missing, found))) await this.#pause(pauseMs);
      this.#readOwn(missing, found);
    }
    return found;
  }

  /** Asks every node once. @returns true when something came */
  async #round(missing: Missing, found: Found): Promise<boolean> {
    const { ask, farLeader, shardOfChat } = this.#options;
    const byNode = new Map<string, WantedOfChat[]>();
    for (const [chat, wanted] of missing) {
      const node = farLeader(shardOfChat(chat));
      if (node === undefined) continue;
      const chats = byNode.get(node);
      const one = { chat, seqs: wanted.map(({ seq }) => seq) };
      if (chats === undefined) byNode.set(node, [one]);
      else chats.push(one);
    }
    const answers = await Promise.all([...byNode].map(([node, chats]) => ask(node, { t: 'fetch', chats })));
    let came = false;
    for (const answer of answers) {
      if (answer?.t !== 'fetch') continue;
      for (const one of answer.found) came = this.#take(one, missing, found) || came;
    }
    return came;
  }

  #take({ chat, records }: FoundOfChat, missing: Missing, found: Found): boolean {
    const wanted = missing.get(chat);
    if (wanted === undefined || records.length === 0) return false;
    const taken = wanted.splice(0, records.length);
    for (const [i, { at }] of taken.entries()) found[at] = records[i] ?? undefined;
    if (wanted.length === 0) missing.delete(chat);
    return true;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.later(ms, resolve));
  }

  /** Messages of a chat led here, neighbours read in one go. @param seqs rising */
  #read(chat: string, seqs: readonly number[]): Found {
    const { store, shardOfChat } = this.#options;
    const shard = shardOfChat(chat);
    const found: Found = [];
    for (let i = 0; i < seqs.length; ) {
      let end = i + 1;
      while (end < seqs.length && seqs[end]! - seqs[end - 1]! <= 8) end += 1;
      const from = seqs[i]!;
      const to = seqs[end - 1]!;
      const records = new Map(
        store
          .read(shard, messageStream(chat), { from, to, limit: to - from + 1 })
          .map(({ seq, record }) => [seq, record]),
      );
      for (; i < end; i++) found.push(records.get(seqs[i]!) as MessageRecord | undefined);
    }
    return found;
  }
}
