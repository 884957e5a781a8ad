import t from 'tap';
import { firstWordsOf, hashAt, MORE, PACKED, packedWords, TEXT_MAX, wordHash, wordsOf } from './words.ts';

const segmenter = new Intl.Segmenter('und', { granularity: 'word' });

/** Words as the Segmenter alone sees them. */
function segmented(text: string): string[] {
  return [...segmenter.segment(text)].filter(({ isWordLike }) => isWordLike).map(({ segment }) => segment);
}

t.test('words are what the Segmenter says they are, in any script', async (t) => {
  const sentences = [
    'Are we still on for lunch tomorrow at 12',
    'das maedchen kauft 3 aepfel',
    'привет, как дела? увидимся завтра в восемь',
    'καλημερα κοσμε',
    'שלום לכולם, מה שלומך היום',
    'مرحبا كيف حالك اليوم',
    'मेरा नाम राम है और मैं दिल्ली में रहता हूँ',
    'তোমার নাম কি',
    '안녕하세요 오늘 점심 같이 먹어요',
    'გამარჯობა მეგობრებო',
    'բարեւ ձեզ',
    'ሰላም ለዓለም',
    '我们明天一起去北京大学吃午饭',
    '東京タワーは高いです',
    'สวัสดีครับ วันนี้อากาศดีมาก',
    'ສະບາຍດີຕອນເຊົ້າ',
    'សួស្តីពិភពលោក',
    'မင်္ဂလာပါ ကမ္ဘာလောက',
  ];
  for (const sentence of sentences) {
    const words = wordsOf(sentence);
    // Folding is looked at below: here it is where words begin and end.
    t.same(words, segmented(foldLike(sentence)), sentence);
    t.ok(words.length > 0);
  }
});

/** The same letters as in the words, everything between them as it was. */
function foldLike(text: string): string {
  return text.replace(/\p{L}[\p{L}\p{M}\p{N}]*/gu, (word) => wordsOf(word).join('')).toLowerCase();
}

t.test('what is joined by a point or an apostrophe is several words', async (t) => {
  t.same(wordsOf("don't mail foo_bar@rookery.example, it's 3.14"), [
    'don',
    't',
    'mail',
    'foo',
    'bar',
    'rookery',
    'example',
    'it',
    's',
    '3',
    '14',
  ]);
  t.same(wordsOf(' ?! … 🙂 '), []);
});

t.test('case and accents make no difference', async (t) => {
  const same: [string, string][] = [
    ['Café', 'cafe'],
    ['CAFE\u0301', 'cafe'],
    ['Straße', 'STRASSE'],
    ['İstanbul', 'istanbul'],
    ['Łódź', 'lodz'],
    ['smørrebrød', 'Smorrebrod'],
    ['œuvre', 'OEUVRE'],
    ['ΟΔΌΣ', 'οδος'],
    ['Ёлка', 'елка'],
    ['مَرْحَبًا', 'مرحبا'],
    ['שָׁלוֹם', 'שלום'],
    ['ＦＵＬＬ', 'full'],
    ['ﬁn', 'fin'],
    ['ｶﾞ', 'ガ'],
  ];
  for (const [a, b] of same) t.same(wordsOf(a), wordsOf(b), `${a} ${b}`);
  t.notSame(wordsOf('か'), wordsOf('が'), 'another letter');
  t.notSame(wordsOf('कि'), wordsOf('का'), 'another vowel');
  t.same(wordsOf('한국'), ['한국'], 'syllables stay whole');
});

t.test('hashes: in the order of the words, the same by either way', async (t) => {
  const hashes = (text: string, max = 100): number[] => {
    const packed = packedWords(text, max);
    t.equal(Buffer.byteLength(packed), packed.length, 'ASCII');
    return Array.from({ length: packed.length / PACKED }, (_, i) => hashAt(packed, PACKED * i));
  };
  t.same(hashes('One two, ONE three'), ['one', 'two', 'one', 'three'].map(wordHash));
  t.same(hashes('Öne two'), ['one', 'two'].map(wordHash));
  for (const text of ['one two three', 'one two thrée'])
    t.same(hashes(text, 2), [...['one', 'two'].map(wordHash), MORE]);
  for (const text of ['one two.', 'one twó.'])
    t.same(hashes(text, 2), ['one', 'two'].map(wordHash), 'as many as may be');
  t.equal(packedWords('?', 10), '');
  t.equal(packedWords('', 10), '');
  t.equal(wordHash('rookery'), 3_184_844_243 >>> 4, 'part of the format on disk');
});

t.test('a text is bounded', async (t) => {
  const long = `${'a '.repeat(TEXT_MAX / 2)}end`;
  t.notOk(wordsOf(long).includes('end'));
  const ends = (text: string): boolean => packedWords(text, TEXT_MAX).length / PACKED === TEXT_MAX / 2;
  t.ok(ends(long));
  t.ok(ends(`é${long}`));
});

t.test('a long text without a space costs little more than a short one', async (t) => {
  const endless = ['漢', 'ก', '我喜欢北京大学', '\u0f71\u0f72\u0316', '\u0315\u0300'];
  for (const text of endless) {
    const long = text.repeat(Math.ceil(TEXT_MAX / text.length));
    packedWords(long, 256);
    const before = process.cpuUsage();
    for (let i = 0; i < 10; i += 1) packedWords(long, 256);
    const { user, system } = process.cpuUsage(before);
    // 400 to 1000 ms if the Segmenter, or the sorting of marks, gets all of it.
    t.ok(user + system < 200_000, `${text}: ${(user + system) / 1000} ms`);
  }
});

t.test('what is cut is whole, and the first words are the first of all', async (t) => {
  const pairs = `我${'𠀀'.repeat(2000)}`;
  t.equal(wordsOf(pairs).join(''), pairs);
  for (const word of wordsOf(pairs)) t.ok(word.isWellFormed?.() ?? !/^[\udc00-\udfff]|[\ud800-\udbff]$/.test(word));
  for (const text of ['我喜欢北京大学 和 东京', 'añb c d', 'ภาษาไทย']) {
    const all = wordsOf(text);
    for (let max = 0; max <= all.length + 1; max += 1) t.same(firstWordsOf(text, max), all.slice(0, max));
  }
  t.same(wordsOf(`e${'\u0301'.repeat(5000)}t`), ['et']);
});
