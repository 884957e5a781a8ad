import type { Bus } from '../transport/bus.ts';
import type { Source } from './messages.ts';
import { type FarDelivery, type NackReason, type NodeWire, type ShardWire, WIRE_VERSION, type Wire } from './wire.ts';

/**
 * What leaves for other nodes in one turn of the event loop, in order. Deliveries to one shard share an envelope, so do
 * acks and nacks to one node; the bus puts all envelopes to a node into one message.
 *
 * Order. Within a chat a delivery must not overtake a message that is not kept (chat states), nor the other way round,
 * and must not be overtaken by the answer to its send. So anything but an answer ends the deliveries gathered so far.
 *
 * Bound: `deliveriesMax` and `deliveryUnitsMax` an envelope; the whole never outlives the turn.
 */
export interface OutgoingOptions {
  readonly bus: Pick<Bus, 'send'>;
  readonly nodeId: string;
  readonly deliveriesMax: number;
  /** UTF-16 units of message bodies in one envelope of deliveries, but for its first */
  readonly deliveryUnitsMax: number;
  /** runs once, at the end of this turn */
  soon(run: () => void): void;
}

interface Gathering {
  readonly items: FarDelivery[];
  units: number;
}

interface ForNode {
  wires: (ShardWire | NodeWire)[];
  /** open envelopes of deliveries, by destination shard */
  readonly deliveries: Map<number, Gathering>;
  acks: Source[];
  readonly nacks: Map<NackReason, Source[]>;
}

export class Outgoing {
  readonly #options: OutgoingOptions;
  readonly #nodes = new Map<string, ForNode>();
  readonly #before: (() => void)[] = [];
  #scheduled = false;
  envelopes = 0;

  constructor(options: OutgoingOptions) {
    this.#options = options;
  }

  send(node: string, wire: ShardWire | NodeWire): void {
    const to = this.#to(node);
    if (wire.t !== 'answer' && !(wire.t === 'session' && wire.msg.t === 'answer')) to.deliveries.clear();
    to.wires.push(wire);
  }

  deliver(node: string, shard: number, delivery: FarDelivery): void {
    const { deliveriesMax, deliveryUnitsMax, nodeId } = this.#options;
    const to = this.#to(node);
    const units = delivery.record?.inner.length ?? 0;
    const open = to.deliveries.get(shard);
    if (open !== undefined && open.items.length < deliveriesMax && open.units + units <= deliveryUnitsMax) {
      open.items.push(delivery);
      open.units += units;
      return;
    }
    const items = [delivery];
    to.deliveries.set(shard, { items, units });
    to.wires.push({ t: 'deliver', shard, hop: 0, origin: nodeId, items });
  }

  ack(node: string, source: Source): void {
    this.#to(node).acks.push(source);
  }

  nack(node: string, source: Source, why: NackReason): void {
    const { nacks } = this.#to(node);
    const same = nacks.get(why);
    if (same === undefined) nacks.set(why, [source]);
    else same.push(source);
  }

  /** Runs before what has gathered leaves: for who gathers by himself. */
  beforeFlush(run: () => void): void {
    this.#before.push(run);
    this.#schedule();
  }

  flush(): void {
    for (const run of this.#before.splice(0)) run();
    this.#scheduled = false;
    if (this.#nodes.size === 0) return;
    const nodes = [...this.#nodes];
    this.#nodes.clear();
    for (const [node, { wires, acks, nacks }] of nodes) {
      for (const wire of wires) this.#publish(node, wire);
      if (acks.length > 0) this.#publish(node, { t: 'ack', sources: acks });
      for (const [why, sources] of nacks) this.#publish(node, { t: 'nack', why, sources });
    }
  }

  #publish(node: string, wire: ShardWire | NodeWire): void {
    this.envelopes += 1;
    this.#options.bus.send(node, { key: keyOf(wire), message: { v: WIRE_VERSION, ...wire } satisfies Wire });
  }

  #to(node: string): ForNode {
    let to = this.#nodes.get(node);
    if (to === undefined) {
      to = { wires: [], deliveries: new Map(), acks: [], nacks: new Map() };
      this.#nodes.set(node, to);
    }
    this.#schedule();
    return to;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#options.soon(() => this.flush());
  }
}

function keyOf(wire: ShardWire | NodeWire): string {
  return wire.t === 'session' ? `session:${wire.to}` : wire.t === 'chat' ? `chat:${wire.to}` : '';
}
