import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { type FulltextRow, fulltextReader, grownIndex, isIndexDue } from '../src/actors/fulltext.ts';
import { directChatId, inboxStream, messageStream, userRows } from '../src/actors/keys.ts';
import { Pages } from '../src/actors/pages.ts';
import { type Random, seededRandom } from '../src/base/random.ts';
import { packedWords } from '../src/base/words.ts';
import type { Write } from '../src/storage/log-store.ts';
import { openRocksStore, type RocksLogStore } from '../src/storage/log-store-rocks.ts';
import { findPage } from '../src/xmpp/fulltext-page.ts';
import { parseJid } from '../src/xmpp/jid.ts';
import { PAGE_DEFAULTS } from '../src/xmpp/mam-page.ts';
import type { InboxPointer } from '../src/xmpp/mam-view.ts';
import { archivedXml, type MessageRecord } from '../src/xmpp/message-record.ts';
import { renderResult } from '../src/xmpp/xep0313-mam.ts';
import { parseFulltext } from '../src/xmpp/xep0431-fulltext.ts';
import { renderHtml } from './html.ts';
import { type Machine, machine } from './machine.ts';
import { Progress } from './progress.ts';
import { writeResults } from './run.ts';
import { html } from './svg.ts';
import { align, number } from './table.ts';

/** Full-text search (XEP-0431) over one large inbox, in this process: from the parsed query to the rendered page. */

interface SearchCell {
  readonly what: string;
  /** messages of the page */
  readonly found: number;
  /** ms; `first` right after the store was opened, the others with what it keeps in memory */
  readonly first: number;
  readonly p50: number;
  readonly p99: number;
}

interface SearchResults {
  readonly schema: 'rookery-bench-search/1';
  readonly startedAt: string;
  finishedAt: string;
  readonly machine: Machine;
  readonly options: Omit<Options, 'out'>;
  /** the index's part of what a message costs a user: rows, not the words that ride with it */
  readonly rowsUsPerMessage: number;
  readonly wordsUsPerMessage: number;
  readonly cells: SearchCell[];
}

interface Options {
  readonly messages: number;
  readonly chats: number;
  readonly rounds: number;
  readonly out?: string;
}

const USER = 'romeo@montague.lit';
const SHARD = 1;
const ROW = `${userRows(USER)}fts`;
const VOCABULARY = 60_000;
const SYLLABLES = ['ba', 'de', 'ki', 'lo', 'mu', 'na', 'pe', 'ri', 'so', 'tu', 'va', 'ze', 'shi', 'tra', 'gro', 'ple'];

/** The word of a rank. */
function wordOf(rank: number): string {
  let word = '';
  for (let n = rank + 16; n > 0; n = Math.floor(n / 16)) word += SYLLABLES[n % 16];
  return word;
}

/** As in natural language: the n-th most frequent word comes about 1/n as often as the first. */
const zipf = (random: Random): string => wordOf(Math.floor(VOCABULARY ** random.float()) - 1);

const peerOf = (chat: number): string => `friend${chat}@capulet.lit`;

function bodyOf(seq: number, random: Random): string {
  const words = Array.from({ length: 2 + Math.floor(-8 * Math.log(1 - random.float())) }, () => zipf(random));
  if (seq % 333_333 === 7) words.push('apothecary');
  if (seq % 5000 === 11) words.push('parting', 'sorrow');
  if (seq % 500 === 12) words.push('sorrow', 'of', 'parting');
  words.push(seq % 2 === 0 ? 'even' : 'odd');
  return words.join(' ');
}

class Filled {
  readonly store: RocksLogStore;
  indexMs = 0;
  wordsMs = 0;
  #idx = 0;
  #row: FulltextRow | undefined;
  readonly #seqs: number[] = [];

  constructor(store: RocksLogStore) {
    this.store = store;
  }

  readonly log = {
    last: () => this.store.last(SHARD, inboxStream(USER)),
    read: (range: Parameters<RocksLogStore['read']>[2]) =>
      this.store.read(SHARD, inboxStream(USER), range) as { seq: number; record: InboxPointer }[],
  };

  async fill({ messages, chats }: Options, progress: Progress): Promise<void> {
    const random = seededRandom(1);
    for (let seq = 1; seq <= messages; ) {
      const writes: Write[] = [];
      const had = seq - 1;
      for (; seq <= messages && writes.length < 1000; seq += 1) {
        // Most of what is said is said in few chats.
        const chat = Math.floor(chats ** random.float()) - 1;
        const body = bodyOf(seq, random);
        const from = performance.now();
        const w = packedWords(body, 256);
        this.wordsMs += performance.now() - from;
        const id = directChatId(USER, peerOf(chat));
        const chatSeq = (this.#seqs[chat] ?? 0) + 1;
        this.#seqs[chat] = chatSeq;
        const inner = `<body>${body}</body><origin-id xmlns='urn:xmpp:sid:0' id='o${seq}'/>`;
        const ts = 1_700_000_000_000 + seq * 1000;
        const parties = { from: `${peerOf(chat)}/phone`, to: USER };
        const record: MessageRecord = {
          v: 1,
          ...parties,
          type: 'chat',
          id: `o${seq}`,
          oid: `o${seq}`,
          ts,
          inner,
        };
        const pointer: InboxPointer = { c: id, q: chatSeq, ts, n: chatSeq, ...(w && { w }) };
        writes.push({ t: 'append', stream: messageStream(id), seq: chatSeq, record });
        writes.push({ t: 'append', stream: inboxStream(USER), seq, record: pointer });
      }
      const from = performance.now();
      const last = seq - 1;
      const grown = isIndexDue(this.#row, last)
        ? grownIndex(USER, this.#row, { had, last }, this.log, true)
        : undefined;
      this.#row = grown?.row ?? this.#row;
      if (grown !== undefined)
        for (const [key, value] of [[ROW, grown.row] as const, ...grown.rows]) writes.push({ t: 'put', key, value });
      this.indexMs += performance.now() - from;
      this.#idx += 1;
      await this.store.append([{ shard: SHARD, epoch: 1, idx: this.#idx, writes, outbox: [] }]);
      // Faster than it folds by itself.
      if (this.#idx % 20 === 0) await this.store.fold();
      progress.show(`filling: ${number(last)} of ${number(messages)}`);
    }
    await this.store.fold();
  }

  /** From the query to what goes to the client. */
  page(text: string, chat?: number): number {
    const { store } = this;
    const pages = new Pages({
      store,
      answerBytesMax: 1_000_000,
      timeoutMs: 1000,
      pauseMs: 1,
      shardOfChat: () => SHARD,
      leads: () => true,
      farLeader: () => undefined,
      now: () => 0,
      later: () => undefined,
      ask: () => Promise.resolve(undefined),
    });
    const fulltext = parseFulltext(text);
    if (typeof fulltext === 'string') throw new Error(fulltext);
    const query = {
      flip: false,
      rsm: { before: '', max: 50 },
      ...(chat !== undefined && { with: parseJid(peerOf(chat)) }),
    };
    const chatOf = (jid: string): string => directChatId(USER, jid);
    const reader = fulltextReader({ store, shard: SHARD, owner: USER, key: ROW }, this.log);
    const finding = findPage(reader, query, fulltext, { ...PAGE_DEFAULTS, user: USER, from: 1, chatOf });
    let step = finding.next([]);
    while (!step.done) step = finding.next(pages.fetch(step.value) as (MessageRecord | undefined)[]);
    if ('error' in step.value) throw new Error(`${text}: ${step.value.text}`);
    const { page, messages } = step.value;
    for (const [at, entry] of page.entries.entries())
      renderResult({ entry, message: archivedXml(USER, messages[at]), queryid: 'q', from: USER, to: `${USER}/phone` });
    return page.entries.length;
  }
}

/** What is looked for; `chat` by the rank of how much is said in it. */
const QUERIES = (chats: number): { what: string; text: string; chat?: number }[] => [
  { what: 'a rare word', text: 'apothecary' },
  { what: 'a common word', text: wordOf(0) },
  { what: 'two words', text: `${wordOf(100)} ${wordOf(200)}` },
  { what: 'a phrase of words that are mostly apart', text: '"parting sorrow"' },
  { what: 'two words never together', text: 'even odd' },
  { what: 'a word in one small chat', text: wordOf(20), chat: Math.max(0, chats - 2) },
  { what: 'a rare word in one small chat', text: wordOf(5000), chat: Math.max(0, chats - 2) },
  { what: 'a word that nobody said', text: 'salmon' },
];

async function run({ out, ...options }: Options): Promise<void> {
  const progress = new Progress();
  const startedAt = new Date().toISOString();
  const folder = mkdtempSync(join(tmpdir(), 'rookery-search-'));
  try {
    const filling = new Filled(await openRocksStore({ folder }));
    await filling.fill(options, progress).finally(() => filling.store.close());
    const queries = QUERIES(options.chats);
    const cells: SearchCell[] = [];
    for (const { what, text, chat } of queries) {
      progress.show(what);
      // Opened anew for each, so that `first` finds nothing in the store's cache.
      const filled = new Filled(await openRocksStore({ folder }));
      const times: number[] = [];
      let found = 0;
      try {
        for (let i = 0; i <= options.rounds; i += 1) {
          const from = performance.now();
          found = filled.page(text, chat);
          times.push(performance.now() - from);
          await new Promise((resolve) => setImmediate(resolve));
        }
      } finally {
        await filled.store.close();
      }
      const [first = 0, ...more] = times;
      more.sort((a, b) => a - b);
      const at = (share: number): number => more[Math.min(more.length - 1, Math.floor(more.length * share))] ?? 0;
      cells.push({ what, found, first, p50: at(0.5), p99: at(0.99) });
    }
    const us = (ms: number): number => (1000 * ms) / options.messages;
    const results: SearchResults = {
      schema: 'rookery-bench-search/1',
      startedAt,
      finishedAt: new Date().toISOString(),
      machine: machine(),
      options,
      rowsUsPerMessage: us(filling.indexMs),
      wordsUsPerMessage: us(filling.wordsMs),
      cells,
    };
    progress.clear();
    const text = table(results);
    process.stdout.write(`\n${text}\n`);
    if (out !== undefined) writeResults(out, results, page(results, text));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function table({ cells, options, rowsUsPerMessage, wordsUsPerMessage }: SearchResults): string {
  const rows = cells.map(({ what, found, first, p50, p99 }) => [what, ...[found, first, p50, p99].map(number)]);
  return [
    `a page of 50 over ${number(options.messages)} messages in ${number(options.chats)} chats`,
    ...align([['looking for', 'found', 'first ms', 'p50 ms', 'p99 ms'], ...rows]),
    `words of a message: ${number(wordsUsPerMessage)} µs; rows of the index: ${number(rowsUsPerMessage)} µs a message and user`,
  ].join('\n');
}

function page({ machine: on, startedAt }: SearchResults, text: string): string {
  const about = `${on.cpu}, ${on.cores} cores · ${on.kernel} · node ${on.node} · ${startedAt}`;
  const body = `<p>${html(about)}</p><pre>${html(text)}</pre>`;
  return renderHtml([], 'Full-text search').replace('</body>', () => `${body}\n</body>`);
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number from 1 on');
  return value;
}

const command = new Command('search')
  .description('Full-text search over one large archive, in this process')
  .option('--messages <n>', 'messages in the archive', count, 1_000_000)
  .option('--chats <n>', 'chats that they are in', count, 200)
  .option('--rounds <n>', 'pages of each kind, after the first', count, 50)
  .option('--out <path>', 'write <path>.json and <path>.html as well')
  .exitOverride()
  .showHelpAfterError('(--help shows the options)')
  .action(run);

try {
  await command.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
