import type { Subscription } from '@nats-io/transport-node';
import type { Log } from '../base/log.ts';
import type { Bus, Envelope, Receiver, SendOptions } from './bus.ts';
import { Assembly } from './bus-assembly.ts';
import { type Identity, openFrame, unpackEnvelopes } from './bus-frames.ts';
import { Lane, type LaneStats } from './bus-lane.ts';
import type { NatsLink } from './nats-link.ts';
import { nodeSubject, token } from './subjects.ts';

export interface NatsBusOptions {
  /** most bytes of one NATS message; below the servers' max_payload */
  readonly chunkBytesMax: number;
  /** largest envelope, packed; a larger one is dropped, counted and logged */
  readonly envelopeBytesMax: number;
  /** bytes on their way to the server, per connection; more are dropped and counted */
  readonly pendingBytesMax: number;
  /** bytes held for split envelopes that are not whole yet, per connection; the oldest is given up */
  readonly assemblyBytesMax: number;
}

export const natsBusDefaults: NatsBusOptions = {
  chunkBytesMax: 262_144,
  envelopeBytesMax: 16_777_216,
  pendingBytesMax: 67_108_864,
  assemblyBytesMax: 67_108_864,
};

export interface NatsBusParts {
  readonly cluster: string;
  /** this node: its id and the incarnation of its data folder */
  readonly self: { readonly node: string; readonly inc: string };
  /** The bus uses them and leaves them open. They may be one and the same. */
  readonly traffic: NatsLink;
  readonly bulk: NatsLink;
  readonly log: Log;
}

export interface NatsBusStats {
  readonly sent: { readonly traffic: LaneStats; readonly bulk: LaneStats };
  readonly received: { envelopes: number; messages: number; bytes: number };
  /** messages not taken: of another format or cluster, or not ours at all */
  readonly refused: { version: number; cluster: number; malformed: number };
  /** envelopes that the receiver threw on */
  receiverFaults: number;
  /** split envelopes given up because a part was lost, or for room */
  assembliesDropped: number;
  /** bytes on their way to the servers */
  readonly pendingBytes: number;
}

export interface NatsBus extends Bus {
  stats(): NatsBusStats;
}

/**
 * The bus over core NATS: subjects `rookery.<cluster>.<nodeId>.d` and `.b`, no answers, no retries. Resolves when the
 * server knows that this node listens. What a node sends itself never leaves the process.
 * @throws RangeError when the name of the cluster or node is no token of a subject
 */
export async function natsBus(parts: NatsBusParts, options: Partial<NatsBusOptions> = {}): Promise<NatsBus> {
  token(parts.cluster, 'the name of the cluster');
  token(parts.self.node, 'the id of the node');
  const bus = new BusOverNats(parts, { ...natsBusDefaults, ...options });
  await Promise.all([parts.traffic.connection.flush(), parts.bulk.connection.flush()]);
  return bus;
}

class BusOverNats implements NatsBus {
  readonly nodeId: string;
  readonly #parts: NatsBusParts;
  readonly #traffic: Lane;
  readonly #bulk: Lane;
  readonly #subscriptions: Subscription[];
  readonly #assemblies: Assembly[] = [];
  readonly #received = { envelopes: 0, messages: 0, bytes: 0 };
  readonly #refused = { version: 0, cluster: 0, malformed: 0 };
  #receiverFaults = 0;
  #handler: Receiver | undefined;
  #closed = false;

  constructor(parts: NatsBusParts, options: NatsBusOptions) {
    const { cluster, self, traffic, bulk, log } = parts;
    this.#parts = parts;
    this.nodeId = self.node;
    const identity: Identity = { cluster, ...self };
    this.#traffic = new Lane(traffic, identity, (to) => nodeSubject(cluster, to, 'd'), options, log);
    this.#bulk = new Lane(bulk, identity, (to) => nodeSubject(cluster, to, 'b'), options, log);
    this.#subscriptions = [this.#listen(traffic, 'd', options), this.#listen(bulk, 'b', options)];
  }

  send(nodeId: string, envelope: Envelope, options?: SendOptions): void {
    if (this.#closed) return;
    if (nodeId === this.nodeId) this.#hand(envelope, nodeId);
    else (options?.bulk === true ? this.#bulk : this.#traffic).send(nodeId, envelope);
  }

  receive(handler: Receiver): void {
    this.#handler = handler;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#handler = undefined;
    for (const lane of [this.#traffic, this.#bulk]) lane.flush();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    // A connection that is gone answers no flush; what it held is lost, as it may be.
    const links = [this.#parts.traffic, this.#parts.bulk].filter(({ connected }) => connected);
    await Promise.allSettled(links.map(({ connection }) => connection.flush()));
  }

  stats(): NatsBusStats {
    return {
      sent: { traffic: this.#traffic.stats, bulk: this.#bulk.stats },
      received: this.#received,
      refused: this.#refused,
      receiverFaults: this.#receiverFaults,
      assembliesDropped: this.#assemblies.reduce((sum, { dropped }) => sum + dropped, 0),
      pendingBytes: this.#traffic.pendingBytes + this.#bulk.pendingBytes,
    };
  }

  #listen(link: NatsLink, lane: 'd' | 'b', options: NatsBusOptions): Subscription {
    const subject = nodeSubject(this.#parts.cluster, this.nodeId, lane);
    const assembly = new Assembly(options);
    this.#assemblies.push(assembly);
    return link.connection.subscribe(subject, {
      callback: (err, message) => {
        if (err !== null) {
          this.#parts.log.error({ err, subject }, 'NATS does not let this node listen: allow the subject');
          return;
        }
        this.#take(message.data, assembly);
      },
    });
  }

  /** Must not throw: an exception would end the client's reading of its socket, without a word. */
  #take(data: Uint8Array, assembly: Assembly): void {
    this.#received.messages++;
    this.#received.bytes += data.length;
    const frame = openFrame(data, this.#parts.cluster);
    if (frame.t === 'refused') {
      this.#refused[frame.reason]++;
      return;
    }
    const body = frame.t === 'part' ? assembly.add(frame.from, frame.part, frame.body) : frame.body;
    if (body === undefined) return;
    let envelopes: Envelope[];
    try {
      envelopes = unpackEnvelopes(body);
    } catch {
      this.#refused.malformed++;
      return;
    }
    for (const envelope of envelopes) {
      this.#received.envelopes++;
      this.#hand(envelope, frame.from.node);
    }
  }

  #hand(envelope: Envelope, from: string): void {
    try {
      this.#handler?.(envelope, from);
    } catch (err) {
      this.#receiverFaults++;
      this.#parts.log.error({ err, from, key: envelope.key }, 'the receiver of the bus failed');
    }
  }
}
