import type { Jid } from './jid.ts';
import type { IqHandler, IqRequest, IqTarget, ServiceTarget, SessionPort, XmppModule } from './module.ts';

type Route = NonNullable<XmppModule['iq']>[number];

/** Handlers by payload: `<namespace> <name>`, or `<namespace> *` for those that take any name. */
export type IqTable = ReadonlyMap<string, readonly Route[]>;

function keyOf(ns: string, name: string | undefined): string {
  return `${ns} ${name ?? '*'}`;
}

/** @throws Error when two modules claim the same payload, type and target: a mistake found at start-up */
export function buildIqTable(modules: readonly XmppModule[]): IqTable {
  const table = new Map<string, Route[]>();
  const claimed = new Set<string>();
  for (const { spec, iq } of modules) {
    for (const route of iq ?? []) {
      for (const type of route.types) {
        for (const target of route.targets) {
          const claim = `${keyOf(route.ns, route.name)} ${type} ${target}`;
          if (claimed.has(claim)) throw new Error(`${spec.id} claims ${claim}, which is taken`);
          claimed.add(claim);
        }
      }
      const key = keyOf(route.ns, route.name);
      table.set(key, [...(table.get(key) ?? []), route]);
    }
  }
  return table;
}

const SERVICES: readonly ServiceTarget[] = ['upload'];

/** The service whose address this is, whether this node offers it or not. */
export function serviceAt(to: Jid, domain: string): ServiceTarget | undefined {
  return SERVICES.find((service) => to.full === `${service}.${domain}`);
}

/** Where a request is addressed: the server, a service of it, the account whose session this is, or none of them. */
function targetOf(session: SessionPort, request: IqRequest): IqTarget | undefined {
  const service = serviceAt(request.to, session.domain);
  if (service !== undefined) return service;
  if (request.to.full === session.domain) return 'server';
  return request.to.full === session.user ? 'account' : undefined;
}

export type Unhandled = 'unknown payload' | 'wrong type' | 'wrong target' | 'not for others';

export type IqLookup =
  | { readonly t: 'found'; readonly handle: IqHandler }
  | { readonly t: 'none'; readonly reason: Unhandled };

/** The handler of a request, or why there is none. */
export function findHandler(table: IqTable, session: SessionPort, request: IqRequest): IqLookup {
  const ns = request.payload.getNS() ?? '';
  const named = table.get(keyOf(ns, request.payload.getName())) ?? [];
  const routes = [...named, ...(table.get(keyOf(ns, undefined)) ?? [])];
  if (routes.length === 0) return { t: 'none', reason: 'unknown payload' };
  const typed = routes.filter((route) => route.types.includes(request.type));
  if (typed.length === 0) return { t: 'none', reason: 'wrong type' };
  const target = targetOf(session, request);
  const route = typed.find((candidate) => target !== undefined && candidate.targets.includes(target));
  if (route === undefined) return { t: 'none', reason: 'wrong target' };
  if (request.stream === undefined && route.foreign !== true) return { t: 'none', reason: 'not for others' };
  return { t: 'found', handle: route.handle };
}

/**
 * Runs the handler of a request.
 * @returns 'handled' (it has answered, or will in a later turn), or why nobody takes it: the caller then answers
 *   service-unavailable (RFC 6121 8.5.1, 8.2.2), whatever the reason, so that a stranger learns nothing from it
 */
export function dispatchIq(table: IqTable, session: SessionPort, request: IqRequest): 'handled' | Unhandled {
  const found = findHandler(table, session, request);
  if (found.t === 'none') return found.reason;
  found.handle(session, request);
  return 'handled';
}
