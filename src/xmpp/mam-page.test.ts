import t from 'tap';
import { FakeArchive, JULIET, ROMEO } from './extensions.fixture.ts';
import { parseJid } from './jid.ts';
import { archiveEnds, cutPage, type MamPage, PAGE_DEFAULTS, planPage } from './mam-page.ts';
import type { MamFault, MamQuery } from './mam-query.ts';
import type { ArchiveReader, ChatPointer, InboxPointer } from './mam-view.ts';
import { inboxView } from './mam-view.ts';

const OPTIONS = { ...PAGE_DEFAULTS, chatIdOf: (bareJid: string) => bareJid };
const BENVOLIO = 'benvolio@montague.lit';

/** inboxSeq 1 to 20 at ts 1000, 2000 …: odd ones with juliet, even ones with benvolio; `hidden` are not archived. */
function archive(hidden: readonly number[] = []): FakeArchive {
  const made = new FakeArchive();
  for (let seq = 1; seq <= 20; seq++) {
    const peer = seq % 2 === 1 ? `${JULIET}/${seq % 3 === 0 ? 'balcony' : 'chamber'}` : `${BENVOLIO}/home`;
    const ends = seq % 4 < 2 ? { from: peer, to: ROMEO } : { from: `${ROMEO}/orchard`, to: peer };
    made.add({ ...ends, ts: seq * 1000, body: String(seq), hidden: hidden.includes(seq) });
  }
  return made;
}

function ask(reader: ArchiveReader, query: Partial<MamQuery>, options = OPTIONS): MamPage | MamFault {
  return planPage(reader, { flip: false, rsm: {}, ...query }, options);
}

/** `1,2,3 of 20 at 0 +` : ids, count, index, a plus when more lies ahead. */
function told(page: MamPage | MamFault): string {
  if ('error' in page) return page.error;
  const ids = page.entries.map((entry) => entry.seq).join();
  const count = page.count === undefined ? '' : ` of ${page.count}`;
  const index = page.index === undefined ? '' : ` at ${page.index}`;
  return `${ids}${count}${index}${page.complete ? '' : ' +'}`;
}

const juliet = parseJid(JULIET);
const nobody = parseJid('nobody@capulet.lit');

t.test('a page is what the query asks for', async (t) => {
  const table: [Partial<MamQuery>, string][] = [
    [{ rsm: { max: 3 } }, '1,2,3 of 20 at 0 +'],
    [{ rsm: { max: 3, after: '3' } }, '4,5,6 of 20 at 3 +'],
    [{ rsm: { max: 3, after: '17' } }, '18,19,20 of 20 at 17'],
    [{ rsm: { max: 3, after: '20' } }, ' of 20'],
    [{ rsm: { max: 3, before: '' } }, '18,19,20 of 20 at 17 +'],
    [{ rsm: { max: 3, before: '18' } }, '15,16,17 of 20 at 14 +'],
    [{ rsm: { max: 3, before: '4' } }, '1,2,3 of 20 at 0'],
    [{ rsm: { max: 3, before: '1' } }, ' of 20'],
    [{ rsm: { max: 3, after: '5', before: '9' } }, '6,7,8 of 20 at 5'],
    [{ rsm: { max: 2, after: '5', before: '9' } }, '7,8 of 20 at 6 +'],
    [{ rsm: { max: 3, index: 10 } }, '11,12,13 of 20 at 10 +'],
    [{ rsm: { max: 3, index: 20 } }, ' of 20'],
    [{ rsm: { max: 0 } }, ' of 20 +'],
    [{ rsm: { max: 0, before: '' } }, ' of 20 +'],
    [{ rsm: { max: 3 }, start: 5000 }, '5,6,7 of 16 at 0 +'],
    [{ rsm: { max: 3 }, start: 5001 }, '6,7,8 of 15 at 0 +'],
    [{ start: 5000, end: 7000 }, '5,6,7 of 3 at 0'],
    [{ start: 5001, end: 5999 }, ' of 0'],
    [{ start: 7000, end: 5000 }, ' of 0'],
    [{ start: 99_000 }, ' of 0'],
    [{ end: 1 }, ' of 0'],
    [{ afterId: '4', beforeId: '8' }, '5,6,7 of 3 at 0'],
    [{ afterId: '8', beforeId: '4' }, ' of 0'],
    [{ afterId: '4', rsm: { max: 2 } }, '5,6 of 16 at 0 +'],
    [{ beforeId: '8', rsm: { max: 2, before: '' } }, '6,7 of 7 at 5 +'],
    [{ with: juliet }, '1,3,5,7,9,11,13,15,17,19 of 10 at 0'],
    [{ with: juliet, rsm: { max: 2, after: '5' } }, '7,9 of 10 at 3 +'],
    [{ with: juliet, rsm: { max: 2, after: '6' } }, '7,9 of 10 at 3 +'],
    [{ with: juliet, rsm: { max: 2, before: '6' } }, '3,5 of 10 at 1 +'],
    [{ with: juliet, start: 6000, end: 12_000 }, '7,9,11 of 3 at 0'],
    [{ with: juliet, afterId: '6', beforeId: '12' }, '7,9,11 of 3 at 0'],
    [{ with: nobody }, ' of 0'],
    [{ ids: ['7', '2', '20'] }, '2,7,20 of 3 at 0'],
    [{ ids: ['7', '2', '20'], rsm: { max: 1, after: '2' } }, '7 of 3 at 1 +'],
    [{ ids: ['7', '2', '9'], with: juliet }, '7,9 of 2 at 0'],
    [{ ids: ['7', '2', '9'], start: 3000, end: 8000 }, '7 of 1 at 0'],
  ];
  const reader = archive();
  for (const [query, expected] of table) t.equal(told(ask(reader, query)), expected, JSON.stringify(query));
});

t.test('an id that the archive does not hold is item-not-found', async (t) => {
  const reader = archive([6]);
  for (const id of ['21', '0', '-1', '01', '1.0', 'x', '99999999999999999999', '6']) {
    for (const query of [
      { rsm: { after: id } },
      { rsm: { before: id } },
      { afterId: id },
      { beforeId: id },
      { ids: ['1', id] },
    ]) {
      t.equal(told(ask(reader, query)), 'item-not-found', JSON.stringify(query));
    }
  }
});

t.test('a page has a default size and a greatest', async (t) => {
  const reader = archive();
  const options = { ...OPTIONS, pageDefault: 4, pageMax: 6 };
  t.equal(told(ask(reader, {}, options)), '1,2,3,4 of 20 at 0 +');
  t.equal(told(ask(reader, { rsm: { max: 1000 } }, options)), '1,2,3,4,5,6 of 20 at 0 +');
});

t.test('an empty archive answers with empty pages', async (t) => {
  const reader = new FakeArchive();
  t.equal(told(ask(reader, {})), ' of 0');
  t.equal(told(ask(reader, { rsm: { before: '' } })), ' of 0');
  t.equal(told(ask(reader, { with: juliet, start: 5 })), ' of 0');
  t.equal(archiveEnds(reader), undefined);
});

t.test('hidden messages are stepped over everywhere', async (t) => {
  for (const hidden of [[1], [20], [1, 2, 3], [4, 5, 6, 7, 8, 9, 10], [2, 4, 6, 8, 10], [1, 2, 19, 20]]) {
    const reader = archive(hidden);
    const shown = reader.inbox.flatMap((_pointer, at) => (hidden.includes(at + 1) ? [] : [at + 1]));
    const all = ask(reader, {});
    t.strictSame('entries' in all && all.entries.map(({ seq }) => seq), shown, `all but ${hidden}`);
    t.equal('count' in all && all.count, shown.length);
    const forwards: number[] = [];
    for (let page = ask(reader, { rsm: { max: 3 } }); 'entries' in page && page.last !== undefined; ) {
      forwards.push(...page.entries.map(({ seq }) => seq));
      page = ask(reader, { rsm: { max: 3, after: page.last } });
    }
    t.strictSame(forwards, shown, 'page by page forwards');
    const backwards: number[] = [];
    for (let page = ask(reader, { rsm: { max: 3, before: '' } }); 'entries' in page && page.first !== undefined; ) {
      backwards.unshift(...page.entries.map(({ seq }) => seq));
      page = ask(reader, { rsm: { max: 3, before: page.first } });
    }
    t.strictSame(backwards, shown, 'page by page backwards');
    const timed = ask(reader, { start: 4000, end: 9000 });
    t.strictSame(
      'entries' in timed && timed.entries.map(({ seq }) => seq),
      shown.filter((seq) => seq >= 4 && seq <= 9),
    );
    t.match(archiveEnds(reader), { first: { seq: shown[0] }, last: { seq: shown.at(-1) } });
  }
});

t.test('an archive in which all is hidden is empty', async (t) => {
  const reader = archive(Array.from({ length: 20 }, (_, at) => at + 1));
  t.equal(told(ask(reader, {})), ' of 0');
  t.equal(archiveEnds(reader), undefined);
  t.equal(inboxView(reader).size, 0);
});

t.test('with a full JID only that resource of the other party', async (t) => {
  const reader = archive();
  const balcony = { with: parseJid(`${JULIET}/balcony`) };
  t.equal(told(ask(reader, balcony)), '3,9,15');
  t.equal(told(ask(reader, { ...balcony, rsm: { max: 2 } })), '3,9 +');
  t.equal(told(ask(reader, { ...balcony, rsm: { max: 2, after: '9' } })), '15');
  t.equal(told(ask(reader, { ...balcony, rsm: { max: 2, before: '' } })), '9,15 +');
  t.equal(told(ask(reader, { ...balcony, rsm: { max: 2, before: '9' } })), '3');
  t.equal(told(ask(reader, { with: parseJid(`${JULIET}/crypt`) })), '', 'none, and all was looked at');
  t.equal(told(ask(reader, { ...balcony, ids: ['3', '5'] })), '3');
});

t.test('a search for a resource ends at its bound', async (t) => {
  const reader = archive();
  const options = { ...OPTIONS, scanMax: 3 };
  t.equal(told(ask(reader, { with: parseJid(`${JULIET}/balcony`) }, options)), '3 +', 'cut short, to be gone on with');
  t.equal(told(ask(reader, { with: parseJid(`${JULIET}/crypt`) }, options)), 'resource-constraint');
});

t.test('a page too large to send is cut in the direction of paging, and the rest is on the next', async (t) => {
  const forwards = ask(archive(), { rsm: { max: 5, after: '5' } }) as MamPage;
  t.equal(told(cutPage(forwards, false, [10, 10, 10, 10, 10], 25)), '6,7 of 20 at 5 +');
  t.equal(told(cutPage(forwards, false, [99, 1, 1, 1, 1], 25)), '6 of 20 at 5 +', 'never to nothing');
  t.equal(told(cutPage(forwards, false, [5, 5, 5, 5, 5], 25)), told(forwards), 'what fits stays');
  const backwards = ask(archive(), { rsm: { max: 5, before: '6' } }) as MamPage;
  const cut = cutPage(backwards, true, [10, 10, 10, 10, 10], 25);
  t.equal(told(cut), '4,5 of 20 at 3 +');
  t.match(cut, { first: '4', last: '5' });
});

/** An archive of any size without its memory: chats alternate, every seventh message is hidden when asked. */
class Generated implements ArchiveReader {
  readonly #size: number;
  readonly #holes: boolean;
  reads = 0;
  calls = 0;
  constructor(size: number, holes: boolean) {
    this.#size = size;
    this.#holes = holes;
  }
  last(): number {
    return this.#size;
  }
  chatLast(): number {
    return Math.floor((this.#size + 1) / 2);
  }
  read({ from, to, limit }: { from: number; to: number; limit: number }) {
    return this.#span(from, Math.min(to, this.#size), limit, (seq): InboxPointer => {
      const s = this.#holes ? Math.floor(seq / 7) : 0;
      const hidden = this.#holes && seq % 7 === 0;
      return { c: seq % 2 === 1 ? JULIET : BENVOLIO, q: seq, ts: seq * 10, s, ...(hidden ? { h: 1 } : {}) };
    });
  }
  chatRead(_chatId: string, { from, to, limit }: { from: number; to: number; limit: number }) {
    return this.#span(
      from,
      Math.min(to, this.chatLast()),
      limit,
      (n): ChatPointer => ({ i: 2 * n - 1, q: n, ts: (2 * n - 1) * 10 }),
    );
  }
  #span<T>(from: number, to: number, limit: number, make: (seq: number) => T) {
    this.calls += 1;
    const found = [];
    for (let seq = from; seq <= to && found.length < limit; seq++) found.push({ seq, record: make(seq) });
    this.reads += found.length;
    return found;
  }
}

t.test('a page of 50 costs as much out of a million messages as out of a thousand', async (t) => {
  const queries = (size: number): [string, Partial<MamQuery>, number][] => {
    const middle = Math.floor(size / 2) + 1;
    const id = String(middle % 7 === 0 ? middle + 2 : middle);
    return [
      ['last page', { rsm: { max: 50, before: '' } }, 60],
      ['after an id', { rsm: { max: 50, after: id } }, 60],
      ['before an id', { rsm: { max: 50, before: id } }, 60],
      ['within times', { rsm: { max: 50 }, start: middle * 10, end: size * 9 }, 100],
      ['one chat, last page', { rsm: { max: 50, before: '' }, with: juliet }, 60],
      ['one chat, before an id', { rsm: { max: 50, before: id }, with: juliet }, 80],
      ['one chat, within times', { rsm: { max: 50 }, with: juliet, start: middle * 10, end: size * 9 }, 100],
      ['counting', { rsm: { max: 0 } }, 10],
    ];
  };
  for (const holes of [false, true]) {
    for (const size of [1000, 1_000_000]) {
      for (const [name, query, readsMax] of queries(size)) {
        const reader = new Generated(size, holes);
        const page = ask(reader, query);
        t.ok(
          'entries' in page && (page.entries.length === 50 || query.rsm?.max === 0),
          `${name} of ${size}: ${told(page).slice(0, 30)}`,
        );
        const bound = readsMax + (holes ? 100 : 0);
        t.ok(
          reader.reads <= bound,
          `${name} of ${size}, holes ${holes}: ${reader.reads} records in ${reader.calls} reads`,
        );
      }
    }
  }
});

t.test('a broken stream stops the query instead of looping', async (t) => {
  const reader = archive();
  reader.read = () => [];
  t.throws(() => ask(reader, {}), /no record/);
});
