import type { LogStore } from '../storage/log-store.ts';
import type { Bus } from '../transport/bus.ts';
import { stanza } from '../xmpp/stanza.ts';
import { errorInner } from '../xmpp/stanza-error.ts';
import { type ListedRow, type Listing, listRows, pageOfRows } from './account-list.ts';
import { type ClusterParts, CROSSING_DEFAULTS, type CrossingOptions } from './crossing-options.ts';
import { type AskMessage, FarAsks } from './far-asks.ts';
import { GatewayLinks } from './gateway-links.ts';
import type { ChatMessage, SessionMessage, Source } from './messages.ts';
import type { Outbox } from './outbox.ts';
import { Outgoing } from './outgoing.ts';
import { Pages } from './pages.ts';
import { Parking } from './parking.ts';
import type { Routes } from './routes.ts';
import { ServedAsks } from './served-asks.ts';
import { SessionLinks } from './session-links.ts';
import {
  type FarDelivery,
  HOPS_MAX,
  isWire,
  type NackReason,
  type NodeAsk,
  type NodeWire,
  type ShardWire,
} from './wire.ts';

/** What crosses nodes: finds the leader of a shard, sends there, takes what comes for the shards led here. */
export interface CrossingParts {
  readonly nodeId: string;
  readonly bus: Bus;
  readonly store: LogStore;
  readonly routes: Routes;
  readonly cluster: ClusterParts;
  readonly outbox: Pick<Outbox, 'ack' | 'nack'>;
  shardOfChat(id: string): number;
  /** wherever it is */
  toSession(user: string, message: SessionMessage): void;
  readonly here: Here;
}

/** The entities of this node. */
export interface Here {
  /** false when its mailbox is full */
  session(user: string, message: SessionMessage): boolean;
  isActive(user: string): boolean;
  /** its shard is about to leave, or about to come */
  isPaused(user: string): boolean;
  chat(id: string, message: ChatMessage): boolean;
  /** by entity key; false when it was refused */
  deliver(delivery: FarDelivery): boolean;
}

export interface CrossingStats {
  readonly envelopes: number;
  readonly parked: number;
  readonly asks: number;
  readonly askTimeouts: number;
  readonly gatewayLinks: number;
  readonly sessionLinks: number;
  /** messages that were given up: nobody led their shard for too long */
  readonly lost: number;
  /** of another version, or of a kind that this node does not know */
  readonly unknown: number;
}

export class Crossing {
  readonly options: CrossingOptions;
  readonly outgoing: Outgoing;
  readonly gateways: GatewayLinks;
  readonly links: SessionLinks;
  readonly served: ServedAsks;
  readonly #parts: CrossingParts;
  readonly #parking: Parking<ShardWire>;
  readonly #asks: FarAsks;
  readonly #pages: Pages;
  /** `sender chat` of sends that are to go again soon */
  readonly #again = new Set<string>();
  #onNodeWire: (wire: NodeWire, from: string) => boolean = () => false;
  #lost = 0;
  #unknown = 0;

  constructor(parts: CrossingParts) {
    this.#parts = parts;
    const { cluster, routes, nodeId, bus, here } = parts;
    const { clock, random, onFault } = cluster;
    const options = { ...CROSSING_DEFAULTS, ...cluster.options };
    this.options = options;
    const now = (): number => clock.now();
    const later = (delayMs: number, run: () => void): void => void clock.setTimer(delayMs, run);
    const { deliveriesMax, deliveryUnitsMax } = options;
    this.outgoing = new Outgoing({
      bus,
      nodeId,
      deliveriesMax,
      deliveryUnitsMax,
      soon: cluster.soon ?? queueMicrotask,
    });
    const { outgoing } = this;
    const { tookUnits, tookMs, spreadMs, queuedAfterMs, gatewayLink, sessionLink } = options;
    const first = Math.floor(clock.now()) * 1024;
    const gatewayParts = { outgoing, link: gatewayLink, tookUnits, tookMs, spreadMs, now, later };
    this.gateways = new GatewayLinks({ ...gatewayParts, random: () => random.float() }, first);
    const tell = (user: string, message: SessionMessage): boolean => here.session(user, message);
    const isPaused = (user: string): boolean => here.isPaused(user);
    const linkParts = { outgoing, link: sessionLink, queuedAfterMs, movedMs: options.handOverMs };
    this.links = new SessionLinks({ ...linkParts, isPaused, now, tell, onFault });
    const askHere = (user: string, message: AskMessage): boolean => here.session(user, message);
    this.#asks = new FarAsks({ nodeId, routes, outgoing, gateways: this.gateways, options, cluster, askHere });
    this.served = new ServedAsks({
      links: this.links,
      askHere,
      answer: (node, id, answer) => outgoing.send(node, { t: 'answer', id, answer }),
    });
    this.#parking = new Parking<ShardWire>({
      ...options,
      pollMs: options.parkPollMs,
      now,
      later,
      open: (shard) => routes.leads(shard) || routes.farLeader(shard) !== undefined,
      leave: (_shard, wire) => this.#forward(wire, undefined),
      expired: (_shard, wire) => this.#giveBack(wire),
    });
    this.#pages = new Pages({
      store: parts.store,
      answerBytesMax: options.pageBytesMax,
      timeoutMs: options.askTimeoutMs,
      pauseMs: options.againMs,
      shardOfChat: (id) => parts.shardOfChat(id),
      leads: (shard) => routes.leads(shard) && cluster.mayRead(shard),
      farLeader: (shard) => routes.farLeader(shard),
      now,
      later,
      ask: (node, ask) => this.#asks.node(node, ask),
    });
    bus.receive((envelope, from) => this.#receive(envelope.message, from));
  }

  /** Messages of an archive page, wherever their chats are led. */
  fetch: Pages['fetch'] = (entries) => this.#pages.fetch(entries);

  /** Hears of what only some parts know. @param take answers false for what is not its own */
  onNodeWire(take: (wire: NodeWire, from: string) => boolean): void {
    this.#onNodeWire = take;
  }

  /** @throws (rejects) when a node does not answer, or a shard has no leader who could */
  async list(of: Listing, limit: number): Promise<ListedRow[]> {
    const { routes, store, nodeId } = this.#parts;
    const nodes = [nodeId, ...routes.farLeaders()];
    return listRows(of, nodes, routes.shards, limit, async (node, ask) =>
      node === nodeId ? pageOfRows(store, routes.led(), ask) : this.#asks.node(node, ask),
    );
  }

  /**
   * What comes in on a socket with a link goes by it, though the session may be here by now: what it sent before is
   * still on its way.
   * @returns true when it was taken
   */
  takesByLink(msg: SessionMessage): boolean {
    if (this.gateways.size === 0 || !(msg.t === 'frame' || msg.t === 'gone')) return false;
    if (msg.conn === undefined || !this.gateways.has(msg.conn)) return false;
    if (msg.t === 'frame') this.gateways.frame(msg.conn, msg.frame);
    else this.gateways.gone(msg.conn, msg.clean);
    return true;
  }

  /** To a session whose shard is not led here. */
  toSession(shard: number, user: string, msg: SessionMessage): void {
    switch (msg.t) {
      case 'peer':
      case 'live':
      case 'exists?':
      case 'answer':
      case 'again':
      case 'room':
      case 'said':
      case 'present?':
        return this.#send({ t: 'session', shard, hop: 0, origin: this.#parts.nodeId, to: user, msg });
      case 'bind':
      case 'resume':
      case 'account':
        return this.#asks.session(shard, user, msg);
      case 'frame':
        if (msg.conn !== undefined) this.gateways.frame(msg.conn, msg.frame);
        return;
      case 'gone':
        return this.gateways.gone(msg.conn, msg.clean);
      // Of a session that was here: who has it now has its own.
      case 'deliver':
      case 'sweep':
      case 'flush':
      case 'run':
      case 'pulled':
      case 'orphans':
      case 'adopt':
        return;
    }
  }

  /** To a chat whose shard is not led here. */
  toChat(shard: number, id: string, msg: ChatMessage): void {
    if (msg.t === 'sweep' || msg.t === 'deliver') return;
    this.#send({ t: 'chat', shard, hop: 0, origin: this.#parts.nodeId, to: id, msg });
  }

  /** An outbox item to an entity whose shard is not led here. */
  deliver(shard: number, delivery: FarDelivery): void {
    const leader = this.#parts.routes.farLeader(shard);
    if (leader === undefined) this.#parts.outbox.nack(delivery.source, 'notLeader');
    else this.outgoing.deliver(leader, shard, delivery);
  }

  /** To the leader of a source shard that is not led here; without one the source sends the item again anyway. */
  ack(source: Source): void {
    const leader = this.#parts.routes.farLeader(source.shard);
    if (leader !== undefined) this.outgoing.ack(leader, source);
  }

  nack(source: Source, why: NackReason): void {
    const leader = this.#parts.routes.farLeader(source.shard);
    if (leader !== undefined) this.outgoing.nack(leader, source, why);
  }

  /** Who leads what has changed: what waits may go. */
  released(): void {
    this.#parking.release();
  }

  sweep(): void {
    this.gateways.sweep();
    this.links.sweep();
  }

  nodeGone(node: string): void {
    this.#parts.routes.forget(node);
    this.#asks.nodeGone(node);
    this.links.nodeGone(node);
    this.gateways.nodeGone(node);
  }

  get stats(): CrossingStats {
    const { open, timeouts } = this.#asks.stats;
    return {
      envelopes: this.outgoing.envelopes,
      parked: this.#parking.size,
      asks: open,
      askTimeouts: timeouts,
      gatewayLinks: this.gateways.size,
      sessionLinks: this.links.size,
      lost: this.#lost,
      unknown: this.#unknown,
    };
  }

  #send(wire: ShardWire): void {
    const leader = this.#parts.routes.farLeader(wire.shard);
    if (leader === undefined || this.#parking.holds(wire.shard)) this.#parking.park(wire.shard, wire);
    else this.outgoing.send(leader, wire);
  }

  #receive(message: unknown, from: string): void {
    this.#asks.heard(from);
    if (!isWire(message)) {
      this.#unknown += 1;
      return;
    }
    const wire: ShardWire | NodeWire = message;
    switch (wire.t) {
      case 'session':
      case 'chat':
      case 'deliver':
      case 'ask':
        if (this.#parking.holds(wire.shard)) return this.#parking.park(wire.shard, wire);
        return this.#forward(wire, from);
      case 'ack':
        for (const source of wire.sources) this.#parts.outbox.ack(source);
        return;
      case 'nack':
        for (const source of wire.sources) this.#parts.outbox.nack(source, wire.why);
        return;
      case 'notLeader':
        this.#parts.routes.hint(wire.shard, wire.leader);
        if (wire.send !== undefined) this.#sendAgain(wire.send);
        return;
      case 'asked':
        return this.outgoing.send(from, { t: 'answer', id: wire.id, answer: this.#answerTo(wire.ask) });
      case 'answer':
        return this.#asks.onAnswer(wire.id, wire.answer);
      case 'up':
        return this.links.onUp(from, wire);
      case 'down':
        return this.gateways.onDown(from, wire);
      case 'links':
        return (wire.side === 'up' ? this.links : this.gateways).onReports(from, wire.ask, wire.states);
      case 'moved':
        return this.gateways.onMoved(from, wire.cids);
      default:
        if (!this.#onNodeWire(wire, from)) this.#unknown += 1;
    }
  }

  #answerTo(ask: NodeAsk): Parameters<FarAsks['onAnswer']>[1] {
    const { store, routes } = this.#parts;
    if (ask.t === 'fetch') return { t: 'fetch', found: this.#pages.serve(ask.chats) };
    return pageOfRows(store, routes.led(), ask);
  }

  /** Takes what is for this node's entities; sends the rest on to who leads, or gives it back. */
  #forward(wire: ShardWire, from: string | undefined): void {
    const { routes, nodeId } = this.#parts;
    const { shard, hop } = wire;
    if (routes.leads(shard)) return this.#take(wire);
    const leader = routes.farLeader(shard);
    if (leader === undefined && hop < HOPS_MAX) return this.#parking.park(shard, wire);
    if (leader === undefined || leader === from || hop >= HOPS_MAX) return this.#giveBack(wire);
    this.outgoing.send(leader, wire.origin === nodeId && from === undefined ? wire : { ...wire, hop: hop + 1 });
  }

  #take(wire: ShardWire): void {
    const { here } = this.#parts;
    switch (wire.t) {
      case 'session': {
        // What is only for live streams, or for who waits for it, need not wake anybody.
        const wakes =
          wire.msg.t === 'exists?' ||
          wire.msg.t === 'present?' ||
          (wire.msg.t === 'peer' && wire.msg.msg.t !== 'presence');
        if (wakes || here.isActive(wire.to)) here.session(wire.to, wire.msg);
        return;
      }
      case 'chat':
        here.chat(wire.to, wire.msg);
        return;
      case 'deliver':
        for (const item of wire.items) if (!here.deliver(item)) this.nack(item.source, 'full');
        return;
      case 'ask':
        return this.served.take(wire.origin, wire.id, wire.shard, wire.user, wire.ask);
    }
  }

  /** Nobody is known to lead the shard: who waits for something is told, so that it is tried again or fails. */
  #giveBack(wire: ShardWire): void {
    const { routes, nodeId } = this.#parts;
    const { shard, origin } = wire;
    const leader = routes.farLeader(shard);
    switch (wire.t) {
      case 'ask':
        return this.outgoing.send(origin, { t: 'answer', id: wire.id, answer: { t: 'notLeader', shard, leader } });
      case 'deliver':
        for (const { source } of wire.items) this.nack(source, 'notLeader');
        return;
      case 'chat': {
        const { msg } = wire;
        this.#lost += 1;
        const run = msg.t === 'send' ? msg.order?.run : undefined;
        if (origin === nodeId || msg.t !== 'send' || run === undefined) return;
        const send = { chat: wire.to, sender: msg.sender, run };
        return this.outgoing.send(origin, { t: 'notLeader', shard, leader, send });
      }
      case 'session':
        this.#lost += 1;
        this.#answerIq(wire);
        if (origin !== nodeId) this.outgoing.send(origin, { t: 'notLeader', shard, leader, send: undefined });
    }
  }

  /** RFC 6120 8.2.3: a request is always answered. */
  #answerIq({ msg }: Extract<ShardWire, { t: 'session' }>): void {
    if (msg.t !== 'peer' || msg.msg.t !== 'iq') return;
    const { from, to, id, type } = msg.msg;
    if (type !== 'get' && type !== 'set') return;
    const xml = stanza('iq', { from: to, to: from, id, type: 'error' }, errorInner('remote-server-timeout', {}));
    const answer = { t: 'iq', from: to, to: from, xml, id, type: 'error' } as const;
    const slash = from.indexOf('/');
    this.#parts.toSession(slash < 0 ? from : from.slice(0, slash), { t: 'peer', msg: answer });
  }

  /** A send met no leader: after a moment all unanswered ones to its chat go again. */
  #sendAgain({ chat, sender, run }: NonNullable<Extract<NodeWire, { t: 'notLeader' }>['send']>): void {
    const key = `${sender} ${chat}`;
    const { clock, random } = this.#parts.cluster;
    if (this.#again.has(key)) return;
    this.#again.add(key);
    clock.setTimer(this.options.againMs * (1 + random.float()), () => {
      this.#again.delete(key);
      if (this.#parts.here.isActive(sender)) this.#parts.here.session(sender, { t: 'again', chat, run });
    });
  }
}
