/**
 * Words of a text as people would look for them: without case, accents and points, in any script. A word is a run of
 * letters, digits and marks; where a script writes without spaces, Intl.Segmenter cuts the run. Pure.
 */

/** UTF-16 units of a text whose words count; what comes after them is not looked for either. */
export const TEXT_MAX = 16_384;

/** Scripts that write words without spaces between them, by the Segmenter's dictionaries. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

const RUNS = /[\p{L}\p{N}\p{M}]+/gu;

// Not all marks: those of Indic scripts and of Thai are vowels, those of kana make other letters.
const ACCENTS = new RegExp(
  `[${[
    '\\u0300-\\u036f\\u0483-\\u0487\\u1ab0-\\u1aff\\u1dc0-\\u1dff\\u20d0-\\u20ff\\ufe20-\\ufe2f',
    // Points of Hebrew; vowels of Arabic and what lengthens a letter.
    '\\u0591-\\u05c7\\u0610-\\u061a\\u0640\\u064b-\\u065f\\u0670',
  ].join('')}]+`,
  'gu',
);

/** More marks on one letter than any text has (UAX #15 section 13): to sort them takes the square of their number. */
const MARKS = /(\p{M}{30})\p{M}+/gu;

/** Letters that Unicode does not take apart. */
const STROKED: Readonly<Record<string, string>> = { ø: 'o', ł: 'l', đ: 'd', ħ: 'h', ŧ: 't', æ: 'ae', œ: 'oe', ς: 'σ' };
const STROKES = /[øłđħŧæœς]/g;

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what is meant
const ASCII = /^[\x00-\x7f]*$/;

/** Loads its dictionaries when first used, so it is made when a text needs it. */
let segmenter: Intl.Segmenter | undefined;

/** Words of a text in order, folded; the same text always gives the same words. */
export function wordsOf(text: string): string[] {
  return firstWordsOf(text, Number.POSITIVE_INFINITY);
}

/** The first `max` of them, or all. */
export function firstWordsOf(text: string, max: number): string[] {
  const folded = fold(bounded(text));
  const words: string[] = [];
  for (const [run] of folded.matchAll(RUNS)) {
    if (words.length >= max) break;
    if (UNSPACED.test(run)) segmented(run, max, words);
    else words.push(run);
  }
  return words;
}

/**
 * UTF-16 units that the Segmenter gets at once: what a word costs grows with the length of all, and 16,384 units took
 * 0.1 s. Only a run without a space or a stop for so long is cut, maybe within a word.
 */
const PIECE = 1024;

/** Adds the words of a run, up to `max` in all. */
function segmented(run: string, max: number, words: string[]): void {
  segmenter ??= new Intl.Segmenter('und', { granularity: 'word' });
  for (let from = 0; from < run.length; ) {
    let to = Math.min(run.length, from + PIECE);
    // Not between the halves of a pair.
    if (to < run.length && (run.charCodeAt(to) & 0xfc00) === 0xdc00) to -= 1;
    for (const { segment } of segmenter.segment(run.slice(from, to))) {
      if (words.length >= max) return;
      words.push(segment);
    }
    from = to;
  }
}

function bounded(text: string): string {
  return text.length <= TEXT_MAX ? text : text.slice(0, TEXT_MAX);
}

function fold(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  // Capitals first: they fold what small letters alone keep apart, such as ß and ss.
  const plain = text.replace(MARKS, '$1').normalize('NFKD').replace(ACCENTS, '').toUpperCase().toLowerCase();
  return plain.replace(STROKES, (letter) => STROKED[letter] ?? letter).normalize('NFC');
}

/** Units of a packed hash. A string costs less to keep and to write than bytes do, and one of ASCII is as short. */
export const PACKED = 4;
const BITS = 7;
const LOW = 127;

/** Packed hashes of the words found last; one text at a time. */
let scratch = Buffer.alloc(1024);

/** Stands at the end of packed words when there were more. */
export const MORE = 0;

/**
 * Hashes of a text's words in their order, each in `PACKED` ASCII characters, low bits first: of the first `max`, then
 * `MORE` when it has more. '' when it has no word.
 */
export function packedWords(text: string, max: number): string {
  if (scratch.length < PACKED * (max + 1)) scratch = Buffer.alloc(PACKED * (max + 1));
  const count = ASCII.test(text) ? hashAscii(bounded(text), max) : hashAll(firstWordsOf(text, max + 1), max);
  return scratch.toString('latin1', 0, PACKED * count);
}

function note(hash: number, place: number): void {
  const at = PACKED * place;
  scratch[at] = hash & LOW;
  scratch[at + 1] = (hash >>> BITS) & LOW;
  scratch[at + 2] = (hash >>> (2 * BITS)) & LOW;
  scratch[at + 3] = hash >>> (3 * BITS);
}

/** The packed hash that begins at `at`. */
export function hashAt(words: string, at: number): number {
  return (
    words.charCodeAt(at) |
    (words.charCodeAt(at + 1) << BITS) |
    (words.charCodeAt(at + 2) << (2 * BITS)) |
    (words.charCodeAt(at + 3) << (3 * BITS))
  );
}

/** Most texts need no string for a word, nor an expression to find it. @returns how many are in `scratch` */
function hashAscii(text: string, max: number): number {
  const { length } = text;
  let count = 0;
  let hash = SEED;
  let inWord = false;
  for (let i = 0; i < length; i += 1) {
    let code = text.charCodeAt(i);
    if (code >= 65 && code <= 90) code |= 32;
    if ((code >= 97 && code <= 122) || (code >= 48 && code <= 57)) {
      if (count === max) return withMore(count);
      hash = Math.imul(hash ^ code, PRIME);
      inWord = true;
    } else if (inWord) {
      note(finish(hash), count);
      count += 1;
      hash = SEED;
      inWord = false;
    }
  }
  if (!inWord) return count;
  note(finish(hash), count);
  return count + 1;
}

function hashAll(words: readonly string[], max: number): number {
  const count = Math.min(words.length, max);
  for (let i = 0; i < count; i += 1) note(wordHash(words[i]!), i);
  return count < words.length ? withMore(count) : count;
}

function withMore(count: number): number {
  note(MORE, count);
  return count + 1;
}

const SEED = 0x811c9dc5;
const PRIME = 0x01000193;

/** 28 bits of a folded word (FNV-1a over its UTF-16 units, then mixed). Part of the format on disk. */
export function wordHash(word: string): number {
  let hash = SEED;
  for (let i = 0; i < word.length; i += 1) hash = Math.imul(hash ^ word.charCodeAt(i), PRIME);
  return finish(hash);
}

/** Spreads what the last units changed over all bits. */
function finish(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  // None is MORE.
  return (h ^ (h >>> 16)) >>> 4 || 1;
}
