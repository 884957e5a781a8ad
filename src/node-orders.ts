import type { Clock, Timer } from './base/clock.ts';
import { lastOf } from './cluster/replica-log.ts';
import type { ReplicaState } from './cluster/replica-state.ts';
import type { Position, Refusal, ReplicaEvent } from './cluster/replica-types.ts';
import { type Member, sameMember } from './cluster/shard-config.ts';

/**
 * What an operator's node asks of another one, and the answers. Asked at most once: an answer that does not come leaves
 * open whether it was done, and the configuration tells.
 */
export type Order =
  | { readonly t: 'transfer'; readonly shard: number; readonly to: Member }
  | { readonly t: 'recoverUnclean'; readonly shard: number }
  /** what the node's copy of the shard holds */
  | { readonly t: 'copy'; readonly shard: number };

export type OrderAnswer =
  /** handed to the replica, which is at it */
  | { readonly t: 'taken' }
  | { readonly t: 'refused'; readonly reason: Refusal }
  | { readonly t: 'copy'; readonly last: Position; readonly commitIdx: number };

/** `from` and `to` are incarnations: the answer finds the life of the folder that asked. */
export type OrderMessage =
  | { readonly t: 'order'; readonly from: string; readonly to: string; readonly id: string; readonly order: Order }
  | { readonly t: 'ordered'; readonly to: string; readonly id: string; readonly answer: OrderAnswer };

/** No answer came: it may have been done. */
export class OrderUnansweredError extends Error {
  override readonly name = 'OrderUnansweredError';
}

export interface OrdersParts {
  readonly self: Member;
  readonly clock: Clock;
  newId(): string;
  send(to: Member, message: OrderMessage): void;
  /** does it here */
  carryOut(order: Order): OrderAnswer;
}

export interface OrdersOptions {
  /** ms to wait for an answer */
  readonly answerMs: number;
  /** orders that wait for an answer; one more is unanswered at once */
  readonly waitingMax: number;
}

export const ordersDefaults: OrdersOptions = { answerMs: 2_000, waitingMax: 64 };

interface Waiting {
  readonly resolve: (answer: OrderAnswer) => void;
  readonly timer: Timer;
}

/** Sends orders to other nodes, waits for their answers, and carries out those of others. */
export class Orders {
  readonly #parts: OrdersParts;
  readonly #options: OrdersOptions;
  readonly #waiting = new Map<string, Waiting>();

  constructor(parts: OrdersParts, options: OrdersOptions = ordersDefaults) {
    this.#parts = parts;
    this.#options = options;
  }

  /** @throws OrderUnansweredError */
  async ask(to: Member, order: Order): Promise<OrderAnswer> {
    const { self, clock, send, newId, carryOut } = this.#parts;
    if (sameMember(to, self)) return carryOut(order);
    const { answerMs, waitingMax } = this.#options;
    if (this.#waiting.size >= waitingMax) throw new OrderUnansweredError(`${waitingMax} orders wait for an answer`);
    const id = newId();
    return new Promise((resolve, reject) => {
      const timer = clock.setTimer(answerMs, () => {
        this.#waiting.delete(id);
        reject(new OrderUnansweredError(`${to.node} did not answer within ${answerMs} ms`));
      });
      this.#waiting.set(id, { resolve, timer });
      send(to, { t: 'order', from: self.inc, to: to.inc, id, order });
    });
  }

  /** Takes a message that is for this incarnation. @param from node id of the sender */
  receive(from: string, message: OrderMessage): void {
    if (message.t === 'order') {
      const answer = this.#parts.carryOut(message.order);
      this.#parts.send({ node: from, inc: message.from }, { t: 'ordered', to: message.from, id: message.id, answer });
      return;
    }
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    this.#waiting.delete(message.id);
    this.#parts.clock.clear(waiting.timer);
    waiting.resolve(message.answer);
  }
}

/** What carrying out an order takes of the node's replicas. */
export interface OrderedReplicas {
  replica(shard: number): ReplicaState | undefined;
  /** why the replica would refuse the order now (replica.ts) */
  refusal(shard: number, order: OrderedEvent | { readonly t: 'copy' }): Refusal | undefined;
  request(shard: number, event: OrderedEvent): void;
}

type OrderedEvent = Extract<ReplicaEvent, { t: 'transfer' | 'recoverUnclean' }>;

export function carryOut(order: Order, replicas: OrderedReplicas): OrderAnswer {
  const { shard } = order;
  const state = replicas.replica(shard);
  const reason = replicas.refusal(shard, order);
  if (state === undefined || reason !== undefined) return { t: 'refused', reason: reason ?? 'no-copy' };
  if (order.t === 'copy') {
    const { idx, epoch } = lastOf(state.log);
    return { t: 'copy', last: { idx, epoch }, commitIdx: state.commitIdx };
  }
  replicas.request(shard, order.t === 'transfer' ? { t: 'transfer', to: order.to } : { t: 'recoverUnclean' });
  return { t: 'taken' };
}
