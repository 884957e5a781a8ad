import type { LogStore } from '../storage/log-store.ts';
import { buildProtocol, type Protocol, withoutArchive } from '../xmpp/index.ts';
import { dispatchIq } from '../xmpp/iq-table.ts';
import type { IqRequest, SessionPort } from '../xmpp/module.ts';
import type { PepLimits } from '../xmpp/pubsub-types.ts';
import { createItemPort } from './item-port.ts';
import { decideRegistration } from './registration.ts';
import { DOMAIN, SHARDS } from './runtime.fixture.ts';
import type { RuntimeOptions } from './runtime-types.ts';

/** Sessions whose accounts have nodes, for tests. */

export interface PepSessions {
  readonly protocol: Protocol;
  readonly options: Pick<RuntimeOptions, 'sessionParts'>;
  /** keys of items that were read, and prefixes that were scanned, since the last call */
  takeReads(): string[];
}

/**
 * @param storeOf asked when a session reads: the node that has the store may be made with these options
 * @param options `onIq` gets requests first, as a module of the session would; false when they are not its own
 */
export function pepSessions(
  storeOf: () => LogStore,
  options: {
    readonly limits?: PepLimits;
    readonly domain?: string;
    readonly shards?: number;
    readonly onIq?: (session: SessionPort, request: IqRequest) => boolean;
  } = {},
): PepSessions {
  const { limits, domain = DOMAIN, shards = SHARDS, onIq = () => false } = options;
  const reads: string[] = [];
  const store = {
    scan: (shard: number, prefix: string, limit: number) => {
      reads.push(prefix);
      return storeOf().scan(shard, prefix, limit);
    },
  } as LogStore;
  const protocol = buildProtocol({
    software: { name: 'Rookery', version: '0' },
    startedAtMs: 0,
    archive: withoutArchive('not in this test'),
    items: createItemPort(store, shards),
    ...(limits && { pepLimits: limits }),
  });
  let ids = 0;
  const sessionParts: RuntimeOptions['sessionParts'] = {
    domain,
    newId: () => `id${++ids}`,
    dispatchIq: (session, request) =>
      onIq(session, request) || dispatchIq(protocol.iqTable, session, request) === 'handled',
    pep: protocol.pep,
    registration: decideRegistration,
    setPassword: async () => 'busy',
  };
  return { protocol, options: { sessionParts }, takeReads: () => reads.splice(0) };
}

const NS = 'http://jabber.org/protocol/pubsub';

export const iq = (type: 'get' | 'set', payload: string, to?: string): string =>
  `<iq xmlns='jabber:client' type='${type}' id='q'${to === undefined ? '' : ` to='${to}'`}>${payload}</iq>`;

export const pubsub = (inner: string): string => `<pubsub xmlns='${NS}'>${inner}</pubsub>`;

export function publish(node: string, id: string, text: string, options: Record<string, string> = {}): string {
  const fields = Object.entries(options).map(([name, value]) => {
    return `<field var='pubsub#${name}'><value>${value}</value></field>`;
  });
  const type = `<field var='FORM_TYPE'><value>${NS}#publish-options</value></field>`;
  const form = `<publish-options><x xmlns='jabber:x:data' type='submit'>${type}${fields.join('')}</x></publish-options>`;
  const item = `<item id='${id}'><note xmlns='urn:example:note'>${text}</note></item>`;
  return iq('set', pubsub(`<publish node='${node}'>${item}</publish>${fields.length === 0 ? '' : form}`));
}

export const get = (node: string, to?: string): string => iq('get', pubsub(`<items node='${node}'/>`), to);

/** Ids and texts of the items in some stanzas, in order; errors as `!condition`. */
export function items(stanzas: readonly string[]): string[] {
  return stanzas.flatMap((xml) => {
    const condition = /<error[^>]*><([a-z-]+)/.exec(xml)?.[1];
    if (condition !== undefined) return [`!${condition}`];
    return [...xml.matchAll(/<item id="([^"]*)"><note [^>]*>([^<]*)</g)].map(([, id, text]) => `${id}=${text}`);
  });
}

/** Answers to requests among some stanzas, in order: `result`, or the condition of an error. */
export function outcomes(stanzas: readonly string[]): string[] {
  return stanzas
    .filter((xml) => xml.startsWith('<iq'))
    .map((xml) => /<error[^>]*><([a-z-]+)/.exec(xml)?.[1] ?? / type="([a-z]+)"/.exec(xml)?.[1] ?? '');
}
