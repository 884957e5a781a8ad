/**
 * Which characters may stand in an XML name, and one shared copy of each name that is in use.
 *
 * The rule kept is that of XML 1.0, fourth edition (appendix B), which the fifth edition (production 4) only widens.
 * Expat, so Firefox and Gajim, still keeps the fourth: a frame that only the fifth allows would be refused by such a
 * receiver and cost it its stream. Names above U+FFFF are refused by both readings of the fourth edition.
 */

/**
 * Letters and ideographs above U+007F, then digits, combining characters and extenders. Ranges in base 36, each
 * `gap` or `gap-length`: gap counts from the end of the range before (from U+0080 at first).
 */
const LETTER_RANGES =
  '1s-m 2-u 2-1l 3-a 3-7 2-1g 2-1v a-z 4-1 5-t 1l-2g j-6 5h 2-2 2 2-j 2-17 2-6 4 2 2 2 2-h e-b 2-1t 2-b 2-z ' +
  'f-1g 3-1 3-1 4-r 3-7 3-1 1k-11 3 8-11 22-q 6-2 1b-p 7-9 13-1y 3-4 2-e 2-3 2 g-1 f3-1g 4 r-9 10-7 3-1 3-l 2-6 ' +
  '2 4-3 z-1 2-2 f-1 k-5 5-1 3-l 2-6 2-1 2-1 2-1 w-3 2 k-2 h-6 2 2-2 2-l 2-6 2-1 2-4 4 z 11-7 3-1 3-l 2-6 2-1 ' +
  '3-3 4 v-1 2-2 10-5 4-2 2-3 4-1 2 2-1 4-1 4-2 4-7 2-2 24-7 2-2 2-m 2-9 2-4 13-1 10-7 2-2 2-m 2-9 2-4 11 2-1 ' +
  '10-7 2-2 2-m 2-f 13-1 4g-19 2 2-1 d-5 1o-1 2 3-1 2 3 7-3 2-6 2-2 2 2 3-1 2-1 2 2-1 a 3-4 3g-7 2-w 8n-11 b-12 ' +
  'a 2-1 2-2 2 2-1 2-4 16 2 2 c 2 2 4-1 4 6-2 2 2 2 2 4-1 4-1 2 15 a 3 3-1 8-1 2 2-6 15 5 9 2dj-4b 5-2h 7-l 3-5 ' +
  '3-11 3-5 3-7 2 2 2 2-u 3-1g 2-6 2 4-2 2-6 4-3 3-5 5-c 6-2 2-6 8a 4-1 3 2a-2 2v9 q-8 o-2b d-2h b-13 5p0-g4l ' +
  '2fv-8mb';
const NAME_ONLY_RANGES =
  '1j ex-1 1b-1x r-1 12 70-3 7f-g 2-m 2-2 2 2-1 2 3g b-7 e-9 7 2u-e 3-1 2-3 3-9 eg-2 1l 2-f 4-3 e-1 3-9 i-2 1l ' +
  '2-6 3-1 3-2 a b-1 3-9 j 1m 2-4 5-1 3-2 p-b g-2 1l 2-7 2-2 2-2 p-9 i-2 1l 2-5 4-1 3-2 9-1 f-9 j-1 1n-4 4-2 ' +
  '2-3 a g-8 i-2 1n-6 2-2 2-3 8-1 g-9 j-1 1n-6 2-2 2-3 8-1 g-9 j-1 1n-5 3-2 2-3 a f-9 5e 3-6 c-8 2-9 2g 3-5 2-1 ' +
  'a 2-5 3-9 1r-1 7-9 c 2 2 5-1 1e-j 2-5 5-5 2 2-k 4-6 2 3dj-c 5 2zo 11-5 2-4 2s-1 3-1 2m-2';

/** Kinds of a code unit in a name. */
const NOT_NAME = 0;
const NAME_CHAR = 1;
const NAME_START = 2;

/** Kind of every code unit of the BMP; the colon is a NAME_START here and is judged by {@link isQName}. */
const KIND = new Uint8Array(0x10000);

function mark(ranges: string, kind: number): void {
  let from = 0x80;
  for (const range of ranges.split(' ')) {
    const [gap = '', length = '0'] = range.split('-');
    from += Number.parseInt(gap, 36);
    const to = from + Number.parseInt(length, 36);
    KIND.fill(kind, from, to + 1);
    from = to;
  }
}

for (const c of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_:') KIND[c.charCodeAt(0)] = NAME_START;
for (const c of '0123456789.-') KIND[c.charCodeAt(0)] = NAME_CHAR;
mark(LETTER_RANGES, NAME_START);
mark(NAME_ONLY_RANGES, NAME_CHAR);

/** True for a code unit with which a name may begin. */
export function startsName(code: number): boolean {
  return KIND[code] === NAME_START;
}

/** True for a code unit that may stand in a name. NaN (past the end of a string) is none. */
export function inName(code: number): boolean {
  return (KIND[code] ?? NOT_NAME) !== NOT_NAME;
}

/** True when a name is a QName (Namespaces in XML 1.0, production 7). `colon` is its first colon, or -1. */
export function isQName(name: string, colon: number): boolean {
  if (colon < 0) return true;
  return colon > 0 && name.indexOf(':', colon + 1) < 0 && startsName(name.charCodeAt(colon + 1));
}

/** Slots of the table of shared names. A name that falls on a taken slot replaces it, so the table never grows. */
const SHARED_SLOTS = 1024;
/** Longer names are not worth a slot (characters). */
const SHARED_LENGTH_MAX = 40;
const shared: string[] = new Array<string>(SHARED_SLOTS).fill('');

/**
 * The text between two offsets as a name, as the one shared string when it was seen before: saves the copy, and makes
 * it a quick property key.
 * @param hash any number that depends on the characters only
 */
export function sharedName(text: string, from: number, to: number, hash: number): string {
  const slot = hash & (SHARED_SLOTS - 1);
  const known = shared[slot] ?? '';
  if (known.length === to - from && text.startsWith(known, from)) return known;
  const name = text.slice(from, to);
  if (name.length > SHARED_LENGTH_MAX) return name;
  // A property key is V8's own internal copy: it does not hold on to the frame that `name` is a slice of.
  const own = Object.keys({ [name]: 0 })[0] ?? name;
  shared[slot] = own;
  return own;
}
