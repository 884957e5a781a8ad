import {
  chatKey,
  directChatId,
  groupRows,
  inboxStream,
  indexStream,
  messageStream,
  sessionKey,
  userRows,
} from '../../src/actors/keys.ts';
import type { UserChatRow } from '../../src/actors/session-types.ts';
import { shardOf } from '../../src/base/hash.ts';
import type { LogStore, StreamRecord } from '../../src/storage/log-store.ts';
import type { ChatPointer, InboxPointer } from '../../src/xmpp/mam-view.ts';
import type { MessageRecord } from '../../src/xmpp/message-record.ts';
import type { Client } from './core-client.ts';
import { type Faults, ROOM, SHARDS } from './core-world.ts';

/** What a checker looks at, of one node or of several. */
export interface World {
  readonly users: readonly string[];
  readonly clients: readonly Client[];
  readonly faults: Pick<Faults, 'fullDisk' | 'tight'> & Partial<Pick<Faults, 'rooms'>>;
  readonly crashes: readonly unknown[];
  /** the state of all shards */
  readonly inner: Pick<LogStore, 'read' | 'get' | 'scan'>;
  /** where there is a room: by user, what it has posted to the inbox */
  readonly owed?: ReadonlyMap<string, readonly number[]>;
  fail(text: string): void;
}

/** One property per checker; each tells what it found wrong in words. */
type Check = (world: World) => void;

const ALL = { from: 1, to: Number.MAX_SAFE_INTEGER, limit: Number.MAX_SAFE_INTEGER };

interface Chat {
  readonly id: string;
  readonly members: readonly string[];
  readonly records: readonly (StreamRecord & { readonly record: MessageRecord })[];
}

function chatsOf(world: World): Chat[] {
  const chats: Chat[] = [];
  for (const [i, a] of world.users.entries()) {
    for (const b of world.users.slice(i)) {
      const id = directChatId(a, b);
      const records = world.inner.read(shardOf(chatKey(id), SHARDS), messageStream(id), ALL);
      chats.push({ id, members: [...new Set([a, b])], records: records as Chat['records'] });
    }
  }
  return chats;
}

/** The room, which is empty where there is none. */
function roomOf(world: World): Chat {
  const records = world.inner.read(shardOf(chatKey(ROOM), SHARDS), messageStream(ROOM), ALL);
  return { id: ROOM, members: [], records: records as Chat['records'] };
}

/** Clients use one id for both; some give no origin-id. */
function nameOf({ oid, id }: MessageRecord): string {
  return oid ?? id ?? '';
}

function inboxOf(world: World, user: string): { seq: number; record: InboxPointer }[] {
  return world.inner.read(shardOf(sessionKey(user), SHARDS), inboxStream(user), ALL) as {
    seq: number;
    record: InboxPointer;
  }[];
}

function dense(world: World, what: string, seqs: readonly number[]): void {
  for (const [i, seq] of seqs.entries()) if (seq !== i + 1) return world.fail(`${what}: ${seq} where ${i + 1} is due`);
}

const numbersAreDense: Check = (world) => {
  for (const { id, records } of chatsOf(world))
    dense(
      world,
      `chatSeq of ${id}`,
      records.map(({ seq }) => seq),
    );
  for (const user of world.users)
    dense(
      world,
      `inboxSeq of ${user}`,
      inboxOf(world, user).map(({ seq }) => seq),
    );
};

const acknowledgedOnceAndOthersAtMostOnce: Check = (world) => {
  const counts = new Map<string, number>();
  for (const { records } of [...chatsOf(world), roomOf(world)]) {
    for (const { record } of records) counts.set(nameOf(record), (counts.get(nameOf(record)) ?? 0) + 1);
  }
  for (const client of world.clients) {
    for (const { oid, acked, refused } of client.sent) {
      const count = counts.get(oid) ?? 0;
      if (count > 1) world.fail(`${oid} is in its chat ${count} times`);
      if (acked && !refused && count === 0) world.fail(`${oid} was acknowledged and is lost`);
    }
  }
};

/** A device's messages to one chat stand there in the order it sent them, whatever was refused and sent again. */
const sendersOrderIsKept: Check = (world) => {
  for (const { id, records } of [...chatsOf(world), roomOf(world)]) {
    const place = new Map(records.map(({ seq, record }) => [nameOf(record), seq]));
    for (const client of world.clients) {
      let last = 0;
      for (const { oid } of client.sent) {
        const seq = place.get(oid);
        if (seq === undefined) continue;
        if (seq < last) world.fail(`${oid} stands in ${id} before what ${client.user}/${client.resource} sent earlier`);
        last = seq;
      }
    }
  }
};

const inboxesEqualTheirChats: Check = (world) => {
  for (const user of world.users) {
    const inbox = inboxOf(world, user);
    for (const { id, members, records } of chatsOf(world)) {
      if (!members.includes(user)) continue;
      const mine = inbox.filter(({ record }) => record.c === id);
      dense(
        world,
        `${id} in the inbox of ${user}`,
        mine.map(({ record }) => record.q),
      );
      if (mine.length !== records.length)
        world.fail(`${user} has ${mine.length} of ${records.length} messages of ${id}`);
      indexEqualsInbox(world, user, id, mine);
    }
  }
};

function indexEqualsInbox(
  world: World,
  user: string,
  id: string,
  mine: readonly { seq: number; record: InboxPointer }[],
): void {
  const shard = shardOf(sessionKey(user), SHARDS);
  const index = world.inner.read(shard, indexStream(user, id), ALL) as { seq: number; record: ChatPointer }[];
  dense(
    world,
    `index of ${id} for ${user}`,
    index.map(({ seq }) => seq),
  );
  for (const [i, { record }] of index.entries()) {
    if (record.i !== mine[i]?.seq || record.q !== mine[i]?.record.q || mine[i]?.record.n !== i + 1)
      world.fail(`index entry ${i + 1} of ${id} for ${user} is not that of its inbox`);
  }
}

const countersAreRight: Check = (world) => {
  for (const user of world.users) {
    const shard = shardOf(sessionKey(user), SHARDS);
    for (const { id, members, records } of chatsOf(world)) {
      if (!members.includes(user) || records.length === 0) continue;
      const row = world.inner.get(shard, `${userRows(user)}c/${id}`) as UserChatRow | undefined;
      const own = records.filter(({ record }) => record.from.startsWith(`${user}/`)).at(-1)?.seq ?? 0;
      const { length } = records;
      const loud = records.filter(({ record }) => !record.from.startsWith(`${user}/`)).length;
      const range = { from: length, to: length, limit: 1 };
      const last = (world.inner.read(shard, indexStream(user, id), range)[0]?.record as ChatPointer | undefined)?.i;
      const want = { cur: length, n: length, unread: length - own, read: own, last, loud };
      const got = row && {
        cur: row.cur,
        n: row.n,
        unread: row.unread,
        read: row.read,
        last: row.last,
        loud: row.loud,
      };
      if (JSON.stringify(got) !== JSON.stringify(want))
        world.fail(`counters of ${id} for ${user}: ${JSON.stringify(got)}, not ${JSON.stringify(want)}`);
    }
  }
};

const viewsAreInOrderWithoutDoubles: Check = (world) => {
  for (const client of world.clients) {
    for (const { ids } of client.views) {
      for (let i = 1; i < ids.length; i++) {
        if ((ids[i] as number) <= (ids[i - 1] as number))
          world.fail(`${client.user}/${client.resource} got ${ids[i]} after ${ids[i - 1]} on one stream`);
      }
    }
  }
};

/** With stream management, what the others wrote reaches one of the user's devices, whatever happened to sockets. */
const everybodyHasSeenEverything: Check = (world) => {
  for (const user of world.users) {
    const devices = world.clients.filter((client) => client.user === user);
    if (!devices.every(({ managed }) => managed)) continue;
    const seen = new Set(devices.flatMap(({ views }) => views.flatMap(({ oids }) => oids)));
    for (const { members, records } of chatsOf(world)) {
      if (!members.includes(user)) continue;
      for (const { record } of records) {
        if (record.from.startsWith(`${user}/`) || seen.has(nameOf(record))) continue;
        world.fail(`${user} never got ${nameOf(record)}`);
      }
    }
  }
};

/** Each inbox has what the room posted to it while its user was a member, in the room's order, and nothing else. */
const inboxesHaveTheirMemberships: Check = (world) => {
  const { records } = roomOf(world);
  const said = records.map(({ seq }) => seq);
  dense(world, 'chatSeq of the room', said);
  for (const user of world.users) {
    const has = inboxOf(world, user).flatMap(({ record }) => (record.c === ROOM ? [record.q] : []));
    const owed = world.owed?.get(user) ?? [];
    if (has.join() !== owed.join()) world.fail(`${user} has ${has} of the room, and is owed ${owed}`);
  }
};

/** In the end those in the room are the devices that take themselves for it, and each has heard the last message. */
const occupantsAreDevices: Check = (world) => {
  const prefix = `${groupRows(ROOM)}o/`;
  const rows = world.inner.scan(shardOf(chatKey(ROOM), SHARDS), prefix, 1000);
  const occupants = rows.map(([key]) => key.slice(prefix.length)).sort();
  const inside = world.clients.filter(({ rooms }) => rooms.here.has(ROOM));
  const devices = inside.map(({ user, resource }) => `${user}/${resource}`).sort();
  if (occupants.join() !== devices.join()) world.fail(`${occupants} are in the room, in truth ${devices} are`);
  const last = roomOf(world).records.length;
  for (const { user, resource, rooms } of inside) {
    const heard = rooms.here.get(ROOM)?.seqs.at(-1) ?? 0;
    if (heard !== last) world.fail(`${user}/${resource} heard ${heard} of ${last} of the room`);
  }
};

const nothingCrashed: Check = (world) => {
  for (const error of world.crashes) world.fail(`an actor crashed: ${(error as Error).stack}`);
};

export const CHECKS: readonly Check[] = [
  numbersAreDense,
  acknowledgedOnceAndOthersAtMostOnce,
  sendersOrderIsKept,
  inboxesEqualTheirChats,
  countersAreRight,
  viewsAreInOrderWithoutDoubles,
  everybodyHasSeenEverything,
  inboxesHaveTheirMemberships,
  occupantsAreDevices,
  nothingCrashed,
];
