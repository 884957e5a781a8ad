import type { Client } from './client.ts';
import { attr, element, escapeXml, text } from './scan.ts';

export interface PageQuery {
  /** bare JID of the other side */
  readonly with?: string;
  readonly max: number;
  /** page back from this id; '' = from the newest */
  readonly before?: string;
  /** page on from this id */
  readonly after?: string;
  /** XEP-0082 times */
  readonly start?: string;
  readonly end?: string;
}

export interface Page {
  /** whole result stanzas, in order of arrival */
  readonly results: readonly string[];
  readonly first: string;
  readonly last: string;
  readonly complete: boolean;
  /** RSM count, when the server gives one */
  readonly count: number | undefined;
}

let queries = 0;

/** One page of the own archive (XEP-0313 4, RSM XEP-0059). @throws ServerError */
export async function mamPage(client: Client, query: PageQuery): Promise<Page> {
  const id = `p${++queries}`;
  const results: string[] = [];
  const outer = client.onStanza;
  client.onStanza = (xml) => {
    if (xml.includes(`queryid='${id}'`) || xml.includes(`queryid="${id}"`)) results.push(xml);
    else outer(xml);
  };
  try {
    const fin = await client.iq(
      'set',
      `<query xmlns='urn:xmpp:mam:2' queryid='${id}'>${form(query)}${rsm(query)}</query>`,
    );
    const count = text(fin, 'count');
    return {
      results,
      first: text(fin, 'first') ?? '',
      last: text(fin, 'last') ?? '',
      complete: attr(element(fin, 'fin') ?? '', 'complete') === 'true',
      count: count === undefined || count === '' ? undefined : Number(count),
    };
  } finally {
    client.onStanza = outer;
  }
}

function form(query: PageQuery): string {
  const field = (name: string, value: string | undefined) =>
    value === undefined ? '' : `<field var='${name}'><value>${escapeXml(value)}</value></field>`;
  const fields = field('with', query.with) + field('start', query.start) + field('end', query.end);
  if (fields === '') return '';
  const type = "<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field>";
  return `<x xmlns='jabber:x:data' type='submit'>${type}${fields}</x>`;
}

function rsm(query: PageQuery): string {
  const before =
    query.before === undefined ? '' : query.before === '' ? '<before/>' : `<before>${escapeXml(query.before)}</before>`;
  const after = query.after === undefined ? '' : `<after>${escapeXml(query.after)}</after>`;
  return `<set xmlns='http://jabber.org/protocol/rsm'><max>${query.max}</max>${before}${after}</set>`;
}
