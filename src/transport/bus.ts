/**
 * What carries messages between nodes. At most once, in order per destination while nothing is lost: the parts above
 * it (outbox, replicas) resend. In-process (one node) and NATS pass one contract suite, test/contract/bus.ts.
 */
export interface Envelope {
  /** entity key the message is for */
  readonly key: string;
  /**
   * Plain value, msgpack-able. What a node sends itself is handed over as the very object, so neither side may change
   * it. Bytes arrive as a Buffer of the receiver's own.
   */
  readonly message: unknown;
}

export interface SendOptions {
  /**
   * Takes the way for large things (snapshots), so that they do not hold up the rest. Order is kept among bulk
   * envelopes and among the others, not between the two.
   */
  readonly bulk?: boolean;
}

/** @param from node id of the sender */
export type Receiver = (envelope: Envelope, from: string) => void;

export interface Bus {
  /** This node's name on the bus. */
  readonly nodeId: string;
  /** Sends to a node, itself included. Never throws for a destination that is gone: the message is lost. */
  send(nodeId: string, envelope: Envelope, options?: SendOptions): void;
  /** Sets the one receiver. Called once, before the first send arrives. */
  receive(handler: Receiver): void;
  close(): Promise<void>;
}

/** The bus of a node that is alone: hands over at once, knows no other node. */
export function inProcessBus(nodeId: string): Bus {
  let handler: Receiver | undefined;
  return {
    nodeId,
    send(to, envelope) {
      if (to === nodeId) handler?.(envelope, nodeId);
    },
    receive(next) {
      handler = next;
    },
    async close() {
      handler = undefined;
    },
  };
}
