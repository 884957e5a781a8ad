import { SparseMap } from '../base/sparse-map.ts';
import type { LogStore, Write } from '../storage/log-store.ts';
import { ROWS_VERSION } from '../xmpp/fulltext-rows.ts';
import type { FulltextReader } from '../xmpp/fulltext-scan.ts';
import type { ArchiveRange, ArchiveReader } from '../xmpp/mam-view.ts';
import { fulltextWordsOf } from '../xmpp/xep0431-fulltext.ts';
import { historyOf } from './chat.ts';
import type { History } from './chat-retract.ts';
import {
  currentRow,
  type FulltextRow,
  forgottenRows,
  fulltextReader,
  grownIndex,
  isIndexDue,
  keysOfIndex,
} from './fulltext.ts';
import { groupRows, messageStream } from './keys.ts';
import { DELETED, type Turn } from './turn.ts';

/** The full-text index of a group's own log. */
export class GroupIndex {
  readonly #room: string;
  readonly #shard: number;
  readonly #store: LogStore;
  readonly #history: History;
  readonly #wordsMax: number;
  readonly #key: string;
  readonly #log: Pick<ArchiveReader, 'last' | 'read'>;
  /** of turns on their way to the log: rows, by key, and chatSeqs of what they take back */
  readonly #rows = new SparseMap<string, unknown>();
  readonly #gone = new SparseMap<number, true>();
  /** … and the end of the room among them */
  #dropped: Write | undefined;
  /** with what the turns that are on their way write */
  #row: FulltextRow;

  /** @param wordsMax words of a message that was logged before words were kept */
  constructor(room: string, shard: number, store: LogStore, wordsMax: number) {
    this.#room = room;
    this.#shard = shard;
    this.#store = store;
    this.#history = historyOf(room, shard, store);
    this.#wordsMax = wordsMax;
    this.#key = groupRows(room) + GROUP_INDEX_KEY;
    this.#log = {
      last: () => store.last(shard, messageStream(room)),
      read: (range) => this.#pointers(range),
    };
    this.#row = this.#load();
  }

  /** After a step, when the turn writes anything: in its op. */
  grow(last: number, turn: Pick<Turn<never>, 'isEmpty' | 'rows' | 'streams'>): void {
    if (turn.isEmpty) return;
    for (const write of turn.streams) {
      if (write.t === 'replace' && this.#gone.get(write.seq) === undefined) this.#forget(write.seq, turn.rows);
      if (write.t === 'drop' && this.#dropped !== write) this.#drop(write, turn.rows);
    }
    if (!isIndexDue(this.#row, last) || this.#dropped !== undefined) return;
    const grown = grownIndex(this.#room, this.#row, { had: last, last }, this.#log, false);
    if (grown === undefined) return;
    this.#row = grown.row;
    turn.rows.set(this.#key, grown.row);
    this.#put(grown.rows, turn.rows);
  }

  /** What the turn wrote is what is read from here on. */
  committed(turn: Pick<Turn<never>, 'rows' | 'streams'>): void {
    if (this.#gone.size > 0) for (const write of turn.streams) if (write.t === 'replace') this.#gone.delete(write.seq);
    if (this.#dropped !== undefined && turn.streams.includes(this.#dropped)) this.#dropped = undefined;
    if (this.#rows.size === 0) return;
    // A later turn may have written it again.
    for (const [key, value] of turn.rows) if (this.#rows.get(key) === value) this.#rows.delete(key);
  }

  /** The words of what is taken back leave the rows with it; those of a span without rows it had only in its record. */
  #forget(seq: number, rows: Map<string, unknown>): void {
    const pointer = this.#pointers({ from: seq, to: seq, limit: 1 })[0]?.record;
    this.#gone.set(seq, true);
    if (pointer === undefined) return;
    const place = { store: this.#store, shard: this.#shard, owner: this.#room, key: this.#key };
    this.#put(forgottenRows(place, seq, pointer, this.#rows), rows);
  }

  /** With a room's messages go all rows. How far they went is kept, since numbers are not given out again. */
  #drop(write: Write, rows: Map<string, unknown>): void {
    this.#dropped = write;
    const keys = [...keysOfIndex(this.#room, this.#row)];
    this.#put(
      keys.map((key) => [key, DELETED]),
      rows,
    );
  }

  #put(written: Iterable<readonly [key: string, value: unknown]>, rows: Map<string, unknown>): void {
    for (const [key, value] of written) {
      this.#rows.set(key, value);
      rows.set(key, value);
    }
  }

  /** Back to what is committed. */
  reset(): void {
    this.#rows.clear();
    this.#gone.clear();
    this.#dropped = undefined;
    this.#row = this.#load();
  }

  reader(): FulltextReader {
    const place = { store: this.#store, shard: this.#shard, owner: this.#room, key: this.#key };
    return { ...fulltextReader(place, this.#log), first: 1 };
  }

  #load(): FulltextRow {
    const stored = this.#store.get(this.#shard, this.#key) as FulltextRow | undefined;
    return currentRow(stored) ?? { v: ROWS_VERSION, first: 1, spans: 0 };
  }

  #pointers(range: ArchiveRange): ReturnType<ArchiveReader['read']> {
    return this.#history.read(range).map(({ seq, record: message }) => {
      // A room has its messages at hand: those of before words were kept are as good as the others.
      const gone = this.#gone.get(seq) !== undefined;
      const w = gone ? '' : (message.w ?? fulltextWordsOf(message, this.#wordsMax));
      return { seq, record: { c: this.#room, q: seq, ts: message.ts, ...(w !== '' && { w }) } };
    });
  }
}

/** Among a room's rows, behind all others of it. */
export const GROUP_INDEX_KEY = 'w';
