import { Packr } from 'msgpackr';
import type { Clock, Timer } from '../base/clock.ts';
import { shortId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import {
  type Heartbeat,
  type HeartbeatOptions,
  type HeartbeatState,
  hearHeartbeat,
  nextHeartbeat,
  openHeartbeats,
} from './heartbeat-state.ts';
import type { NatsLink } from './nats-link.ts';
import { heartbeatSubject, token } from './subjects.ts';

export interface HeartbeatSettings extends HeartbeatOptions {
  /** between two heartbeats, milliseconds */
  readonly intervalMs: number;
}

export const heartbeatDefaults: HeartbeatSettings = { intervalMs: 250, peersMax: 1_024, forgetMs: 10_000 };

export interface HeartbeatParts {
  readonly cluster: string;
  readonly self: { readonly node: string; readonly inc: string };
  /** the traffic connection: what is alive must be so on the way the work takes */
  readonly link: NatsLink;
  readonly clock: Clock;
  readonly log: Log;
  /**
   * Called for every heartbeat of another node.
   * @param ofHeartbeatSentAt this node's monotonic clock when it sent the newest of its own heartbeats that `from` had
   *   heard when it sent this one; undefined while it has heard none of this process
   */
  readonly onHeartbeat: (from: string, inc: string, ofHeartbeatSentAt: number | undefined) => void;
  /** Another process uses this node's id: one of the two must stop. Called for every heartbeat of it. */
  readonly onImpostor: (inc: string) => void;
}

export interface Heartbeats {
  readonly stats: Readonly<{ sent: number; heard: number; late: number; malformed: number; impostors: number }>;
  /** Idempotent. */
  stop(): void;
}

const formatVersion = 1;
const packr = new Packr({ useRecords: false });

/**
 * Sends this node's heartbeats on `rookery.<cluster>.hb` and hands over those of others. A timer of the main thread, on
 * purpose: a thread that is stuck in its work is not alive to its peers. Nothing is sent without a connection: it
 * would come late and all at once.
 */
export function startHeartbeats(parts: HeartbeatParts, settings: Partial<HeartbeatSettings> = {}): Heartbeats {
  return new HeartbeatsOverNats(parts, { ...heartbeatDefaults, ...settings });
}

class HeartbeatsOverNats implements Heartbeats {
  readonly stats = { sent: 0, heard: 0, late: 0, malformed: 0, impostors: 0 };
  readonly #parts: HeartbeatParts;
  readonly #intervalMs: number;
  readonly #subject: string;
  readonly #state: HeartbeatState;
  readonly #unsubscribe: () => void;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(parts: HeartbeatParts, settings: HeartbeatSettings) {
    this.#parts = parts;
    this.#intervalMs = settings.intervalMs;
    this.#subject = heartbeatSubject(token(parts.cluster, 'the name of the cluster'));
    this.#state = openHeartbeats({ ...parts.self, run: shortId() }, settings);
    const subscription = parts.link.connection.subscribe(this.#subject, {
      callback: (err, message) => {
        if (err === null) this.#take(message.data);
        else parts.log.error({ err, subject: this.#subject }, 'NATS does not let this node hear heartbeats');
      },
    });
    this.#unsubscribe = () => subscription.unsubscribe();
    this.#beat();
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#parts.clock.clear(this.#timer);
    this.#unsubscribe();
  }

  #beat(): void {
    const { clock, link } = this.#parts;
    this.#timer = clock.setTimer(this.#intervalMs, () => this.#beat());
    if (!link.connected) return;
    const { node, inc, run, seq, sentAt, echo } = nextHeartbeat(this.#state, clock.monotonic());
    const packed = packr.pack([formatVersion, node, inc, run, seq, sentAt, echo]);
    // A buffer of its own: NATS keeps a reference to it until it is written.
    link.connection.publish(this.#subject, Buffer.from(packed));
    this.stats.sent++;
  }

  /** Must not throw: an exception would end the client's reading of its socket. */
  #take(data: Uint8Array): void {
    if (this.#stopped) return;
    const heartbeat = decode(data);
    if (heartbeat === undefined) {
      this.stats.malformed++;
      return;
    }
    const heard = hearHeartbeat(this.#state, this.#parts.clock.monotonic(), heartbeat);
    if (heard.t === 'ignored') {
      if (heard.why === 'late') this.stats.late++;
      return;
    }
    try {
      if (heard.t === 'impostor') {
        this.stats.impostors++;
        this.#parts.onImpostor(heard.inc);
      } else {
        this.stats.heard++;
        this.#parts.onHeartbeat(heard.from, heard.inc, heard.ofHeartbeatSentAt);
      }
    } catch (err) {
      this.#parts.log.error({ err, from: heartbeat.node }, 'a heartbeat was not taken');
    }
  }
}

/** undefined for what is no heartbeat of this version */
function decode(data: Uint8Array): Heartbeat | undefined {
  let fields: unknown;
  try {
    fields = packr.unpack(data);
  } catch {
    return undefined;
  }
  if (!Array.isArray(fields) || fields[0] !== formatVersion || fields.length !== 7) return undefined;
  const [, node, inc, run, seq, sentAt, echo] = fields as [number, ...unknown[]];
  const isText = [node, inc, run].every((text) => typeof text === 'string');
  if (!isText || typeof seq !== 'number' || typeof sentAt !== 'number' || !isEcho(echo)) return undefined;
  return { node: node as string, inc: inc as string, run: run as string, seq, sentAt, echo };
}

function isEcho(value: unknown): value is Heartbeat['echo'] {
  return (
    Array.isArray(value) &&
    value.every(
      (one) =>
        Array.isArray(one) && typeof one[0] === 'string' && typeof one[1] === 'string' && typeof one[2] === 'number',
    )
  );
}
