import type { Element } from 'ltx';
import type { XmppModule } from './module.ts';
import { escapeText } from './stanza.ts';

const NS_RSM = 'http://jabber.org/protocol/rsm';

/** What a `<set/>` asks for. `before: ''` is the empty element: the last page (section 2.5). */
export interface RsmRequest {
  readonly max?: number;
  readonly before?: string;
  readonly after?: string;
  readonly index?: number;
}

/** What a `<set/>` answers. `first` and `last` are absent on an empty page (section 2.2). */
export interface RsmResult {
  readonly first?: string;
  readonly last?: string;
  /** position of `first` in the whole result set, from 0 */
  readonly index?: number;
  readonly count?: number;
}

/** A non-negative integer as XML Schema writes it, undefined when it is none or beyond 2^53. */
export function parseCount(text: string): number | undefined {
  const trimmed = text.trim();
  if (!/^\+?\d{1,16}$/.test(trimmed)) return undefined;
  const value = Number(trimmed);
  return Number.isSafeInteger(value) ? value : undefined;
}

/**
 * Reads the `<set/>` of a query, `{}` when it has none.
 * @returns a string, the readable reason for bad-request, when `max` or `index` is no count or a child is doubled, or
 *   `index` is combined with `before` or `after` (section 2.6 gives that no meaning).
 */
export function parseRsm(parent: Element): RsmRequest | string {
  const sets = parent.getChildren('set', NS_RSM);
  const set = sets[0];
  if (set === undefined) return {};
  if (sets.length > 1) return 'more than one <set/>';
  const texts = new Map<string, string>();
  for (const name of ['max', 'before', 'after', 'index']) {
    const found = set.getChildren(name, NS_RSM);
    if (found.length > 1) return `more than one <${name}/>`;
    if (found[0] !== undefined) texts.set(name, found[0].getText());
  }
  const counts: { max?: number; index?: number } = {};
  for (const name of ['max', 'index'] as const) {
    const text = texts.get(name);
    if (text === undefined) continue;
    const value = parseCount(text);
    if (value === undefined) return `<${name}/> is not a count`;
    counts[name] = value;
  }
  const before = texts.get('before');
  const after = texts.get('after');
  if (counts.index !== undefined && (before !== undefined || after !== undefined)) return '<index/> beside an id';
  return { ...counts, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) };
}

/** The `<set/>` of an answer. */
export function renderRsm(result: RsmResult): string {
  let inner = '';
  if (result.first !== undefined) {
    const index = result.index === undefined ? '' : ` index='${result.index}'`;
    inner += `<first${index}>${escapeText(result.first)}</first>`;
  }
  if (result.last !== undefined) inner += `<last>${escapeText(result.last)}</last>`;
  if (result.count !== undefined) inner += `<count>${result.count}</count>`;
  return `<set xmlns='${NS_RSM}'>${inner}</set>`;
}

export const rsmModule: XmppModule = {
  spec: {
    id: 'XEP-0059',
    title: 'Result Set Management',
    version: '1.0',
    url: 'https://xmpp.org/extensions/xep-0059.html',
    note: 'for the message archive: both directions, by index, counts',
  },
  serverFeatures: [NS_RSM],
  accountFeatures: [NS_RSM],
};
