import type { StanzaCondition } from '../xmpp/module.ts';
import { ALL_DELIVERY_RULES, type DeliveryRules } from './delivery-rules.ts';
import { isForNow, type Send, type SendOutcome } from './messages.ts';

/**
 * The order of each sender's sends to one chat. A send that was lost on its way comes again, and those behind it must
 * not be taken before it: each names the one before it that was unanswered when it left (`prev`), and is taken only
 * when the chat has decided that one.
 *
 *     5 (prev 0) lost · 6 (prev 5) → gap, asks for all again · 5 (prev 0) → next · 6 (prev 5) → next · 5 → had
 *
 * Volatile: a chat that moved or slept knows nobody, asks, and gets all unanswered ones from the first on (prev 0).
 *
 * A sender's session may for a while be active twice, on the node that lost its shard and does not know, and on the one
 * that has it. Once the later one (by its shard's epoch, `era`) has sent something, the other's sends are not taken any
 * more: they would come behind what the user has sent since. Until then each activation (`run`) has an order of its own.
 * A chat that knows nothing of the sender goes by what its node knows of the sender's shard (`late`): what the later
 * session has sent may have been decided before the chat moved. One that went on elsewhere sends again what is unanswered.
 *
 * On a node that is alone nothing is lost on the way, so the one before was refused, by a full mailbox or a full disk:
 * this one is refused as well (`broken`), and so is whatever was sent before the session heard of it.
 *
 * Bound: `RUNS_MAX` activations of a sender, of each the last `REFUSED_MAX` refusals; senders are members of the chat.
 */
export type OrderVerdict = 'next' | 'had' | 'gap' | 'gap-told' | 'stale' | 'broken';

interface Run {
  readonly run: string | undefined;
  /** token of the last send decided */
  last: number;
  /** a gap was told and nothing has been taken since */
  told: boolean;
  /** the last send decided was refused for now: what was sent behind it, not knowing, is refused as well */
  broken: StanzaCondition | undefined;
  /** by token, the oldest first; made when first needed */
  refused: Map<number, SendOutcome> | undefined;
}

/** One that is forgotten while it still sends is asked for its unanswered sends, as after a move. */
const RUNS_MAX = 3;
const REFUSED_MAX = 64;

export class SenderOrder {
  /** by sender, the latest to come first */
  readonly #senders = new Map<string, Run[]>();
  /** by sender, the highest that a send was taken of */
  readonly #eras = new Map<string, number>();
  readonly #rules: DeliveryRules;

  constructor(rules: DeliveryRules = ALL_DELIVERY_RULES) {
    this.#rules = rules;
  }

  /** Decides about a send in its turn. `next` is to be decided by the caller, now. */
  take({ sender, token, order, late }: Send): OrderVerdict {
    if (order === undefined) return 'next';
    const { sendsChained, refusalsChained, latestSessionSends } = this.#rules;
    if (latestSessionSends && order.era < (this.#eras.get(sender) ?? 0)) return 'stale';
    if (latestSessionSends && late === true && !this.#senders.has(sender)) return 'stale';
    const known = this.#runOf(sender, order.run);
    const alone = order.run === undefined;
    if (token <= known.last && !alone) return 'had';
    const behindUnknown = order.prev > known.last;
    if (alone && behindUnknown && refusalsChained) return 'broken';
    if (!alone && behindUnknown && sendsChained) {
      const { told } = known;
      known.told = true;
      return told ? 'gap-told' : 'gap';
    }
    if (order.prev !== known.last || !refusalsChained) known.broken = undefined;
    known.last = token;
    known.told = false;
    this.#eras.set(sender, order.era);
    return 'next';
  }

  /** Ops of the chat were refused by the log, and with them sends that had been taken: which ones is not known here. */
  opsRefused(): void {
    if (!this.#rules.refusalsChained) return;
    for (const runs of this.#senders.values()) for (const known of runs) known.broken = 'resource-constraint';
  }

  /** How the send before this one, just taken, was refused for now; undefined when it was not. */
  brokenBy({ sender, order }: Send): StanzaCondition | undefined {
    return order === undefined ? undefined : this.#runOf(sender, order.run).broken;
  }

  /** Remembers how a send was refused: its retry gets the same answer. */
  refuse({ sender, token, order }: Send, outcome: SendOutcome): void {
    if (order === undefined) return;
    const known = this.#runOf(sender, order.run);
    if (token === known.last && !outcome.ok && isForNow(outcome.condition)) known.broken = outcome.condition;
    known.refused ??= new Map();
    known.refused.set(token, outcome);
    if (known.refused.size <= REFUSED_MAX) return;
    for (const oldest of known.refused.keys()) {
      known.refused.delete(oldest);
      return;
    }
  }

  refusal({ sender, token, order }: Send): SendOutcome | undefined {
    return order === undefined ? undefined : this.#runOf(sender, order.run).refused?.get(token);
  }

  #runOf(sender: string, run: string | undefined): Run {
    let runs = this.#senders.get(sender);
    if (runs === undefined) {
      runs = [];
      this.#senders.set(sender, runs);
    }
    let known = runs.find((one) => one.run === run);
    if (known === undefined) {
      known = { run, last: 0, told: false, broken: undefined, refused: undefined };
      runs.unshift(known);
      if (runs.length > RUNS_MAX) runs.pop();
    }
    return known;
  }
}
