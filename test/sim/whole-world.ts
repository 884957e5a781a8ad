import { ALL_DELIVERY_RULES, type DeliveryRules } from '../../src/actors/delivery-rules.ts';
import { accountIndexRow, chatKey, chatRow, directChatId, sessionKey, userRows } from '../../src/actors/keys.ts';
import type { SessionMessage } from '../../src/actors/messages.ts';
import { shardOf } from '../../src/base/hash.ts';
import type { NodeRecord, NodeState } from '../../src/cluster/membership.ts';
import type { OpBody, PlainWrite } from '../../src/storage/log-store.ts';
import { ACCOUNT_KEY } from '../../src/xmpp/account.ts';
import type { App } from './cluster-app.ts';
import type { Host } from './cluster-host.ts';
import type { Process } from './cluster-process.ts';
import type { World } from './cluster-world.ts';
import { Client, type SentMessage } from './core-client.ts';
import { DOMAIN } from './core-world.ts';
import { factsOf } from './whole-facts.ts';
import { Ledger } from './whole-ledger.ts';
import { WholeNode } from './whole-node.ts';
import type { WholeProfile } from './whole-profile.ts';
import { WALL_MS } from './whole-runtime.ts';

/** A group chat and its members; it is there from the beginning. */
export interface Group {
  readonly id: string;
  readonly members: readonly string[];
}

/** What a run has above the replicas of a World: the people, what was written, and what the planner reads. */
export class Whole {
  readonly world: World;
  readonly profile: WholeProfile;
  readonly rules: DeliveryRules;
  readonly users: readonly string[];
  readonly groups: readonly Group[];
  readonly clients: Client[] = [];
  readonly ledger = new Ledger();
  /** of the nodes that have announced themselves, by number */
  readonly records: (NodeRecord | undefined)[] = [];
  readonly planMs = 50;
  /** promises may have something to do */
  yields = false;
  moves = 0;
  /** ops by number */
  readonly #bodies: (OpBody | undefined)[] = [undefined];
  /** by shard: up to where the log is known to be committed */
  readonly #committed: number[] = [];

  constructor(world: World, profile: WholeProfile, rules: DeliveryRules = ALL_DELIVERY_RULES) {
    this.world = world;
    this.profile = profile;
    this.rules = rules;
    this.users = Array.from({ length: profile.users }, (_, i) => `u${i}@${DOMAIN}`);
    this.groups = profile.groups.map((size, i) => ({ id: `g${i}@${DOMAIN}`, members: this.users.slice(0, size) }));
  }

  appOf(process: Process, host: Host): App {
    return new WholeNode(this.world, this, process, host);
  }

  // --- the log -----------------------------------------------------------------------------------------------------

  /** @returns the number that stands for an op in the logs */
  number(body: OpBody): number {
    this.world.ops += 1;
    this.#bodies[this.world.ops] = body;
    return this.world.ops;
  }

  bodyOf(op: number): OpBody | undefined {
    return this.#bodies[op];
  }

  /** A process applies an entry. What it says is told once, when the first one does. */
  committed(shard: number, idx: number, body: OpBody | undefined): void {
    if (idx <= (this.#committed[shard] ?? 0)) return;
    this.#committed[shard] = idx;
    if (body === undefined) return;
    // First all of it is written down: what one op does is there at once.
    const facts = [...factsOf(shard, idx, body)];
    for (const fact of facts) this.ledger.take(fact);
    for (const fact of facts) this.world.note(fact);
  }

  // --- people ------------------------------------------------------------------------------------------------------

  chatOf(user: string, to: string): string {
    return this.groups.some(({ id }) => id === to) ? to : directChatId(user, to);
  }

  membersOf(chat: string): readonly string[] {
    return this.groups.find(({ id }) => id === chat)?.members ?? [...new Set(chat.split('/'))];
  }

  /** Accounts and groups, as the first op of their shards. @returns writes by shard */
  firstWrites(): Map<number, PlainWrite[]> {
    const writes = new Map<number, PlainWrite[]>();
    const { shards } = this.world.profile;
    const put = (entity: string, key: string, value: unknown): void => {
      const shard = shardOf(entity, shards);
      writes.set(shard, [...(writes.get(shard) ?? []), { t: 'put', key, value }]);
    };
    for (const [i, user] of this.users.entries()) {
      // Made at some node, by its clock, which may be ahead of that of the chats' leaders.
      const createdMs = WALL_MS + (this.world.nodes[i % this.world.nodes.length]?.clock() ?? 0);
      put(sessionKey(user), `${userRows(user)}${ACCOUNT_KEY}`, { v: 1, createdMs });
      put(sessionKey(user), accountIndexRow(user), 0);
    }
    for (const { id, members } of this.groups) {
      const row = { v: 1, members: members.map((jid) => ({ jid, since: 0, here: true })) };
      put(chatKey(id), chatRow(id), row);
    }
    return writes;
  }

  addClients(): void {
    const { random } = this.world;
    for (const user of this.users.slice(0, this.profile.online)) {
      const managed = random.int(4) > 0;
      this.clients.push(new Client(this, user, 'one', managed, random.float() < this.profile.plain));
      if (random.int(4) === 0) this.clients.push(new Client(this, user, 'two', managed));
    }
  }

  /** Who lacks what in the inbox, in words; undefined when nobody lacks anything. */
  missing(): string | undefined {
    for (const [chat, messages] of this.ledger.chats) {
      for (const user of this.membersOf(chat)) {
        const has = this.ledger.cursorOf(user, chat);
        if (has < messages.length) return `${user} has ${has} of ${messages.length} of ${chat}`;
      }
    }
    return undefined;
  }

  /** What reached an inbox and none of its user's devices, which all manage their streams. */
  unseen(): string | undefined {
    for (const user of this.users) {
      const devices = this.clients.filter((client) => client.user === user);
      if (devices.length === 0 || !devices.every(({ managed }) => managed)) continue;
      for (const { chat, chatSeq } of this.ledger.inboxes.get(user) ?? []) {
        const { from = '', oid = '' } = this.ledger.chats.get(chat)?.[chatSeq - 1] ?? {};
        if (!from.startsWith(`${user}/`) && !this.ledger.hasShown(user, oid)) return `${user} never saw ${oid}`;
      }
    }
    return undefined;
  }

  toSession(user: string, message: SessionMessage, gateway = ''): boolean {
    const host = this.world.nodes[this.world.names.get(gateway) ?? -1];
    if (host?.process === undefined) return false;
    if (this.world.tracing) this.world.say(`${user} at ${gateway} > ${briefMessage(message)}`);
    let taken = true;
    host.post((process) => {
      taken = (process.app as WholeNode).runtime.toSession(user, message);
      if (!taken && message.t === 'frame') message.conn?.close({ t: 'detached', why: 'full' });
    });
    return taken;
  }

  gateway(): string {
    const running = this.world.nodes.filter(({ process }) => process !== undefined);
    return running[this.world.random.int(running.length)]?.name ?? '';
  }

  fail(text: string): void {
    this.world.fail('clients-are-told-the-truth', text);
  }

  told(client: Client, { oid, refused }: SentMessage): void {
    if (!refused) this.world.note({ t: 'told', user: client.user, oid });
  }

  shown(client: Client, inboxSeq: number, oid: string): void {
    const stream = `${client.user}/${client.resource} ${client.views.length}`;
    const fact = { t: 'shown', user: client.user, stream, inboxSeq, oid } as const;
    this.ledger.take(fact);
    this.world.note(fact);
  }

  // --- nodes -------------------------------------------------------------------------------------------------------

  /** A node's record, as it writes it when it starts and an operator when he drains it. */
  announce(host: Host, state: NodeState): void {
    this.records[host.index] = {
      v: 1,
      node: host.name,
      inc: host.inc,
      zone: 'one',
      version: '0',
      address: undefined,
      state,
      since: 0,
    };
  }

  /** Its sockets are gone with it. */
  crashed(host: Host): void {
    for (const client of this.clients) client.nodeCrashed(host.name);
  }

  apps(): WholeNode[] {
    return this.world.nodes.flatMap(({ process }) => (process?.app as WholeNode | undefined) ?? []);
  }
}

function briefMessage(message: SessionMessage): string {
  return message.t === 'frame' ? `${message.frame.el.toString().slice(0, 120)}` : message.t;
}
