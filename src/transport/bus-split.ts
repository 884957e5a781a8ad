import type { Bus, Envelope, Receiver } from './bus.ts';

/** Key of what is for the node itself, not for one of its entities. */
const NODE_KEY = '!';

/**
 * Two buses over one: messages between entities, and those between nodes (replicas, plans). Each has its one receiver.
 * Closing either closes the one below.
 */
export function splitBus(bus: Bus): { readonly entities: Bus; readonly nodes: Bus } {
  let toEntities: Receiver | undefined;
  let toNodes: Receiver | undefined;
  bus.receive((envelope, from) => {
    if (envelope.key === NODE_KEY) toNodes?.(envelope, from);
    else toEntities?.(envelope, from);
  });
  return {
    entities: {
      ...half(bus, (next) => (toEntities = next)),
      send: (to, envelope, options) => bus.send(to, envelope, options),
    },
    nodes: {
      ...half(bus, (next) => (toNodes = next)),
      send: (to, { message }: Envelope, options) => bus.send(to, { key: NODE_KEY, message }, options),
    },
  };
}

function half(bus: Bus, setReceiver: (next: Receiver) => void): Pick<Bus, 'nodeId' | 'receive' | 'close'> {
  return { nodeId: bus.nodeId, receive: setReceiver, close: () => bus.close() };
}
