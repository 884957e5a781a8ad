import type { Element } from 'ltx';
import type { XmppModule } from './module.ts';
import { escapeAttr, escapeText } from './stanza.ts';

/** Data forms, XEP-0004: writing them, and reading what was filled in. */

export const NS_DATA = 'jabber:x:data';

export type FieldType =
  | 'boolean'
  | 'fixed'
  | 'hidden'
  | 'jid-multi'
  | 'jid-single'
  | 'list-multi'
  | 'list-single'
  | 'text-multi'
  | 'text-private'
  | 'text-single';

export interface FormField {
  readonly var?: string;
  /** absent in results and submissions, where the asker knows it */
  readonly type?: FieldType;
  readonly label?: string;
  readonly values: readonly string[];
  readonly options?: readonly { readonly value: string; readonly label: string }[];
}

/** `<x/>` of a form or a result. @param formType its FORM_TYPE (XEP-0068) */
export function formXml(
  type: 'form' | 'result',
  formType: string,
  fields: readonly FormField[],
  title?: string,
): string {
  const head = title === undefined ? '' : `<title>${escapeText(title)}</title>`;
  const kind: FormField = { var: 'FORM_TYPE', type: 'hidden', values: [formType] };
  return `<x xmlns='${NS_DATA}' type='${type}'>${head}${[kind, ...fields].map(fieldXml).join('')}</x>`;
}

function fieldXml({ var: name, type, label, values, options = [] }: FormField): string {
  let open = '<field';
  if (name !== undefined) open += ` var='${escapeAttr(name)}'`;
  if (type !== undefined) open += ` type='${type}'`;
  if (label !== undefined) open += ` label='${escapeAttr(label)}'`;
  const inner = values.map(valueXml).join('') + options.map(optionXml).join('');
  return inner === '' ? `${open}/>` : `${open}>${inner}</field>`;
}

function valueXml(value: string): string {
  return `<value>${escapeText(value)}</value>`;
}

function optionXml({ value, label }: { readonly value: string; readonly label: string }): string {
  return `<option label='${escapeAttr(label)}'>${valueXml(value)}</option>`;
}

/** What a form of type submit says: its fields' values by name. The first field of a name counts. */
export type FormValues = ReadonlyMap<string, readonly string[]>;

/** The `<x/>` child in `jabber:x:data`, undefined when there is none. */
export function formOf(parent: Element): Element | undefined {
  return parent.getChild('x', NS_DATA);
}

export function readForm(form: Element): FormValues {
  const values = new Map<string, readonly string[]>();
  for (const field of form.getChildren('field', NS_DATA)) {
    const name: unknown = field.attrs['var'];
    if (typeof name !== 'string' || values.has(name)) continue;
    values.set(
      name,
      field.getChildren('value', NS_DATA).map((value) => value.getText()),
    );
  }
  return values;
}

/** XEP-0004 3.3: 'true', 'false', '1', '0'. undefined for anything else. */
export function readBoolean(text: string | undefined): boolean | undefined {
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  return undefined;
}

export const formsModule: XmppModule = {
  spec: {
    id: 'XEP-0004',
    title: 'Data Forms',
    version: '2.13.2',
    url: 'https://xmpp.org/extensions/xep-0004.html',
    note: 'in registration, archive queries, disco and the configuration of rooms',
  },
};
