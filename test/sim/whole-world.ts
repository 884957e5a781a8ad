import { ALL_DELIVERY_RULES, type DeliveryRules } from '../../src/actors/delivery-rules.ts';
import { type Affiliate, CONFIG_KEY, type Room } from '../../src/actors/group-state.ts';
import {
  accountIndexRow,
  chatKey,
  chatRow,
  directChatId,
  directMembers,
  groupRows,
  isRoom,
  sessionKey,
  userRows,
} from '../../src/actors/keys.ts';
import type { SessionMessage } from '../../src/actors/messages.ts';
import { shardOf } from '../../src/base/hash.ts';
import type { NodeRecord, NodeState } from '../../src/cluster/membership.ts';
import type { OpBody, PlainWrite } from '../../src/storage/log-store.ts';
import { ACCOUNT_KEY } from '../../src/xmpp/account.ts';
import { defaultConfig } from '../../src/xmpp/muc-config.ts';
import type { App } from './cluster-app.ts';
import type { Host } from './cluster-host.ts';
import type { Process } from './cluster-process.ts';
import type { World } from './cluster-world.ts';
import { Client, type SentMessage } from './core-client.ts';
import { DOMAIN } from './core-world.ts';
import type { Stay } from './room-device.ts';
import { ROOM_DOMAIN } from './runtime-limits.ts';
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

/** A room (XEP-0045), open to everybody; it is there from the beginning, with these members. */
export interface RoomAtFirst {
  readonly id: string;
  readonly owner: string;
  readonly members: readonly string[];
}

/** What a run has above the replicas of a World: the people, what was written, and what the planner reads. */
export class Whole {
  readonly world: World;
  readonly profile: WholeProfile;
  readonly rules: DeliveryRules;
  readonly users: readonly string[];
  readonly groups: readonly Group[];
  readonly rooms: readonly RoomAtFirst[];
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
    this.rooms = profile.rooms.map((size, i) => {
      const owner = this.users[i % 2] as string;
      return { id: `r${i}@${ROOM_DOMAIN}`, owner, members: this.users.slice(i % 2, size + (i % 2)) };
    });
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

  isRoom(chat: string): boolean {
    return isRoom(chat, ROOM_DOMAIN);
  }

  membersOf(chat: string): readonly string[] {
    return this.groups.find(({ id }) => id === chat)?.members ?? directMembers(chat);
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
    for (const { id, owner, members } of this.rooms) {
      const room: Room = {
        v: 1,
        config: { ...defaultConfig(100), membersOnly: false },
        locked: false,
        salt: id,
        first: 0,
        created: WALL_MS,
      };
      put(chatKey(id), groupRows(id) + CONFIG_KEY, room);
      for (const user of members) {
        const affiliation = user === owner ? 'owner' : 'member';
        const row: Affiliate = { v: 1, affiliation, since: 0, before: 0, beforeMs: 0 };
        put(chatKey(id), `${groupRows(id)}a/${user}`, row);
      }
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
      if (this.isRoom(chat)) {
        const lacks = this.users.find((user) => this.ledger.lackOf(user, chat) !== 0);
        if (lacks !== undefined) return `${lacks} lacks ${this.ledger.lackOf(lacks, chat)} messages of ${chat}`;
        for (const [user, since] of this.ledger.members.get(chat) ?? [])
          if (messages.length > Math.max(since, this.ledger.owedTo(user, chat).at(-1) ?? 0))
            return `${user}, a member, was told of ${this.ledger.owedTo(user, chat).at(-1) ?? 0} of ${messages.length} of ${chat}`;
        continue;
      }
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
        // What a room says is for the devices in it, invitations have no words.
        if (this.isRoom(chat)) continue;
        const { from = '', oid = '' } = this.ledger.chats.get(chat)?.[chatSeq - 1] ?? {};
        if (!from.startsWith(`${user}/`) && !oid.startsWith('r.') && !this.ledger.hasShown(user, oid))
          return `${user} never saw ${oid}`;
      }
    }
    return undefined;
  }

  /** Which device in a room lacks what was said there last; undefined when none does. */
  unheard(): string | undefined {
    for (const client of this.clients) {
      for (const [room, { seqs }] of client.rooms.here) {
        const last = this.ledger.chats.get(room)?.length ?? 0;
        // Who heard nothing since entering knows the last one before, unless there was none.
        if ((seqs.at(-1) ?? 0) !== last)
          return `${client.user}/${client.resource} heard ${seqs.at(-1)} of ${last} of ${room}`;
      }
    }
    return undefined;
  }

  /** Which room has others in it than those who take themselves for being there; undefined when none has. */
  strayed(): string | undefined {
    for (const { id } of this.rooms) {
      const shard = shardOf(chatKey(id), this.world.profile.shards);
      const prefix = `${groupRows(id)}o/`;
      const leader = this.apps().find(({ runtime }) => runtime.leads(shard));
      const rows = leader?.state.store.scan(shard, prefix, 1000) ?? [];
      const occupants = rows.map(([key]) => key.slice(prefix.length)).sort();
      const devices = this.clients
        .filter(({ rooms }) => rooms.here.has(id))
        .map((one) => `${one.user}/${one.resource}`);
      if (occupants.join() !== devices.sort().join())
        return `${id} has ${occupants.join() || 'nobody'} in it, in truth ${devices.join() || 'nobody'} is`;
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

  heard(client: Client, { room, no, seqs, oids }: Stay): void {
    const nth = seqs.length - 1;
    const stay = `${client.user}/${client.resource} ${no} ${room}`;
    const [seq = 0, oid = ''] = [seqs[nth], oids[nth]];
    this.world.note({ t: 'heard', user: client.user, stay, room, nth, seq, oid });
  }

  got({ user }: Client, room: string, seq: number): void {
    this.world.note({ t: 'got', user, room, seq });
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
