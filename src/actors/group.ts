import type { LogStore } from '../storage/log-store.ts';
import { AheadOrder, type SendAhead } from './ahead.ts';
import { type ChatEntity, historyOf, loadTail } from './chat.ts';
import { answerTo, committed, newChatLog } from './chat-log.ts';
import { type EntityRuntime, EntityShell } from './entity.ts';
import { isWriteDue } from './group-cursors.ts';
import { isPostDue } from './group-fan-out.ts';
import { GroupIndex } from './group-fulltext.ts';
import {
  type GroupEffect,
  type GroupLimits,
  type GroupLog,
  type GroupState,
  newGroup,
  noteRecent,
} from './group-state.ts';
import { groupStep, isAskDue } from './group-step.ts';
import { groupRows } from './keys.ts';
import type { ChatMessage, SessionMessage, Source } from './messages.ts';
import type { Turn } from './turn.ts';

/** Shell of a group: loads its rows, runs its effects. */
export interface GroupParts {
  readonly store: LogStore;
  readonly limits: GroupLimits;
  toSession(bareJid: string, message: SessionMessage): void;
  ackDelivery(source: Source): void;
  dispatch(shard: number, idx: number, turn: Turn<GroupEffect>): void;
  /** absent: messages leave after their commit */
  readonly sendAhead?: SendAhead | undefined;
}

export function spawnGroup(id: string, shard: number, parts: GroupParts, runtime: EntityRuntime): ChatEntity {
  return new GroupActor(id, shard, parts, runtime);
}

class GroupActor extends EntityShell<ChatMessage, GroupEffect> implements ChatEntity {
  readonly #core: GroupCore;
  readonly #runtime: EntityRuntime;

  constructor(id: string, shard: number, parts: GroupParts, runtime: EntityRuntime) {
    const core = new GroupCore(id, shard, parts, runtime);
    super('chat', shard, core, runtime);
    this.#core = core;
    this.#runtime = runtime;
  }

  get waiting(): boolean {
    return this.#core.isDue(this.#runtime.now());
  }
}

class GroupCore {
  readonly #id: string;
  readonly #shard: number;
  readonly #parts: GroupParts;
  readonly #log: GroupLog;
  readonly #index: GroupIndex;
  readonly #runtime: EntityRuntime;
  readonly #aheadOrder: AheadOrder<GroupEffect>;
  #group: GroupState;

  constructor(id: string, shard: number, parts: GroupParts, runtime: EntityRuntime) {
    this.#id = id;
    this.#shard = shard;
    this.#parts = parts;
    this.#runtime = runtime;
    this.#aheadOrder = new AheadOrder(parts.sendAhead);
    const history = historyOf(id, shard, parts.store);
    this.#index = new GroupIndex(id, shard, parts.store, parts.limits.searchWordsMax);
    this.#log = {
      fulltext: () => this.#index.reader(),
      read: (from, to, limit) => history.read({ from, to, limit }),
    };
    this.#group = this.#load();
  }

  /** There are occupants to be asked, members to be told, or requests that may have waited too long. */
  isDue(now: number): boolean {
    const { limits } = this.#parts;
    const group = this.#group;
    if (group.passed.size > 0 || isAskDue(group, now, limits)) return true;
    return isPostDue(group, now, limits) || isWriteDue(group, now, limits.receiptsMs);
  }

  step(message: ChatMessage, turn: Turn<GroupEffect>): void {
    groupStep(this.#group, message, turn, this.#parts.limits);
    this.#index.grow(this.#group.lastSeq, turn);
  }

  run(effect: GroupEffect): void {
    if (effect.t === 'ackDelivery') this.#parts.ackDelivery(effect.source);
    else if (effect.t === 'toSession') this.#parts.toSession(effect.to, effect.msg);
    else this.#parts.toSession(effect.to, effect.answer(this.#log));
  }

  committed(turn: Turn<GroupEffect>): void {
    committed(this.#group, turn);
    this.#index.committed(turn);
  }

  submitted(turn: Turn<GroupEffect>, idx: number): void {
    this.#aheadOrder.submitted(turn, this.#shard, idx);
  }

  settled(turn: Turn<GroupEffect>): void {
    this.#aheadOrder.settled(turn);
  }

  dispatch(turn: Turn<GroupEffect>, idx: number): void {
    this.#parts.dispatch(this.#shard, idx, turn);
  }

  /** What presence said is not kept on disk: of those still here it stays as it was. */
  reset(): void {
    const { order, occupants, askedAt, passed } = this.#group;
    order.opsRefused();
    this.#index.reset();
    const group = Object.assign(this.#load(), { order, askedAt, passed });
    for (const [jid, occupant] of group.occupants)
      group.occupants.set(jid, { ...occupant, inner: occupants.get(jid)?.inner ?? '' });
    this.#group = group;
  }

  abandon(batch: readonly ChatMessage[]): void {
    const outcome = { ok: false, condition: 'internal-server-error' } as const;
    for (const message of batch) {
      if (message.t !== 'send' || message.token === 0) continue;
      this.#parts.toSession(message.sender, answerTo(message, outcome));
    }
  }

  #load(): GroupState {
    const { store, limits } = this.#parts;
    const prefix = groupRows(this.#id);
    const rows = store.scan(this.#shard, prefix, 3 * limits.membersMax + limits.occupantsMax + 3);
    const { last, tail } = loadTail(this.#id, this.#shard, this.#parts, this.#runtime.now());
    const log = newChatLog(this.#id, last, tail, limits, historyOf(this.#id, this.#shard, store));
    const group = newGroup(
      log,
      rows.map(([key, value]) => [key.slice(prefix.length), value] as const),
    );
    for (const [i, record] of tail.entries()) noteRecent(group, last - tail.length + 1 + i, record);
    return group;
  }
}
