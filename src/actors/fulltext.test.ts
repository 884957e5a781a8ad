import t from 'tap';
import { type Random, seededRandom } from '../base/random.ts';
import { packedWords } from '../base/words.ts';
import type { Op, Write } from '../storage/log-store.ts';
import { openMemoryStore } from '../storage/log-store-memory.ts';
import { type FoundPage, findPage } from '../xmpp/fulltext-page.ts';
import { BUCKETS, ROWS_VERSION, SPAN } from '../xmpp/fulltext-rows.ts';
import type { FulltextReader } from '../xmpp/fulltext-scan.ts';
import { parseJid } from '../xmpp/jid.ts';
import { PAGE_DEFAULTS } from '../xmpp/mam-page.ts';
import type { MamFault, MamQuery } from '../xmpp/mam-query.ts';
import type { ArchiveReader, InboxPointer } from '../xmpp/mam-view.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import { parseFulltext } from '../xmpp/xep0431-fulltext.ts';
import {
  currentRow,
  type FulltextRow,
  forgottenRows,
  fulltextReader,
  grownIndex,
  isIndexDue,
  keysOfIndex,
} from './fulltext.ts';
import { DELETED } from './turn.ts';

const USER = 'romeo@montague.lit';
const LOG = 'i/romeo';
const ROW = 'fts';

/** A log with its index, as a session keeps it, in a store of memory; the messages by seq. */
class TestLog {
  readonly messages: (MessageRecord | undefined)[] = [];
  readonly chats: string[] = [];
  readonly pointers: Pick<ArchiveReader, 'last' | 'read'>;
  readonly #store;
  #row: FulltextRow | undefined;
  #writes: Write[] = [];
  #idx = 0;

  static async open(): Promise<TestLog> {
    return new TestLog(await openMemoryStore({ shards: 1 }));
  }

  private constructor(store: Awaited<ReturnType<typeof openMemoryStore>>) {
    this.#store = store;
    this.pointers = {
      last: () => store.last(0, LOG),
      read: (range) => store.read(0, LOG, range) as { seq: number; record: InboxPointer }[],
    };
  }

  get row(): FulltextRow | undefined {
    return this.#row;
  }

  /** @param how `old`: of before there was an index */
  add(body: string, chat: string, how: 'kept' | 'hidden' | 'old' = 'kept'): void {
    const had = this.messages.length;
    const seq = had + 1;
    const record = { v: 1, from: `${chat}/x`, to: USER, type: 'chat', ts: seq * 10, inner: `<body>${body}</body>` };
    this.messages.push(record as MessageRecord);
    this.chats.push(how === 'hidden' ? '' : chat);
    const w = how === 'kept' ? packedWords(body, 50) : undefined;
    const hidden = how === 'hidden' ? { h: 1 as const } : { n: seq };
    const pointer: InboxPointer = { c: `${chat}/${USER}`, q: seq, ts: seq * 10, ...hidden, ...(w && { w }) };
    this.#writes.push({ t: 'append', stream: LOG, seq, record: pointer });
    if (how === 'old' || !isIndexDue(this.#row, seq)) return;
    const grown = grownIndex(USER, this.#row, { had, last: seq }, this.pointers, true);
    if (grown === undefined) return;
    this.#row = grown.row;
    for (const [key, value] of [[ROW, grown.row] as const, ...grown.rows]) this.#writes.push({ t: 'put', key, value });
  }

  async commit(): Promise<void> {
    const op: Op = { shard: 0, epoch: 1, idx: ++this.#idx, writes: this.#writes, outbox: [] };
    this.#writes = [];
    await this.#store.append([op]);
  }

  reader(): FulltextReader {
    return fulltextReader({ store: this.#store, shard: 0, owner: USER, key: ROW }, this.pointers);
  }

  async forget(seq: number): Promise<number> {
    const place = { store: this.#store, shard: 0, owner: USER, key: ROW };
    const pointer = this.pointers.read({ from: seq, to: seq, limit: 1 })[0]?.record as InboxPointer;
    const writes = forgottenRows(place, seq, pointer, new Map());
    for (const [key, value] of writes)
      this.#writes.push(value === DELETED ? { t: 'del', key } : { t: 'put', key, value });
    await this.commit();
    return writes.length;
  }

  /** As if all rows of its index were of version 1. @param v what the owner's row says */
  async age(v = 1): Promise<void> {
    const row = this.row as FulltextRow;
    this.#writes.push({ t: 'put', key: ROW, value: { ...row, v } });
    for (const key of this.rows()) this.#writes.push({ t: 'put', key, value: Uint8Array.of(1, 0, 0, 0, 9, 9, 9, 9) });
    await this.commit();
    this.#row = currentRow({ ...row, v });
  }

  rows(): string[] {
    return this.#store.scan(0, 'W/', Number.MAX_SAFE_INTEGER).map(([key]) => key);
  }

  page(text: string, query: Partial<MamQuery>, limits: Partial<typeof PAGE_DEFAULTS> = {}): FoundPage | MamFault {
    const fulltext = parseFulltext(text);
    if (typeof fulltext === 'string') throw new Error(fulltext);
    const options = { ...PAGE_DEFAULTS, ...limits, user: USER, from: 1, chatOf: (jid: string) => `${jid}/${USER}` };
    const finding = findPage(this.reader(), { flip: false, rsm: {}, ...query }, fulltext, options);
    let step = finding.next([]);
    while (!step.done) step = finding.next(step.value.map(({ seq }) => this.messages[seq - 1]));
    return step.value;
  }

  /** All pages one after the other, in the direction of paging. */
  all(text: string, query: Partial<MamQuery>, back: boolean, max: number): number[] {
    const found: number[] = [];
    let id = '';
    for (;;) {
      const rsm = back ? { before: id, max } : { max, ...(id !== '' && { after: id }) };
      const answer = this.page(text, { ...query, rsm });
      if ('error' in answer) throw new Error(answer.text);
      const seqs = answer.page.entries.map(({ seq }) => seq);
      found.push(...(back ? seqs.reverse() : seqs));
      if (answer.page.complete) return found;
      id = (back ? answer.page.first : answer.page.last) as string;
    }
  }
}

const WORDS = ['ash', 'birch', 'cedar', 'elm', 'fir', 'hazel', 'larch', 'maple', 'oak', 'pine', 'rowan', 'yew'];
const CHATS = ['a@x', 'b@x', 'c@x'];
const pick = <T>(random: Random, from: readonly T[]): T => from[random.int(from.length)] as T;
/** Some words are rare. */
const word = (random: Random): string => WORDS[Math.floor(random.float() ** 3 * WORDS.length)] as string;

t.test('what is found is what a look at every message finds, by pages in both directions', async (t) => {
  for (const seed of [1, 2, 3, 4]) {
    const random = seededRandom(seed);
    const log = await TestLog.open();
    // With one seed there was an inbox before there was an index, its end within a span.
    const old = seed === 2 ? SPAN + 300 : 0;
    const count = old + SPAN * 2 + random.int(SPAN);
    for (let i = 0; i < count; i += 1) {
      const body = Array.from({ length: 1 + random.int(6) }, () => word(random)).join(' ');
      log.add(body, pick(random, CHATS), i < old ? 'old' : random.int(10) === 0 ? 'hidden' : 'kept');
      if (random.int(50) === 0) await log.commit();
    }
    await log.commit();
    t.ok((log.row?.spans ?? 0) >= (old > 0 ? 2 : 1), 'spans have rows');
    for (let i = 0; i < 200; i += 1) if (random.int(2) === 0) log.messages[random.int(count)] = undefined;
    for (let i = 0; i < 25; i += 1) {
      const looked = Array.from({ length: 1 + random.int(3) }, () => word(random));
      const phrase = random.int(3) === 0;
      const chat = random.int(3) === 0 ? pick(random, CHATS) : undefined;
      const start = random.int(3) === 0 ? random.int(count * 10) : undefined;
      const end = random.int(3) === 0 ? random.int(count * 10) : undefined;
      const query: Partial<MamQuery> = {
        ...(chat !== undefined && { with: parseJid(chat) }),
        ...(start !== undefined && { start }),
        ...(end !== undefined && { end }),
      };
      const expected = log.messages.flatMap((message, at) => {
        if (message === undefined || log.chats[at] === '' || (chat ?? log.chats[at]) !== log.chats[at]) return [];
        if (message.ts < (start ?? 0) || message.ts > (end ?? Infinity)) return [];
        const body = ` ${message.inner.slice('<body>'.length, -'</body>'.length)} `;
        const has = phrase ? body.includes(` ${looked.join(' ')} `) : looked.every((one) => body.includes(` ${one} `));
        return has ? [at + 1] : [];
      });
      const text = phrase ? `"${looked.join(' ')}"` : looked.join(' ');
      const max = 1 + random.int(expected.length > 200 ? 250 : 40);
      const what = JSON.stringify({ seed, text, chat, start, end, max });
      t.strictSame(log.all(text, query, false, max), expected, `oldest first ${what}`);
      t.strictSame(log.all(text, query, true, max), expected.reverse(), `newest first ${what}`);
    }
  }
});

t.test('rows are written when a span is committed, not before', async (t) => {
  const log = await TestLog.open();
  for (let i = 0; i < SPAN + 5; i += 1) log.add('one', 'a@x');
  await log.commit();
  t.same(log.row, { v: ROWS_VERSION, first: 1, spans: 0 }, 'none of it was committed');
  t.equal(log.all('one', {}, true, 250).length, SPAN + 5, 'found all the same');
  log.add('two', 'a@x');
  await log.commit();
  t.same(log.row, { v: ROWS_VERSION, first: 1, spans: 1 });
  t.equal(log.rows().length, 2, 'of one word and the chat');
  t.equal(log.all('one', {}, true, 250).length, SPAN + 5);
  t.ok(log.rows().every((key) => [...keysOfIndex(USER, log.row as FulltextRow)].includes(key)));
  t.equal([...keysOfIndex(USER, log.row as FulltextRow)].length, BUCKETS);
});

t.test('an index of a version of before is written again, span by span', async (t) => {
  const log = await TestLog.open();
  const more = async (): Promise<void> => {
    log.add('plain word', 'a@x');
    await log.commit();
  };
  for (let i = 0; i < 2 * SPAN + 2; i += 1) await more();
  t.match(log.row, { spans: 2 });
  await log.age();
  t.same(log.row, { v: ROWS_VERSION, first: 1, spans: 0, old: 2 });
  t.equal(log.all('word', {}, true, 250).length, 2 * SPAN + 2, 'found by the pointers');
  t.equal([...keysOfIndex(USER, log.row as FulltextRow)].length, 2 * BUCKETS, 'what there is, is known');
  t.equal(await log.forget(3), 3, 'old rows go with what they have of it');
  t.equal(log.rows().length, 3, 'those of the other span');
  await more();
  t.same(log.row, { v: ROWS_VERSION, first: 1, spans: 1, old: 2 });
  t.equal(log.all('word', {}, true, 250).length, 2 * SPAN + 3);
  await more();
  await more();
  t.match(log.row, { spans: 2 });
  t.equal(log.all('word', {}, true, 250).length, 2 * SPAN + 5);
  // A node that runs the version of before led its shard for a while.
  await log.age(ROWS_VERSION);
  t.equal(log.all('word', {}, true, 250).length, 2 * SPAN + 5);
});

t.test('a message that is forgotten is in no row', async (t) => {
  const log = await TestLog.open();
  for (let i = 0; i <= SPAN; i += 1) {
    log.add(i === 9 ? 'secret word' : 'plain word', 'a@x');
    await log.commit();
  }
  t.same(log.all('secret', {}, true, 10), [10]);
  t.equal(await log.forget(10), 3, 'its two words and its chat');
  t.same(log.all('secret', {}, true, 10), []);
  t.equal(log.all('word', {}, true, 250).length, SPAN);
  t.equal(await log.forget(SPAN + 1), 0, 'its span has no rows yet');
});

t.test('what one request looks at is bounded: the page is short, and the next one goes on', async (t) => {
  const log = await TestLog.open();
  for (let i = 0; i < 500; i += 1) log.add(i % 100 === 0 ? 'red herring' : 'herring red', 'a@x');
  await log.commit();
  // All but every hundredth are gone, which only who reads them finds out.
  for (let i = 0; i < 500; i += 1) if (i % 100 !== 0) log.messages[i] = undefined;
  const limits = { searchFetchMax: 150 };
  const first = log.page('herring', { rsm: { before: '', max: 10 } }, limits) as FoundPage;
  t.match(first.page, { first: '401', last: '401', complete: false });
  const next = log.page('herring', { rsm: { before: '401', max: 10 } }, limits) as FoundPage;
  t.match(next.page, { first: '301', last: '301', complete: false });
  const none = log.page('herring', { rsm: { before: '', max: 10 } }, { searchFetchMax: 50 });
  t.match(none, { error: 'resource-constraint' }, 'there is no id to go on from');
  t.match(log.page('"red herring"', { rsm: { before: '', max: 10 } }, { searchFetchMax: 6 }), {
    page: { complete: true },
  });
  t.match(log.page('salmon', { rsm: { max: 10 } }, { searchScanMax: 499 }), { error: 'resource-constraint' });
  t.match(log.page('salmon', { rsm: { max: 10 } }, { searchScanMax: 501 }), { page: { entries: [], complete: true } });
});

t.test('of messages whose words are no phrase only so many are looked at', async (t) => {
  const log = await TestLog.open();
  for (let i = 0; i < 3 * SPAN; i += 1) {
    log.add(i % 20 === 0 ? 'herring red' : 'plain', 'a@x');
    if (i % 100 === 0) await log.commit();
  }
  await log.commit();
  t.equal(log.row?.spans, 2);
  const rsm = { max: 10 };
  t.match(log.page('"red herring"', { rsm }, { searchScanMax: 1000 }), { error: 'resource-constraint' });
  t.match(log.page('"red herring"', { rsm }), { page: { entries: [], complete: true } });
  const half = log.page('"herring red"', { rsm: { max: 100 } }, { searchScanMax: 1000 }) as FoundPage;
  t.equal(half.page.complete, false);
  t.ok(half.page.entries.length > 0 && half.page.entries.length < 100);
});

t.test('what a page cannot be asked for', async (t) => {
  const log = await TestLog.open();
  log.add('one', 'a@x');
  await log.commit();
  t.match(log.page('one', { rsm: { index: 1 } }), { error: 'feature-not-implemented' });
  t.match(log.page('one', { ids: ['1'] }), { error: 'bad-request' });
  for (const id of ['2', '0', '01', 'x']) {
    t.match(log.page('one', { rsm: { after: id } }), { error: 'item-not-found' }, id);
    t.match(log.page('one', { rsm: { before: id } }), { error: 'item-not-found' });
    t.match(log.page('one', { afterId: id }), { error: 'item-not-found' });
    t.match(log.page('one', { beforeId: id }), { error: 'item-not-found' });
  }
  t.match(log.page('one', { rsm: { max: 0 } }), { page: { entries: [], complete: false } });
  const one = log.page('one', { with: parseJid('a@x/x') }) as FoundPage;
  t.equal(one.page.entries.length, 1, 'a resource of the other party');
  const other = log.page('one', { with: parseJid('a@x/y') }) as FoundPage;
  t.equal(other.page.entries.length, 0);
});
