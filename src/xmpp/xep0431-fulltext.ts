import type { Element } from 'ltx';
import { packedWords, wordHash, wordsOf } from '../base/words.ts';
import type { MessageRecord } from './message-record.ts';
import type { XmppModule } from './module.ts';
import { parseChecked } from './xml.ts';

export const NS_FULLTEXT = 'urn:xmpp:fulltext:0';

/** The field of an archive query's form (section 3.1, in the syntax of XEP-0068). */
export const FULLTEXT_FIELD = `{${NS_FULLTEXT}}fulltext`;

/** UTF-16 units of what is looked for, and words in it. */
const QUERY_UNITS_MAX = 1024;
const QUERY_WORDS_MAX = 32;

/** What is looked for: all phrases have to be in the message, each as words that follow one another. */
export interface Fulltext {
  readonly phrases: readonly (readonly string[])[];
  /** of the distinct words */
  readonly hashes: readonly number[];
}

/**
 * Reads the field. Words in any order; what stands between double quotes is a phrase, as is what is written without
 * spaces (`rookery.example`, `don't`). Nothing else is special (section 3.2): a quote that is not closed is no quote.
 * @returns why not, when there is no word in it or too much
 */
export function parseFulltext(text: string): Fulltext | string {
  if (text.length > QUERY_UNITS_MAX) return `at most ${QUERY_UNITS_MAX} characters can be looked for`;
  const phrases: string[][] = [];
  for (const [part, quoted] of text.matchAll(/[“”„"]([^“”„"]*)[“”"]|[^\s“”„"]+/g)) {
    const words = wordsOf(quoted ?? part);
    if (words.length > 0) phrases.push(words);
  }
  const words = new Set(phrases.flat());
  if (words.size === 0) return 'there is no word in what is to be looked for';
  if (phrases.flat().length > QUERY_WORDS_MAX) return `at most ${QUERY_WORDS_MAX} words can be looked for`;
  return { phrases, hashes: [...words].map(wordHash) };
}

/** Payloads in the place of which a body only says that there is something this client cannot read. */
const ENCRYPTED = new Set([
  'urn:xmpp:eme:0',
  'urn:xmpp:omemo:2',
  'eu.siacs.conversations.axolotl',
  'urn:xmpp:openpgp:0',
  'jabber:x:encrypted',
]);
const NS_FALLBACK = 'urn:xmpp:fallback:0';

/**
 * Bodies of a message as people read them, one a language. None when it is encrypted, or when the body as a whole is
 * there only for clients that do not know the payload (XEP-0428).
 */
function bodiesOf(message: Element): string[] {
  const bodies: string[] = [];
  for (const child of message.children) {
    if (typeof child === 'string') continue;
    const ns = child.getNS() ?? '';
    if (ENCRYPTED.has(ns)) return [];
    if (child.name === 'body' && ns === 'jabber:client') bodies.push(child.getText());
    else if (ns === NS_FALLBACK && standsForAll(child)) return [];
  }
  return bodies;
}

/** XEP-0428 2.2: no part of the body is named, or the body without a range. */
function standsForAll(fallback: Element): boolean {
  const parts = fallback.getChildElements();
  return parts.length === 0 || parts.some((part) => part.name === 'body' && part.attrs['start'] === undefined);
}

/**
 * Hashes of a message's words for the index (packedWords), '' when it has none.
 * @param wordsMax words that count; by others the message is not found
 */
export function fulltextWords(message: Element, wordsMax: number): string {
  const bodies = bodiesOf(message);
  if (bodies.length === 0) return '';
  // Where one ends no phrase goes on; for the hashes that does not matter.
  return packedWords(bodies.length === 1 ? bodies[0]! : bodies.join('\n'), wordsMax);
}

function parsed({ inner }: Pick<MessageRecord, 'inner'>): Element {
  return parseChecked(`<message xmlns='jabber:client'>${inner}</message>`).el;
}

/** The same of a message that is in the log already. */
export function fulltextWordsOf(record: Pick<MessageRecord, 'inner'>, wordsMax: number): string {
  return record.inner.includes('<body') ? fulltextWords(parsed(record), wordsMax) : '';
}

/** Is all of it in this message? */
export function matchesFulltext({ phrases }: Fulltext, record: Pick<MessageRecord, 'inner'>): boolean {
  const bodies = bodiesOf(parsed(record)).map(wordsOf);
  return phrases.every((phrase) => bodies.some((words) => hasPhrase(words, phrase)));
}

function hasPhrase(words: readonly string[], phrase: readonly string[]): boolean {
  for (let at = words.indexOf(phrase[0]!); at >= 0; at = words.indexOf(phrase[0]!, at + 1))
    if (phrase.every((word, i) => words[at + i] === word)) return true;
  return false;
}

export const fulltextModule: XmppModule = {
  spec: {
    id: 'XEP-0431',
    title: 'Full Text Search in MAM',
    version: '0.2.0',
    url: 'https://xmpp.org/extensions/xep-0431.html',
    note: 'any script, without case and accents; all words, `"phrases"`; on accounts (groups too) and rooms',
  },
  accountFeatures: [NS_FULLTEXT],
};
