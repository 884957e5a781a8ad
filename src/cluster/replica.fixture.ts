import { openReplica, type ReplicaState, step } from './replica.ts';
import {
  type CasOutcome,
  type Entry,
  type HardState,
  REPLICA_DEFAULTS,
  type RecoveredReplica,
  type ReplicaEffect,
  type ReplicaEnv,
  type ReplicaEvent,
  type ReplicaMessage,
  type ReplicaOptions,
} from './replica-types.ts';
import { ALL_RULES } from './rules.ts';
import { type ConfigAt, type Member, memberName, type ShardConfig } from './shard-config.ts';

/** Members and logs in short: `m('n1')` is n1/a; `entries('1 1 2')` are three entries with these epochs. */
export const m = (node: string, inc = 'a'): Member => ({ node, inc });

export function entries(epochs: string, after = 0): Entry[] {
  const list = epochs.split(' ').filter((text) => text !== '');
  return list.map((epoch, i) => ({ idx: after + i + 1, epoch: Number(epoch), bytes: new Uint8Array([i + 1]) }));
}

export function hard(epoch: number, leader: Member, session = 1, revision = 1): HardState {
  return { epoch, leader, session, revision };
}

export function record(change: Partial<ShardConfig>): ShardConfig {
  const replicas = [m('n1'), m('n2'), m('n3')];
  return { v: 1, shard: 0, epoch: 0, leader: undefined, isr: replicas, replicas, nonce: 'first', ...change };
}

/** An environment whose time and peers a test sets. */
export interface TestEnv extends ReplicaEnv {
  now: number;
  options: ReplicaOptions;
  readonly suspects: Set<string>;
  lease: number;
}

export function testEnv(self: Member, options: Partial<ReplicaOptions> = {}): TestEnv {
  const suspects = new Set<string>();
  const env: TestEnv = {
    now: 1_000,
    options: { ...REPLICA_DEFAULTS, staggerMs: 0, spreadMs: 0, ...options },
    rules: ALL_RULES,
    self,
    boot: 'b1',
    suspects,
    lease: Number.POSITIVE_INFINITY,
    peers: { isSuspect: (member) => suspects.has(memberName(member)), leaseUntil: () => env.lease },
  };
  return env;
}

interface Copy {
  state: ReplicaState;
  readonly env: TestEnv;
  /** every effect since the last `take` */
  effects: ReplicaEffect[];
  up: boolean;
}

/**
 * Three replicas, a store and a network without faults, on which nothing happens by itself: `settle` lets writes,
 * messages and compare-and-sets through until all is quiet.
 */
export class Rig {
  readonly copies = new Map<string, Copy>();
  readonly sent: { readonly from: Member; readonly to: Member; readonly message: ReplicaMessage }[] = [];
  config: ConfigAt;
  /** keeps disks from finishing, by node */
  readonly stuckDisks = new Set<string>();
  readonly cutOff = new Set<string>();
  storeAnswers = true;
  /** targets finish what they load */
  installs = true;
  #queue: (() => void)[] = [];

  constructor(first: ShardConfig, options: Partial<ReplicaOptions> = {}) {
    this.config = { record: first, revision: 1 };
    for (const member of first.replicas) this.add(member, options);
  }

  add(member: Member, options: Partial<ReplicaOptions> = {}, recovered?: RecoveredReplica): Copy {
    const copy: Copy = { state: openReplica(0, recovered), env: testEnv(member, options), effects: [], up: true };
    this.copies.set(member.node, copy);
    return copy;
  }

  of(node: string): Copy {
    return this.copies.get(node) as Copy;
  }

  /** Shows the newest record to everybody, in the order of the nodes. */
  tellAll(): this {
    for (const node of this.copies.keys()) this.event(node, { t: 'config', at: this.config });
    return this;
  }

  event(node: string, event: ReplicaEvent): readonly ReplicaEffect[] {
    const copy = this.of(node);
    const effects = copy.up ? step(copy.state, event, copy.env) : [];
    copy.effects.push(...effects);
    for (const effect of effects) this.#carryOut(node, copy, effect);
    return effects;
  }

  /** Effects of one kind since the last time they were asked for. */
  take<T extends ReplicaEffect['t']>(node: string, t: T): Extract<ReplicaEffect, { t: T }>[] {
    const copy = this.of(node);
    const of = copy.effects.filter((effect) => effect.t === t);
    copy.effects = copy.effects.filter((effect) => effect.t !== t);
    return of as Extract<ReplicaEffect, { t: T }>[];
  }

  settle(): this {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) next();
    return this;
  }

  /** Time passes, in steps, and all replicas are told. */
  pass(ms: number, stepMs = 50): this {
    for (let passed = 0; passed < ms; passed += stepMs) {
      for (const [node, { env }] of this.copies) {
        env.now += stepMs;
        this.event(node, { t: 'tick' });
      }
      this.settle();
    }
    return this;
  }

  suspect(member: Member, yes = true): this {
    for (const [node, { env }] of this.copies) {
      if (yes) env.suspects.add(memberName(member));
      else env.suspects.delete(memberName(member));
      this.event(node, { t: 'peers' });
    }
    return this.settle();
  }

  /** All at once. */
  down(...nodes: string[]): this {
    for (const node of nodes) this.of(node).up = false;
    for (const node of nodes) this.suspect(this.of(node).env.self);
    return this;
  }

  #carryOut(node: string, copy: Copy, effect: ReplicaEffect): void {
    const later = (run: () => void): void => void this.#queue.push(run);
    const from = copy.env.self;
    if ('write' in effect) {
      const { write } = effect;
      later(() => {
        if (!this.stuckDisks.has(node)) this.event(node, { t: 'written', upTo: write });
      });
    } else if (effect.t === 'send') {
      const { to, message } = effect;
      this.sent.push({ from, to, message });
      later(() => {
        const target = this.copies.get(to.node);
        if (target?.env.self.inc === to.inc && !this.cutOff.has(node) && !this.cutOff.has(to.node))
          this.event(to.node, { t: 'message', from, message });
      });
    } else if (effect.t === 'cas') later(() => this.#compareAndSet(node, effect.expected, effect.record));
    else if (effect.t === 'snapshot') later(() => this.#snapshot(node, effect.to, effect.session));
  }

  #compareAndSet(node: string, expected: number, next: ShardConfig): void {
    const won = this.storeAnswers && this.config.revision === expected;
    if (won) this.config = { record: next, revision: expected + 1 };
    const refused: CasOutcome = this.storeAnswers ? { t: 'conflict', current: this.config } : { t: 'unknown' };
    const outcome: CasOutcome = won ? { t: 'ok', revision: this.config.revision } : refused;
    this.event(node, { t: 'casResult', nonce: next.nonce, outcome });
    if (won) this.tellAll();
  }

  #snapshot(node: string, to: Member, session: number): void {
    const { state } = this.of(node);
    const { epoch } = state.hard;
    const all = [state.log.base, ...state.log.entries];
    const at = all.find(({ idx }) => idx === state.commitIdx) ?? state.log.base;
    if (this.installs) this.event(to.node, { t: 'installed', epoch, session, at: { idx: at.idx, epoch: at.epoch } });
    this.event(node, { t: 'snapshotSent', to, session, idx: at.idx });
  }
}

export const op = (text: string): Uint8Array => new TextEncoder().encode(text);

/** n1 leads, n2 and n3 follow, all in sync, with nothing in the log but the no-op. */
export function led(): Rig {
  const rig = new Rig(record({})).tellAll().settle();
  for (const node of ['n1', 'n2', 'n3']) rig.of(node).effects = [];
  return rig;
}

export const isr = (rig: Rig): string[] => rig.config.record.isr.map(({ node }) => node);

/** Commit indexes in the order of the nodes. */
export const commits = (rig: Rig): number[] => [...rig.copies.values()].map(({ state }) => state.commitIdx);

export const roles = (rig: Rig): string[] => [...rig.copies.values()].map(({ state }) => state.role.t);
