import type { Element } from 'ltx';
import { type Jid, tryJid } from './jid.ts';
import type { StanzaCondition } from './module.ts';
import { parseRsm, type RsmRequest } from './xep0059-rsm.ts';
import { parseStamp } from './xep0082-datetime.ts';
import { FULLTEXT_FIELD, type Fulltext, parseFulltext } from './xep0431-fulltext.ts';

export const NS_MAM = 'urn:xmpp:mam:2';
const NS_DATA = 'jabber:x:data';

/** A parsed `<query/>` of type set (XEP-0313 section 4). Archive ids are kept as the client wrote them. */
export interface MamQuery {
  readonly queryid?: string;
  readonly with?: Jid;
  /** inclusive, ms since the epoch */
  readonly start?: number;
  /** inclusive, ms since the epoch */
  readonly end?: number;
  readonly beforeId?: string;
  readonly afterId?: string;
  /** at least one; distinct */
  readonly ids?: readonly string[];
  /** XEP-0431 */
  readonly fulltext?: Fulltext;
  readonly flip: boolean;
  readonly rsm: RsmRequest;
}

export interface MamFault {
  readonly error: StanzaCondition;
  readonly text: string;
}

function fault(error: StanzaCondition, text: string): MamFault {
  return { error, text };
}

type Fields = Map<string, readonly string[]>;

const KNOWN = new Set(['FORM_TYPE', 'with', 'start', 'end', 'before-id', 'after-id', 'ids', FULLTEXT_FIELD]);

/** The fields of a submitted form. A field the server does not know is refused, as section 4.1.5 demands. */
function readForm(form: Element): Fields | MamFault {
  if (form.attrs['type'] !== 'submit') return fault('bad-request', 'the form must be of type submit');
  const fields: Fields = new Map();
  for (const field of form.getChildren('field', NS_DATA)) {
    const name: unknown = field.attrs['var'];
    if (typeof name !== 'string' || name === '') return fault('bad-request', 'a field without var');
    if (!KNOWN.has(name)) return fault('feature-not-implemented', `unknown field ${name.slice(0, 64)}`);
    if (fields.has(name)) return fault('bad-request', `field ${name} is doubled`);
    const values = field.getChildren('value', NS_DATA).map((value) => value.getText().trim());
    if (name !== 'ids' && values.length > 1) return fault('bad-request', `field ${name} takes one value`);
    fields.set(name, values);
  }
  if (fields.get('FORM_TYPE')?.[0] !== NS_MAM) return fault('bad-request', `FORM_TYPE must be ${NS_MAM}`);
  return fields;
}

/** An empty `<value/>` is a field left blank in the form, the same as none. */
function single(fields: Fields, name: string): string | undefined {
  const value = fields.get(name)?.[0];
  return value === undefined || value === '' ? undefined : value;
}

function readIds(fields: Fields, idsMax: number): readonly string[] | undefined | MamFault {
  const values = fields.get('ids');
  if (values === undefined) return undefined;
  const ids = [...new Set(values.filter((value) => value !== ''))];
  if (ids.length === 0) return fault('bad-request', 'field ids has no value');
  if (ids.length > idsMax) return fault('policy-violation', `at most ${idsMax} ids in one query`);
  return ids;
}

/**
 * Reads a `<query xmlns='urn:xmpp:mam:2'/>` of an iq set.
 * @param idsMax most values the `ids` field may have (policy-violation beyond)
 * @returns the query, or the stanza condition to answer: item-not-found for a node (a user's archive has none),
 *   feature-not-implemented for an unknown field, jid-malformed for `with`, bad-request for what is not a valid form,
 *   time, RSM set or text to look for.
 */
export function parseMamQuery(payload: Element, idsMax = 100): MamQuery | MamFault {
  if (payload.attrs['node'] !== undefined) return fault('item-not-found', 'this archive has no nodes');
  const rsm = parseRsm(payload);
  if (typeof rsm === 'string') return fault('bad-request', rsm);
  const forms = payload.getChildren('x', NS_DATA);
  if (forms.length > 1) return fault('bad-request', 'more than one form');
  const fields = forms[0] === undefined ? new Map<string, readonly string[]>() : readForm(forms[0]);
  if (!(fields instanceof Map)) return fields;

  const times: { start?: number; end?: number } = {};
  for (const name of ['start', 'end'] as const) {
    const text = single(fields, name);
    if (text === undefined) continue;
    const ms = parseStamp(text);
    if (ms === undefined) return fault('bad-request', `${name} is not an XEP-0082 DateTime`);
    times[name] = ms;
  }
  const withText = single(fields, 'with');
  const peer = withText === undefined ? undefined : tryJid(withText);
  if (withText !== undefined && peer === undefined) return fault('jid-malformed', 'with is not a JID');
  const ids = readIds(fields, idsMax);
  if (ids !== undefined && 'error' in ids) return ids;
  const text = single(fields, FULLTEXT_FIELD);
  const fulltext = text === undefined ? undefined : parseFulltext(text);
  if (typeof fulltext === 'string') return fault('bad-request', fulltext);
  const queryid: unknown = payload.attrs['queryid'];
  return {
    ...(typeof queryid === 'string' ? { queryid } : {}),
    ...(peer === undefined ? {} : { with: peer }),
    ...times,
    beforeId: single(fields, 'before-id'),
    afterId: single(fields, 'after-id'),
    ...(ids === undefined ? {} : { ids }),
    ...(fulltext === undefined ? {} : { fulltext }),
    flip: payload.getChild('flip-page', NS_MAM) !== undefined,
    rsm,
  };
}

/** The form of section 4.1.5, payload of the answer to an iq get. */
export function renderMamForm(): string {
  return (
    `<query xmlns='${NS_MAM}'><x xmlns='${NS_DATA}' type='form'>` +
    `<field type='hidden' var='FORM_TYPE'><value>${NS_MAM}</value></field>` +
    `<field type='jid-single' var='with'/><field type='text-single' var='start'/>` +
    `<field type='text-single' var='end'/><field type='text-single' var='before-id'/>` +
    `<field type='text-single' var='after-id'/><field type='list-multi' var='ids'>` +
    `<validate xmlns='http://jabber.org/protocol/xdata-validate' datatype='xs:string'><open/></validate></field>` +
    `<field type='text-single' var='${FULLTEXT_FIELD}'/></x></query>`
  );
}
