import { element } from '../xmpp/stanza.ts';
import type { Crossing } from './crossing.ts';
import type { Entities, TakenOut } from './entities.ts';
import type { ConnPort, SessionMessage, Source } from './messages.ts';
import type { Routes } from './routes.ts';
import type { StreamPlace } from './session-handover.ts';
import { SessionLink } from './session-links.ts';
import type { HandedOver, NodeWire } from './wire.ts';

/**
 * Live sessions move with their shard. The former leader pauses the shard, and when its leadership is gone sends what
 * its sessions are as values to the next one, which goes on with them and tells the gateways. Nobody waits for anybody:
 * whatever of it is lost, the sockets concerned end, and their clients connect again as after any failover.
 *
 *     pause → turns settle → unlead: sessions leave → the next leader is known: hand over → lead there: they go on
 *
 * Bound: sessions wait `handOverMs` for a leader here, or to be led there, `handedOverMax` of them in all.
 */
export interface HandOversParts {
  readonly nodeId: string;
  readonly crossing: Crossing;
  readonly entities: Entities;
  readonly routes: Routes;
  /** tells a session of a shard led here */
  tell(user: string, message: SessionMessage): boolean;
  /** sends on, to wherever the session is */
  toSession(user: string, message: SessionMessage): void;
  nack(source: Source): void;
  now(): number;
  later(delayMs: number, run: () => void): void;
}

interface Leaving {
  readonly sessions: readonly HandedOver[];
  readonly until: number;
}

/** A shard is paused no longer than this, whatever becomes of its move, ms. */
const PAUSE_MS_MAX = 5000;

export class HandOvers {
  readonly #parts: HandOversParts;
  readonly #leaving = new Map<number, Leaving>();
  /** came before this node leads their shard */
  readonly #waiting = new Map<number, HandedOver[]>();
  #count = 0;
  moved = 0;

  constructor(parts: HandOversParts) {
    this.#parts = parts;
    parts.crossing.onNodeWire((wire, from) => this.#onWire(wire, from));
  }

  /** No shard is about to leave or to come. */
  get idle(): boolean {
    return this.#waiting.size === 0 && !this.#parts.entities.pausing;
  }

  /** Frames for sessions of this shard wait: it is about to leave, or about to come. */
  isPaused(shard: number): boolean {
    return this.#parts.entities.isPaused(shard) || (this.#waiting.size > 0 && this.#waiting.has(shard));
  }

  pause(shard: number): void {
    this.#parts.entities.pause(shard);
    this.#parts.later(PAUSE_MS_MAX, () => this.resume(shard));
  }

  /** The shard stays. */
  resume(shard: number): void {
    const { entities, crossing } = this.#parts;
    if (!entities.resume(shard)) return;
    crossing.links.resume(new Set(entities.usersOf(shard)));
  }

  /** These shards are led elsewhere: sessions of those that were paused leave as they are. */
  leave(shards: ReadonlySet<number>): void {
    const { entities, now } = this.#parts;
    const until = now() + this.#parts.crossing.options.handOverMs;
    for (const shard of shards) {
      const taken = entities.takeOut(shard, (conn, sid) => this.#placeOf(conn, sid));
      if (taken.length === 0) continue;
      const sessions = taken.map(({ blob, left }) => ({ blob, left: this.#leftOf(blob.user, left) }));
      this.#leaving.set(shard, { sessions, until });
    }
    this.tryLeaving();
  }

  /** Who leads may be known now. */
  tryLeaving(): void {
    const { routes, now, later, crossing } = this.#parts;
    for (const [shard, { sessions, until }] of this.#leaving) {
      const to = routes.farLeader(shard);
      if (to === undefined && now() < until) continue;
      this.#leaving.delete(shard);
      if (to === undefined) this.#abandon(sessions);
      else this.#handOver(shard, to, sessions);
    }
    if (this.#leaving.size > 0) later(crossing.options.parkPollMs, () => this.tryLeaving());
  }

  /** This node leads the shard: sessions that came for it go on. */
  arrive(shard: number): void {
    const sessions = this.#waiting.get(shard);
    if (sessions === undefined) return;
    this.#waiting.delete(shard);
    this.#count -= sessions.length;
    this.#adopt(sessions);
  }

  #placeOf(conn: ConnPort, sid: number): StreamPlace {
    const { crossing, nodeId } = this.#parts;
    if (conn instanceof SessionLink) {
      const { counts, waiting } = conn.handOver();
      crossing.links.departed(conn, waiting);
      return { node: conn.node, cid: conn.cid, sid, ...counts };
    }
    return { node: nodeId, cid: crossing.gateways.open(conn, ''), sid, sent: 0, got: 0, units: 0, took: 0 };
  }

  /** Messages that had come for a session: plain ones go along, for the others there is another way. */
  #leftOf(user: string, left: TakenOut['left']): HandedOver['left'] {
    const along: HandedOver['left'][number][] = [];
    for (const message of left) {
      switch (message.t) {
        case 'frame': {
          const { el, inner } = message.frame;
          along.push({ t: 'frame', sid: message.sid, text: element(el.name, el.attrs, inner) });
          break;
        }
        case 'peer':
        case 'live':
        case 'exists?':
        case 'answer':
        case 'again':
          along.push(message);
          break;
        case 'deliver':
          this.#parts.nack(message.source);
          break;
        case 'bind':
        case 'resume':
        case 'account':
          if (!this.#parts.crossing.served.has(message)) this.#parts.toSession(user, message);
      }
    }
    return along;
  }

  #handOver(shard: number, to: string, sessions: readonly HandedOver[]): void {
    const { crossing, nodeId } = this.#parts;
    this.moved += sessions.length;
    for (const chunk of chunks(sessions, crossing.options.deliveryUnitsMax))
      crossing.outgoing.send(to, { t: 'handOver', shard, sessions: chunk });
    for (const { node, cid } of places(sessions)) {
      if (node === nodeId) crossing.gateways.redirect(cid, to);
      else crossing.links.arrived(node, cid, to);
    }
  }

  #abandon(sessions: readonly HandedOver[]): void {
    const { crossing, nodeId } = this.#parts;
    // Gateways elsewhere hear of it when they ask.
    for (const { node, cid } of places(sessions)) if (node === nodeId) crossing.gateways.abandon(cid);
  }

  #onWire(wire: NodeWire, _from: string): boolean {
    const { crossing } = this.#parts;
    if (wire.t === 'handOver') this.#onHandOver(wire.shard, wire.sessions);
    else if (wire.t === 'relay') crossing.links.onUp(wire.node, wire.up);
    else return false;
    return true;
  }

  #onHandOver(shard: number, sessions: readonly HandedOver[]): void {
    const { crossing, routes, later } = this.#parts;
    if (this.#count + sessions.length > crossing.options.handedOverMax) return;
    for (const { blob } of sessions) {
      for (const { place } of blob.streams) {
        if (place === undefined) continue;
        const link = crossing.links.open(place.node, place.cid, blob.user, place);
        link.bound(place.sid);
        link.arrived();
      }
    }
    if (routes.leads(shard)) return this.#adopt(sessions);
    this.#waiting.set(shard, [...(this.#waiting.get(shard) ?? []), ...sessions]);
    this.#count += sessions.length;
    later(crossing.options.handOverMs, () => this.#expire(shard));
  }

  /** The shard was never led here. */
  #expire(shard: number): void {
    const sessions = this.#waiting.get(shard);
    if (sessions === undefined) return;
    this.#waiting.delete(shard);
    this.#count -= sessions.length;
    for (const { node, cid } of places(sessions))
      this.#parts.crossing.links.get(node, cid)?.lost('its session found no leader');
  }

  #adopt(sessions: readonly HandedOver[]): void {
    const { crossing, tell } = this.#parts;
    const { links } = crossing;
    const moved = new Map<string, number[]>();
    for (const { blob, left } of sessions) {
      const connOf = ({ node, cid }: StreamPlace): ConnPort => links.get(node, cid) ?? GONE;
      tell(blob.user, { t: 'adopt', blob, connOf });
      for (const message of left) {
        if (message.t !== 'frame') {
          tell(blob.user, message);
          continue;
        }
        const place = blob.streams.find(({ sid }) => sid === message.sid)?.place;
        if (place !== undefined) links.get(place.node, place.cid)?.take(message.text);
      }
    }
    for (const { node, cid } of places(sessions)) {
      const cids = moved.get(node);
      if (cids === undefined) moved.set(node, [cid]);
      else cids.push(cid);
    }
    for (const [node, cids] of moved) crossing.outgoing.send(node, { t: 'moved', cids });
    links.resume(new Set(sessions.map(({ blob }) => blob.user)));
  }
}

function* places(sessions: readonly HandedOver[]): Generator<StreamPlace> {
  for (const { blob } of sessions) for (const { place } of blob.streams) if (place !== undefined) yield place;
}

/** At least one session each, together about as large as `unitsMax`. */
function* chunks(sessions: readonly HandedOver[], unitsMax: number): Generator<HandedOver[]> {
  let chunk: HandedOver[] = [];
  let units = 0;
  for (const one of sessions) {
    const size = unitsOf(one);
    if (chunk.length > 0 && units + size > unitsMax) {
      yield chunk;
      chunk = [];
      units = 0;
    }
    chunk.push(one);
    units += size;
  }
  if (chunk.length > 0) yield chunk;
}

function unitsOf({ blob, left }: HandedOver): number {
  let units = 500;
  for (const { sm } of blob.streams) for (const [xml] of sm?.out ?? []) units += xml.length;
  for (const { send } of blob.pending) units += send.inner.length;
  for (const message of left) units += message.t === 'frame' ? message.text.length : 200;
  return units;
}

/** The link broke before its session came. */
const GONE: ConnPort = { queuedBytes: 0, closing: true, send: () => {}, close: () => {} };
