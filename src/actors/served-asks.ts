import type { AskMessage } from './far-asks.ts';
import type { AccountAnswer } from './messages.ts';
import type { SessionLinks } from './session-links.ts';
import type { EntityAsk, FarAnswer } from './wire.ts';

/**
 * Questions of other nodes to sessions of this one. Each is answered once: by the session, or, when this node loses the
 * shard before that, with `notLeader`, so that the asker turns to the next leader.
 *
 * Bound: the mailboxes of the sessions.
 */
export interface ServedAsksParts {
  readonly links: SessionLinks;
  /** false when the mailbox of the session is full */
  askHere(user: string, message: AskMessage): boolean;
  answer(node: string, id: number, answer: FarAnswer): void;
}

interface Served {
  readonly shard: number;
  readonly lose: () => void;
}

export class ServedAsks {
  readonly #parts: ServedAsksParts;
  readonly #open = new Set<Served>();
  readonly #messages = new WeakSet<object>();

  constructor(parts: ServedAsksParts) {
    this.#parts = parts;
  }

  take(node: string, id: number, shard: number, user: string, ask: EntityAsk): void {
    const link = ask.t === 'account' ? undefined : this.#parts.links.open(node, ask.cid, user);
    const served: Served = {
      shard,
      lose: () => {
        link?.refused();
        this.#parts.answer(node, id, lostAnswer(ask, shard));
      },
    };
    const reply = (answer: FarAnswer): void => {
      if (!this.#open.delete(served)) return;
      if (link !== undefined && (answer.t === 'bind' || answer.t === 'resume')) {
        if (answer.answer.ok) link.bound(answer.answer.sid);
        else link.refused();
      }
      this.#parts.answer(node, id, answer);
    };
    this.#open.add(served);
    const message = messageOf(ask, link, reply);
    this.#messages.add(message);
    if (this.#parts.askHere(user, message)) return;
    reply(refusalOf(ask));
  }

  /**
   * The message is such a question. One that its session had not seen when the shard left must not be sent on: the asker
   * hears `notLeader` and puts it again, and a client's socket would be bound or resumed twice.
   */
  has(message: object): boolean {
    return this.#messages.has(message);
  }

  /** These shards are led elsewhere. */
  lose(shards: ReadonlySet<number>): void {
    for (const served of [...this.#open]) {
      if (!shards.has(served.shard)) continue;
      this.#open.delete(served);
      served.lose();
    }
  }
}

function messageOf(
  ask: EntityAsk,
  link: ReturnType<SessionLinks['open']> | undefined,
  to: (answer: FarAnswer) => void,
): AskMessage {
  if (ask.t === 'account') return { ...ask, reply: (answer: AccountAnswer) => to({ t: 'account', answer }) };
  const conn = link as ReturnType<SessionLinks['open']>;
  if (ask.t === 'bind')
    return { t: 'bind', conn, resource: ask.resource, reply: (answer) => to({ t: 'bind', answer }) };
  return { t: 'resume', conn, smId: ask.smId, h: ask.h, reply: (answer) => to({ t: 'resume', answer }) };
}

/** Whether an account was made nobody here knows any more, and asking again would find one: that is not retried. */
function lostAnswer(ask: EntityAsk, shard: number): FarAnswer {
  if (ask.t === 'account' && ask.ask.t === 'create') return refusalOf(ask);
  return { t: 'notLeader', shard, leader: undefined };
}

/** The session has no room: temporary. */
function refusalOf(ask: EntityAsk): FarAnswer {
  switch (ask.t) {
    case 'bind':
      return { t: 'bind', answer: { ok: false, condition: 'resource-constraint' } };
    case 'resume':
      return { t: 'resume', answer: { ok: false, h: undefined } };
    case 'account':
      return { t: 'account', answer: { t: 'failed', condition: 'resource-constraint' } };
  }
}
