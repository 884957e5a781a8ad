import type { Log } from '../base/log.ts';
import type { Envelope } from './bus.ts';
import { batchFrame, batchHead, type Identity, packEnvelope, partFrames } from './bus-frames.ts';
import type { NatsLink } from './nats-link.ts';
import { isToken } from './subjects.ts';

export interface LaneBounds {
  /** most bytes of one NATS message */
  readonly chunkBytesMax: number;
  /** largest envelope, packed */
  readonly envelopeBytesMax: number;
  /** most bytes gathered, or handed to the connection and not yet known to be with the server */
  readonly pendingBytesMax: number;
}

/** Envelopes not sent, by reason. At most once: nobody is told, what is above the bus sends again. */
export interface LaneDrops {
  /** no connection at the moment */
  disconnected: number;
  /** `pendingBytesMax` reached: the server takes less than is sent */
  pending: number;
  /** larger than `envelopeBytesMax`, or no plain value: a mistake of ours, logged */
  unsendable: number;
  /** the node id is none */
  unaddressable: number;
}

export interface LaneStats {
  envelopes: number;
  messages: number;
  bytes: number;
  readonly dropped: LaneDrops;
}

interface Gathered {
  envelopes: Buffer[];
  bytes: number;
}

/** Asks the server how far it is after this share of the bound: often enough to free it in time, seldom enough to cost nothing. */
const CONFIRM_SHARE = 8;

/**
 * The sending side of one connection. Envelopes gather per destination until the end of the event loop's turn
 * (`setImmediate`) and leave as one message each. A microtask would be too early: the sockets, timers and disk answers
 * of one turn each run their own microtasks, and every one of them would make its own message; waiting for the turn's
 * end delays by no more than the work that is due anyway.
 *
 * Bytes count as pending until a PING after them is answered, since neither the client nor the socket says how much
 * they hold.
 */
export class Lane {
  readonly stats: LaneStats = {
    envelopes: 0,
    messages: 0,
    bytes: 0,
    dropped: { disconnected: 0, pending: 0, unsendable: 0, unaddressable: 0 },
  };
  readonly #link: NatsLink;
  readonly #self: Identity;
  readonly #subjectOf: (nodeId: string) => string;
  readonly #bounds: LaneBounds;
  readonly #log: Log;
  readonly #head: Buffer;
  readonly #gathered = new Map<string, Gathered>();
  #gatheredBytes = 0;
  #unconfirmedBytes = 0;
  #confirming = false;
  #splits = 0;
  #scheduled = false;

  constructor(link: NatsLink, self: Identity, subjectOf: (nodeId: string) => string, bounds: LaneBounds, log: Log) {
    this.#link = link;
    this.#self = self;
    this.#subjectOf = subjectOf;
    this.#bounds = bounds;
    this.#log = log;
    this.#head = batchHead(self);
  }

  get pendingBytes(): number {
    return this.#gatheredBytes + this.#unconfirmedBytes;
  }

  send(nodeId: string, envelope: Envelope): void {
    const { dropped } = this.stats;
    if (!isToken(nodeId)) dropped.unaddressable++;
    else if (!this.#link.connected) dropped.disconnected++;
    else this.#gather(nodeId, envelope);
  }

  /** Sends what has gathered. */
  flush(): void {
    this.#scheduled = false;
    for (const [nodeId, gathered] of this.#gathered) this.#publishBatch(nodeId, gathered);
    this.#gathered.clear();
    this.#gatheredBytes = 0;
  }

  #gather(nodeId: string, envelope: Envelope): void {
    const packed = this.#pack(nodeId, envelope);
    if (packed === undefined) return;
    const { chunkBytesMax, pendingBytesMax } = this.#bounds;
    if (this.pendingBytes + packed.length > pendingBytesMax) {
      this.stats.dropped.pending++;
      this.#confirm();
      return;
    }
    let gathered = this.#gathered.get(nodeId);
    if (gathered === undefined) {
      gathered = { envelopes: [], bytes: 0 };
      this.#gathered.set(nodeId, gathered);
    }
    if (this.#head.length + gathered.bytes + packed.length > chunkBytesMax) {
      this.#gatheredBytes -= gathered.bytes;
      this.#publishBatch(nodeId, gathered);
    }
    if (this.#head.length + packed.length > chunkBytesMax) {
      this.#publishParts(nodeId, packed);
      return;
    }
    gathered.envelopes.push(packed);
    gathered.bytes += packed.length;
    this.#gatheredBytes += packed.length;
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.flush());
    }
  }

  #pack(nodeId: string, envelope: Envelope): Buffer | undefined {
    try {
      const packed = packEnvelope(envelope);
      if (packed.length <= this.#bounds.envelopeBytesMax) return packed;
      this.#log.error({ to: nodeId, key: envelope.key, bytes: packed.length }, 'an envelope is too large to be sent');
    } catch (err) {
      this.#log.error({ to: nodeId, key: envelope.key, err }, 'an envelope cannot be packed');
    }
    this.stats.dropped.unsendable++;
    return undefined;
  }

  #publishBatch(nodeId: string, gathered: Gathered): void {
    const { envelopes, bytes } = gathered;
    if (envelopes.length === 0) return;
    gathered.envelopes = [];
    gathered.bytes = 0;
    this.#publish(nodeId, [batchFrame(this.#head, envelopes, bytes)], envelopes.length);
  }

  #publishParts(nodeId: string, packed: Buffer): void {
    // The head of a part is the batch's and four numbers, of at most nine bytes each.
    const bodyBytesMax = this.#bounds.chunkBytesMax - this.#head.length - 36;
    this.#splits++;
    this.#publish(nodeId, partFrames(this.#self, this.#splits, packed, bodyBytesMax), 1);
  }

  #publish(nodeId: string, frames: readonly Buffer[], envelopes: number): void {
    if (!this.#link.connected) {
      this.stats.dropped.disconnected += envelopes;
      return;
    }
    const subject = this.#subjectOf(nodeId);
    try {
      for (const frame of frames) {
        this.#link.connection.publish(subject, frame);
        this.stats.messages++;
        this.stats.bytes += frame.length;
        this.#unconfirmedBytes += frame.length;
      }
    } catch (err) {
      // Above the server's max_payload, which the start-up checks rule out, or closed this very moment.
      this.#log.error({ to: nodeId, err }, 'NATS did not take a message of the bus');
      this.stats.dropped.unsendable += envelopes;
      return;
    }
    this.stats.envelopes += envelopes;
    this.#confirmIfMany();
  }

  #confirmIfMany(): void {
    if (this.#unconfirmedBytes >= this.#bounds.pendingBytesMax / CONFIRM_SHARE) this.#confirm();
  }

  #confirm(): void {
    if (this.#confirming) return;
    this.#confirming = true;
    const bytes = this.#unconfirmedBytes;
    this.#link.connection
      .flush()
      .then(
        () => {
          this.#unconfirmedBytes -= bytes;
        },
        () => {
          // The connection broke: the client has thrown away what it held.
          this.#unconfirmedBytes = 0;
        },
      )
      .finally(() => {
        this.#confirming = false;
        this.#confirmIfMany();
      });
  }
}
