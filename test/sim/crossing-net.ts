import { Packr } from 'msgpackr';
import type { Random } from '../../src/base/random.ts';
import type { Bus, Envelope, Receiver } from '../../src/transport/bus.ts';

interface InFlight {
  readonly packed: Buffer;
  readonly at: number;
}

/** Plain maps, as the bus over NATS packs them: what is no plain value does not come out as it went in. */
const packr = new Packr({ useRecords: false, copyBuffers: true });

/**
 * Buses of several nodes. Each pair of nodes is a queue: in order, with loss, as late as the simulation likes. What a
 * node sends itself is handed over at once.
 */
export class Net {
  /** share of messages that are lost, 0 to 1 */
  loss = 0;
  lost = 0;
  carried = 0;
  readonly #random: Random;
  readonly #now: () => number;
  readonly #receivers = new Map<string, Receiver>();
  readonly #queues = new Map<string, InFlight[]>();

  constructor(random: Random, now: () => number) {
    this.#random = random;
    this.#now = now;
  }

  /** @param isAlive of this life of the node */
  bus(nodeId: string, isAlive: () => boolean): Bus {
    return {
      nodeId,
      send: (to, envelope) => {
        if (!isAlive()) return;
        if (to === nodeId) this.#receivers.get(nodeId)?.(envelope, nodeId);
        else this.#queue(nodeId, to, envelope);
      },
      receive: (handler) => void this.#receivers.set(nodeId, handler),
      close: async () => void this.#receivers.delete(nodeId),
    };
  }

  get waiting(): number {
    let count = 0;
    for (const queue of this.#queues.values()) count += queue.length;
    return count;
  }

  /** One message of a random pair arrives. */
  step(): void {
    const busy = [...this.#queues].filter(([, queue]) => queue.length > 0);
    const [pair, queue] = busy[this.#random.int(busy.length)] ?? [];
    if (pair !== undefined && queue !== undefined) this.#arrive(pair, queue.shift() as InFlight);
  }

  /** Everything that was sent before arrives. */
  deliver(before = Number.POSITIVE_INFINITY): void {
    for (const [pair, queue] of this.#queues) {
      for (let left = queue.length; left > 0 && (queue[0] as InFlight).at < before; left--) {
        this.#arrive(pair, queue.shift() as InFlight);
      }
    }
  }

  /** A node is dead: nothing reaches it, nothing that it sent and that is still on its way arrives. */
  cut(nodeId: string): void {
    this.#receivers.delete(nodeId);
    for (const [pair] of this.#queues) if (pair.split(' ').includes(nodeId)) this.#queues.delete(pair);
  }

  #queue(from: string, to: string, envelope: Envelope): void {
    const packed = packr.pack(envelope);
    if (this.loss > 0 && this.#random.float() < this.loss) {
      this.lost += 1;
      return;
    }
    const pair = `${from} ${to}`;
    const queue = this.#queues.get(pair);
    const one = { packed: Buffer.from(packed), at: this.#now() };
    if (queue === undefined) this.#queues.set(pair, [one]);
    else queue.push(one);
  }

  #arrive(pair: string, { packed }: InFlight): void {
    const [from = '', to = ''] = pair.split(' ');
    this.carried += 1;
    this.#receivers.get(to)?.(packr.unpack(packed) as Envelope, from);
  }
}
