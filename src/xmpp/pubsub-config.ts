import type { Element } from 'ltx';
import { NS_PUBSUB, type PepLimits, type PubsubFault } from './pubsub-types.ts';
import { element, escapeAttr, escapeText } from './stanza.ts';
import { detached } from './xml-text.ts';

/** The configuration of a node (XEP-0060 16.4.3), as data and as forms. */

const NS_DATA = 'jabber:x:data';
const CONFIG_FORM = `${NS_PUBSUB}#node_config`;
const OPTIONS_FORM = `${NS_PUBSUB}#publish-options`;
const META_FORM = `${NS_PUBSUB}#meta-data`;

export type AccessModel = 'open' | 'presence' | 'roster' | 'whitelist';
export type SendLast = 'never' | 'on_sub' | 'on_sub_and_presence';

export interface NodeConfig {
  readonly access: AccessModel;
  /** roster groups whose contacts may read, with access model `roster` */
  readonly groups: readonly string[];
  readonly persist: boolean;
  /** items kept; `max`: as many as the server allows */
  readonly max: number | 'max';
  readonly sendLast: SendLast;
  /** events are sent; with their payload; when items are retracted, the node is deleted, configured */
  readonly deliver: boolean;
  readonly payloads: boolean;
  readonly notifyRetract: boolean;
  readonly notifyDelete: boolean;
  readonly notifyConfig: boolean;
  readonly messageType: 'headline' | 'normal';
  readonly title: string;
  /** namespace of the payloads, for readers only */
  readonly payloadType: string;
}

/** XEP-0163 5. */
export const DEFAULT_CONFIG: NodeConfig = {
  access: 'presence',
  groups: [],
  persist: true,
  max: 1,
  sendLast: 'on_sub_and_presence',
  deliver: true,
  payloads: true,
  notifyRetract: true,
  notifyDelete: true,
  notifyConfig: false,
  messageType: 'headline',
  title: '',
  payloadType: '',
};

/** Nodes that the owner's own devices share and nobody else sees (XEP-0223). */
export const PRIVATE_CONFIG: Partial<NodeConfig> = { access: 'whitelist', max: 'max', sendLast: 'never' };

/** Names and values of a submitted form's fields. */
export type FormFields = ReadonlyMap<string, readonly string[]>;

interface Field {
  readonly type: 'boolean' | 'list-single' | 'list-multi' | 'text-single';
  readonly label: string;
  readonly options?: readonly string[];
  write(config: NodeConfig): readonly string[];
  /** What the values change; undefined when they are none of this field's. */
  read(values: readonly string[], limits: PepLimits): Partial<NodeConfig> | undefined;
}

function bool(key: keyof NodeConfig, label: string): Field {
  return {
    type: 'boolean',
    label,
    write: (config) => [config[key] === true ? '1' : '0'],
    read: ([value = '']) => {
      if (value === '1' || value === 'true') return { [key]: true };
      return value === '0' || value === 'false' ? { [key]: false } : undefined;
    },
  };
}

function choice(key: keyof NodeConfig, label: string, options: readonly string[]): Field {
  return {
    type: 'list-single',
    label,
    options,
    write: (config) => [String(config[key])],
    read: ([value = '']) => (options.includes(value) ? { [key]: value } : undefined),
  };
}

/** What is the same for every node here. */
function fixed(type: Field['type'], label: string, value: string): Field {
  const same = type === 'boolean' ? (value === '1' ? ['1', 'true'] : ['0', 'false']) : [value];
  return {
    type,
    label,
    ...(type === 'list-single' && { options: [value] }),
    write: () => [value],
    read: ([given = '']) => (same.includes(given) ? {} : undefined),
  };
}

function text(key: 'title' | 'payloadType', label: string): Field {
  return {
    type: 'text-single',
    label,
    write: (config) => (config[key] === '' ? [] : [config[key]]),
    read: ([value = '']) => (value.length <= TEXT_CHARS_MAX ? { [key]: detached(value) } : undefined),
  };
}

const TEXT_CHARS_MAX = 1023;
const GROUPS_MAX = 100;

/** Characters of texts together. */
export function charsOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length, 0);
}

const FIELDS: Readonly<Record<string, Field>> = {
  'pubsub#title': text('title', 'A friendly name for the node'),
  'pubsub#type': text('payloadType', 'The type of node data, usually the namespace of the payload'),
  'pubsub#access_model': choice('access', 'Who may subscribe and retrieve items', [
    'open',
    'presence',
    'roster',
    'whitelist',
  ]),
  'pubsub#roster_groups_allowed': {
    type: 'list-multi',
    label: 'The roster groups allowed to subscribe and retrieve items',
    write: ({ groups }) => groups,
    read: (values, { listCharsMax }) =>
      values.length <= GROUPS_MAX && charsOf(values) <= listCharsMax
        ? { groups: [...new Set(values.map(detached))].sort() }
        : undefined,
  },
  'pubsub#publish_model': fixed('list-single', 'Who may publish', 'publishers'),
  'pubsub#persist_items': bool('persist', 'Whether to persist items to storage'),
  'pubsub#max_items': {
    type: 'text-single',
    label: 'The maximum number of items to persist, or `max`',
    write: ({ max }) => [String(max)],
    read: ([value = ''], { itemsPerNodeMax }) => {
      if (value === 'max') return { max: 'max' };
      const count = /^[1-9][0-9]{0,8}$/.test(value) ? Number(value) : Infinity;
      return count <= itemsPerNodeMax ? { max: count } : undefined;
    },
  },
  'pubsub#send_last_published_item': choice('sendLast', 'When to send the last published item', [
    'never',
    'on_sub',
    'on_sub_and_presence',
  ]),
  'pubsub#deliver_notifications': bool('deliver', 'Whether to deliver event notifications'),
  'pubsub#deliver_payloads': bool('payloads', 'Whether to deliver payloads with event notifications'),
  'pubsub#notify_retract': bool('notifyRetract', 'Whether to notify subscribers when items are removed from the node'),
  'pubsub#notify_delete': bool('notifyDelete', 'Whether to notify subscribers when the node is deleted'),
  'pubsub#notify_config': bool('notifyConfig', 'Whether to notify subscribers when the node configuration changes'),
  'pubsub#notify_sub': fixed('boolean', 'Whether to notify owners about new subscribers and unsubscribes', '0'),
  'pubsub#notification_type': choice('messageType', 'The type of message sent to subscribers', ['headline', 'normal']),
  'pubsub#presence_based_delivery': fixed('boolean', 'Whether to notify only those who are available', '1'),
  'pubsub#purge_offline': fixed('boolean', 'Whether to purge all items when the publisher goes offline', '0'),
  'pubsub#subscribe': fixed('boolean', 'Whether to allow subscriptions', '1'),
};

/**
 * The fields of the form in `parent`, undefined when there is none or it was cancelled.
 * @param formType what FORM_TYPE has to be when it is there
 */
export function readForm(
  parent: Element | undefined,
  formType: 'config' | 'options',
): FormFields | undefined | PubsubFault {
  const form = parent?.getChild('x', NS_DATA);
  if (form === undefined || form.attrs['type'] === 'cancel') return undefined;
  if (form.attrs['type'] !== 'submit') return { error: 'bad-request', text: 'the form must be of type submit' };
  const fields = new Map<string, readonly string[]>();
  for (const field of form.getChildren('field', NS_DATA)) {
    const name: unknown = field.attrs['var'];
    if (typeof name !== 'string' || fields.has(name)) return { error: 'bad-request', text: 'a field is doubled' };
    const values = field.getChildren('value', NS_DATA).map((value) => value.getText());
    fields.set(name, values);
  }
  const type = fields.get('FORM_TYPE')?.[0];
  const wanted = formType === 'config' ? CONFIG_FORM : OPTIONS_FORM;
  if (type !== wanted) return { error: 'bad-request', text: `FORM_TYPE must be ${wanted}` };
  fields.delete('FORM_TYPE');
  return fields;
}

/** XEP-0060 8.1.2 and 8.2.5: what a form makes of a configuration. Fields that are not known are ignored. */
export function configured(config: NodeConfig, fields: FormFields, limits: PepLimits): NodeConfig | PubsubFault {
  let after = config;
  for (const [name, values] of fields) {
    const field = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
    if (field === undefined) continue;
    const patch = field.read(values, limits);
    if (patch === undefined) {
      if (name === 'pubsub#access_model') return { error: 'not-acceptable', app: 'unsupported-access-model' };
      return { error: 'not-acceptable', text: `${name} cannot be set to this` };
    }
    after = { ...after, ...patch };
  }
  return after;
}

const notMet = (name: string): PubsubFault => ({
  error: 'conflict',
  app: 'precondition-not-met',
  text: `Field does not match: ${name.slice(0, 64)}`,
});

/**
 * XEP-0060 7.1.5: what publish-options make of the configuration of a node that does not exist yet.
 * @returns a fault for a field that is not known, or a value that cannot be
 */
export function optionsForNew(config: NodeConfig, options: FormFields, limits: PepLimits): NodeConfig | PubsubFault {
  for (const name of options.keys()) if (!Object.hasOwn(FIELDS, name)) return notMet(name);
  return configured(config, options, limits);
}

/** XEP-0060 7.1.5: the first precondition that a node does not meet, as a fault. */
export function unmetOption(config: NodeConfig, options: FormFields, limits: PepLimits): PubsubFault | undefined {
  for (const [name, values] of options) {
    const field = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
    const patch = field?.read(values, limits);
    if (field === undefined || patch === undefined) return notMet(name);
    const asked = field.write({ ...config, ...patch });
    if (asked.join('\n') !== field.write(config).join('\n')) return notMet(name);
  }
  return undefined;
}

function fieldXml(name: string, field: Field, config: NodeConfig): string {
  const options = (field.options ?? []).map((one) => `<option><value>${escapeText(one)}</value></option>`).join('');
  const values = field.write(config).map((one) => `<value>${escapeText(one)}</value>`);
  return element('field', { var: name, type: field.type, label: field.label }, options + values.join(''));
}

/** The form of a node's configuration (XEP-0060 8.2.1, 8.3). */
export function configForm(config: NodeConfig): string {
  const fields = Object.entries(FIELDS).map(([name, field]) => fieldXml(name, field, config));
  return (
    `<x xmlns='${NS_DATA}' type='form'>` +
    `<field var='FORM_TYPE' type='hidden'><value>${CONFIG_FORM}</value></field>${fields.join('')}</x>`
  );
}

/** What disco tells of a node beside its features (XEP-0060 5.4). */
export function metaForm(config: NodeConfig): string {
  const field = (name: string, value: string): string =>
    `<field var='${escapeAttr(name)}'><value>${escapeText(value)}</value></field>`;
  return (
    `<x xmlns='${NS_DATA}' type='result'>` +
    `<field var='FORM_TYPE' type='hidden'><value>${META_FORM}</value></field>` +
    field('pubsub#title', config.title) +
    field('pubsub#type', config.payloadType) +
    field('pubsub#access_model', config.access) +
    field('pubsub#max_items', String(config.max)) +
    `</x>`
  );
}
