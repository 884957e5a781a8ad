import type { DeliveryRules } from '../../src/actors/delivery-rules.ts';
import { type Random, seededRandom } from '../../src/base/random.ts';
import type { ReplicaEffect, ReplicaEvent } from '../../src/cluster/replica-types.ts';
import { ALL_RULES, type Rules } from '../../src/cluster/rules.ts';
import { type Member, memberName } from '../../src/cluster/shard-config.ts';
import type { App } from './cluster-app.ts';
import type { Fact } from './cluster-facts.ts';
import { Host } from './cluster-host.ts';
import { Network } from './cluster-network.ts';
import type { Process } from './cluster-process.ts';
import type { Profile } from './cluster-profile.ts';
import { Queue } from './cluster-queue.ts';
import { Store } from './cluster-store.ts';
import { Whole } from './whole-world.ts';

/** One property. It reads the facts as they happen, and says in words what is wrong. */
export interface Check {
  readonly name: string;
  /** the facts that it wants to see */
  readonly reads: readonly Fact['t'][];
  /** for a run: what is called for these facts, and at the end */
  begin(world: World): CheckRun;
}
export interface CheckRun {
  onFact?(fact: Fact): string | undefined;
  atEnd?(): string | undefined;
}

interface Running {
  readonly name: string;
  readonly run: CheckRun;
}

export interface Failure {
  readonly check: string;
  readonly detail: string;
  readonly atMs: number;
}

export interface WorldOptions {
  readonly rules?: Rules;
  readonly delivery?: DeliveryRules;
  readonly checks: readonly Check[];
  /** gets a line for everything that happens */
  readonly trace?: (line: string) => void;
}

/** Ms between heartbeat rounds; ticks come with them. */
const BEAT_MS = 12;

/** A cluster on one seeded queue: machines, the network between them, the configuration store, and who watches. */
export class World {
  readonly profile: Profile;
  readonly rules: Rules;
  readonly queue = new Queue();
  readonly random: Random;
  readonly network: Network;
  readonly store: Store;
  readonly nodes: Host[];
  readonly names: ReadonlyMap<string, number>;
  readonly tracing: boolean;
  /** people, chats and devices on these replicas; undefined in a run of replicas alone */
  readonly whole: Whole | undefined;
  readonly #trace: ((line: string) => void) | undefined;
  readonly #checks: readonly Running[];
  readonly #readers = new Map<Fact['t'], Running[]>();
  /** faults are over */
  healed = false;
  /** clients have stopped */
  quiet = false;
  /** by shard: the newest write that a client knows to be safe */
  readonly lastAcked: number[] = [];
  failure: Failure | undefined;
  facts = 0;
  ops = 0;

  constructor(profile: Profile, { rules = ALL_RULES, delivery, checks, trace }: WorldOptions) {
    this.profile = profile;
    this.rules = rules;
    this.#trace = trace;
    this.tracing = trace !== undefined;
    this.random = seededRandom(profile.seed ^ 0x5bd1e995);
    this.names = new Map(Array.from({ length: profile.nodes }, (_, i) => [`n${i}`, i]));
    this.network = new Network(this);
    this.store = new Store(this);
    this.whole = profile.whole && new Whole(this, profile.whole, delivery);
    this.nodes = Array.from({ length: profile.nodes }, (_, i) => new Host(this, i));
    this.#checks = checks.map((check) => {
      const running = { name: check.name, run: check.begin(this) };
      for (const of of check.reads) this.#readers.set(of, [...(this.#readers.get(of) ?? []), running]);
      return running;
    });
    for (const host of this.nodes.slice(0, this.#first)) host.boot();
    for (let shard = 0; shard < profile.shards; shard++) this.#create(shard);
    this.#beat();
  }

  get failed(): boolean {
    return this.failure !== undefined;
  }

  /** nodes that are there at the beginning */
  get #first(): number {
    return this.profile.nodes - (this.profile.whole?.late ?? 0);
  }

  appOf(process: Process, host: Host): App | undefined {
    return this.whole?.appOf(process, host);
  }

  #create(shard: number): void {
    const { options } = this.profile;
    const nodes = this.#first;
    const replicas = Array.from({ length: Math.min(options.copies, nodes) }, (_, i) =>
      this.memberAt((shard + i) % nodes),
    );
    this.store.create({ v: 1, shard, epoch: 0, leader: undefined, isr: replicas, replicas, nonce: `first.${shard}` });
  }

  /** A node by number as a member, with the incarnation its disk has now. */
  memberAt(node: number): Member {
    const { name, inc } = this.nodes[node % this.nodes.length] as Host;
    return { node: name, inc };
  }

  hostOf({ node }: Member): Host {
    return this.nodes[this.names.get(node) ?? 0] as Host;
  }

  isGone(member: Member): boolean {
    return this.hostOf(member).inc !== member.inc;
  }

  #beat(): void {
    this.queue.after(BEAT_MS, () => {
      for (const from of this.nodes) if (from.runs) this.#beatOf(from);
      for (const host of this.nodes) if (host.runs) host.process?.beat();
      this.#beat();
    });
  }

  /** One node's heartbeat, to all at once: who hears it answers, and both ways may fail. */
  #beatOf(from: Host): void {
    const { network, random, profile } = this;
    const loss = this.healed ? 0 : profile.loss;
    const sentAt = from.clock();
    for (const to of this.nodes) {
      if (!network.reaches(from.index, to.index) || !to.runs || (loss > 0 && random.float() < loss)) continue;
      to.process?.peers.heard(from.index, from.inc);
      if (network.reaches(to.index, from.index) && !(loss > 0 && random.float() < loss))
        from.process?.peers.answered(to.index, to.inc, sentAt);
    }
  }

  note(fact: Fact): void {
    this.facts += 1;
    if (this.failed) return;
    if (fact.t === 'acked') this.lastAcked[fact.shard] = Math.max(this.lastAcked[fact.shard] ?? 0, fact.op);
    if (this.tracing && TRACED.has(fact.t)) this.say(describeFact(fact));
    const readers = this.#readers.get(fact.t);
    if (readers === undefined) return;
    for (const { name, run } of readers) {
      const detail = run.onFact?.(fact);
      if (detail !== undefined) return this.fail(name, detail);
    }
  }

  fail(check: string, detail: string): void {
    this.failure ??= { check, detail, atMs: this.queue.now };
    if (this.tracing) this.say(`!! ${check}: ${detail}`);
  }

  /** Runs until a moment, or until a check fails. */
  runUntil(ms: number): void {
    while (!this.failed && this.queue.next(ms));
  }

  end(): void {
    for (const { name, run } of this.#checks) {
      const detail = this.failed ? undefined : run.atEnd?.();
      if (detail !== undefined) this.fail(name, detail);
    }
  }

  say(line: string): void {
    this.#trace?.(`${this.queue.now.toFixed(1).padStart(8)}  ${line}`);
  }

  trace(node: string, shard: number, event: ReplicaEvent, effects: readonly ReplicaEffect[]): void {
    if (event.t === 'tick' && effects.length === 0) return;
    this.say(`${node} s${shard} < ${brief(event)}`);
    for (const effect of effects) this.say(`${node} s${shard}   > ${brief(effect)}`);
  }
}

const TRACED: ReadonlySet<Fact['t']> = new Set([
  'config',
  'acked',
  'boot',
  'numbered',
  'inboxed',
  'told',
  'shown',
  'affiliated',
  'cursored',
  'heard',
]);

function describeFact(fact: Fact): string {
  return fact.t === 'boot' ? `n${fact.node} boots` : `== ${brief(fact)}`;
}

/** An event, effect or fact on one line: entries as idx@epoch, members as node/inc. */
export function brief(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  if (value instanceof Uint8Array) return `${value.length}B`;
  if (Array.isArray(value)) return `[${value.map(brief).join(' ')}]`;
  const one = value as Record<string, unknown>;
  if ('node' in one && 'inc' in one) return memberName(value as Member);
  if ('idx' in one && 'bytes' in one) return `${one['idx']}@${one['epoch']}`;
  return Object.entries(one)
    .filter(([, of]) => of !== undefined)
    .map(([name, of]) =>
      name === 't' ? String(of) : typeof of === 'object' ? `${name}:(${brief(of)})` : `${name}=${of}`,
    )
    .join(' ');
}
