/**
 * What carries messages between nodes. At most once, in order per destination while nothing is lost: the parts above
 * it (outbox, replicas) resend. In-process (one node) and NATS pass one contract suite, test/contract/bus.ts.
 */
export interface Envelope {
  /** entity key the message is for */
  readonly key: string;
  /** plain value; the in-process bus hands over the very object, so neither side may change it */
  readonly message: unknown;
}

export interface Bus {
  /** This node's name on the bus. */
  readonly nodeId: string;
  /** Sends to a node, itself included. Never throws for a destination that is gone: the message is lost. */
  send(nodeId: string, envelope: Envelope): void;
  /** Sets the one receiver. Called once, before the first send arrives. */
  receive(handler: (envelope: Envelope) => void): void;
  close(): Promise<void>;
}

/** The bus of a node that is alone: hands over at once, knows no other node. */
export function inProcessBus(nodeId: string): Bus {
  let handler: ((envelope: Envelope) => void) | undefined;
  return {
    nodeId,
    send(to, envelope) {
      if (to === nodeId) handler?.(envelope);
    },
    receive(next) {
      handler = next;
    },
    async close() {
      handler = undefined;
    },
  };
}
