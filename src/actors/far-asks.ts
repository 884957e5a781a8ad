import { Asks } from './asks.ts';
import type { ClusterParts, CrossingOptions } from './crossing-options.ts';
import type { GatewayLinks } from './gateway-links.ts';
import type { AccountAnswer, BindAnswer, GatewayMessage, ResumeAnswer } from './messages.ts';
import type { Outgoing } from './outgoing.ts';
import type { Routes } from './routes.ts';
import type { EntityAsk, FarAnswer, NodeAsk } from './wire.ts';

/** What a gateway or the accounts ask of a session. */
export type AskMessage = Extract<GatewayMessage, { t: 'bind' | 'resume' | 'account' }>;

export interface FarAsksParts {
  readonly nodeId: string;
  readonly routes: Routes;
  readonly outgoing: Outgoing;
  readonly gateways: GatewayLinks;
  readonly options: CrossingOptions;
  readonly cluster: Pick<ClusterParts, 'clock' | 'random'>;
  /** asks the session of this node; false when its mailbox is full */
  askHere(user: string, message: AskMessage): boolean;
}

/**
 * Questions to sessions that live elsewhere, and to nodes. Who leads is looked up anew each time a question is put; who
 * is asked and does not lead says so, and the question is put again, until its time is up.
 */
export class FarAsks {
  readonly #parts: FarAsksParts;
  readonly #asks: Asks<FarAnswer>;
  /** where open questions were put last: `id` → node, and whether any other could answer */
  readonly #putAt = new Map<number, { readonly node: string; readonly any: boolean }>();
  /** nodes reported gone and not heard since, and until when that counts: the directory may name them for a while yet */
  readonly #gone = new Map<string, number>();

  constructor(parts: FarAsksParts) {
    this.#parts = parts;
    const { clock } = parts.cluster;
    const { asksMax, askTimeoutMs, askRepeatMs } = parts.options;
    // Above what any earlier life of this node can have used: answers to its questions must not be taken for ours.
    this.#asks = new Asks(
      { asksMax, timeoutMs: askTimeoutMs, repeatMs: askRepeatMs, clock },
      Math.floor(clock.now()) * 1024,
    );
  }

  get stats(): { readonly open: number; readonly timeouts: number } {
    return { open: this.#asks.size, timeouts: this.#asks.timeouts };
  }

  /** Always answers `message.reply`, sooner or later. */
  session(shard: number, user: string, message: AskMessage): void {
    const { gateways } = this.#parts;
    const cid = message.t === 'account' ? 0 : gateways.open(message.conn, '');
    let put = 0;
    const asked = this.#asks.ask(
      (id) => {
        put = id;
        this.#put(id, shard, user, message, cid);
      },
      (answer) => {
        this.#putAt.delete(put);
        this.#done(message, cid, answer);
      },
      message.t === 'account' && message.ask.t === 'lookup',
    );
    if (asked === undefined) this.#done(message, cid, undefined);
  }

  node(node: string, ask: NodeAsk): Promise<FarAnswer | undefined> {
    return new Promise((resolve) => {
      let asked: number | undefined;
      const put = (id: number): void => {
        asked = id;
        this.#putAt.set(id, { node, any: false });
        this.#parts.outgoing.send(node, { t: 'asked', id, ask });
      };
      const done = (answer: FarAnswer | undefined): void => {
        if (asked !== undefined) this.#putAt.delete(asked);
        resolve(answer);
      };
      if (this.#asks.ask(put, done, true) === undefined) resolve(undefined);
    });
  }

  /** What was asked there is put again, to whom leads by then, or fails. What would be asked there waits. */
  nodeGone(node: string): void {
    const { cluster, options } = this.#parts;
    this.#gone.set(node, cluster.clock.monotonic() + options.goneMs);
    for (const [id, at] of [...this.#putAt]) {
      if (at.node !== node) continue;
      this.#putAt.delete(id);
      if (at.any) this.#later(id);
      else this.#asks.fail(id);
    }
  }

  /** It lives: something came from it. */
  heard(node: string): void {
    if (this.#gone.size > 0) this.#gone.delete(node);
  }

  #isGone(node: string): boolean {
    const until = this.#gone.get(node);
    if (until === undefined) return false;
    if (this.#parts.cluster.clock.monotonic() < until) return true;
    this.#gone.delete(node);
    return false;
  }

  onAnswer(id: number, answer: FarAnswer): void {
    if (answer.t !== 'notLeader') {
      this.#asks.answer(id, answer);
      return;
    }
    this.#parts.routes.hint(answer.shard, answer.leader);
    this.#later(id);
  }

  #later(id: number): void {
    const { options, cluster } = this.#parts;
    cluster.clock.setTimer(options.againMs * (1 + cluster.random.float()), () => this.#asks.retry(id));
  }

  #put(id: number, shard: number, user: string, message: AskMessage, cid: number): void {
    const { routes, outgoing, gateways, nodeId } = this.#parts;
    if (routes.leads(shard)) return this.#putHere(id, user, message, cid);
    const leader = routes.farLeader(shard);
    // A dead leader would take the question along, and no second `nodeGone` tells of it.
    if (leader === undefined || this.#isGone(leader)) return this.#later(id);
    gateways.redirect(cid, leader);
    // Whether a dead node has made the account nobody knows: that question is not put again.
    const any = message.t !== 'account' || message.ask.t !== 'create';
    this.#putAt.set(id, { node: leader, any });
    outgoing.send(leader, { t: 'ask', shard, hop: 0, origin: nodeId, id, user, ask: askOf(message, cid) });
  }

  /** The shard has come to this node meanwhile. */
  #putHere(id: number, user: string, message: AskMessage, cid: number): void {
    this.#parts.gateways.refused(cid, true);
    const answered = (answer: FarAnswer): void => void this.#asks.answer(id, answer);
    if (this.#parts.askHere(user, withReply(message, answered))) return;
    this.#later(id);
  }

  #done(message: AskMessage, cid: number, answer: FarAnswer | undefined): void {
    const { gateways } = this.#parts;
    switch (message.t) {
      case 'account':
        if (answer?.t === 'account') return message.reply(answer.answer);
        return message.reply({ t: 'failed', condition: 'remote-server-timeout' });
      case 'bind': {
        const outcome = answer?.t === 'bind' ? answer.answer : undefined;
        if (outcome?.ok !== true) gateways.refused(cid, outcome !== undefined);
        return message.reply(outcome ?? { ok: false, condition: 'remote-server-timeout' });
      }
      case 'resume': {
        const outcome = answer?.t === 'resume' ? answer.answer : undefined;
        if (outcome?.ok !== true) gateways.refused(cid, outcome !== undefined);
        // To say that the stream is unknown would make the client give it up: it is to come again.
        if (outcome === undefined) message.conn.close({ t: 'detached', why: 'the session did not answer' });
        return message.reply(outcome ?? { ok: false, h: undefined });
      }
    }
  }
}

function askOf(message: AskMessage, cid: number): EntityAsk {
  switch (message.t) {
    case 'bind':
      return { t: 'bind', cid, resource: message.resource };
    case 'resume':
      return { t: 'resume', cid, smId: message.smId, h: message.h };
    case 'account':
      return { t: 'account', ask: message.ask };
  }
}

/** The same question, with its answer going elsewhere. */
export function withReply(message: AskMessage, to: (answer: FarAnswer) => void): AskMessage {
  switch (message.t) {
    case 'bind':
      return { ...message, reply: (answer: BindAnswer) => to({ t: 'bind', answer }) };
    case 'resume':
      return { ...message, reply: (answer: ResumeAnswer) => to({ t: 'resume', answer }) };
    case 'account':
      return { ...message, reply: (answer: AccountAnswer) => to({ t: 'account', answer }) };
  }
}
