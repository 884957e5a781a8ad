import t from 'tap';
import { shardOf } from '../base/hash.ts';
import type { Op } from '../storage/log-store.ts';
import { createMemoryDisk } from '../storage/log-store-memory.ts';
import { AheadQueue, ackedAhead, settleAhead } from './ahead.ts';
import type { Entity } from './entity.ts';
import { directChatId, inboxStream, messageStream, sessionKey } from './keys.ts';
import type { SessionMessage, Source } from './messages.ts';
import type { Outbox } from './outbox.ts';
import { acks, bodies, composing, message, REQUEST, SHARDS, type TestClient, TestNode } from './runtime.fixture.ts';
import { startActorSystem, type Wakers } from './spawn.ts';
import { newTurn } from './turn.ts';

async function pair(options: Parameters<typeof TestNode.start>[0] = {}): Promise<{
  node: TestNode;
  a: string;
  b: string;
  alice: TestClient;
  bob: TestClient;
}> {
  const node = await TestNode.start(options);
  const [a = '', b = ''] = await node.account('a', 'b');
  const alice = await node.bind(a, 'one');
  const bob = await node.bind(b, 'one');
  await alice.send(message(b, 'the first is not sent ahead'));
  bob.conn.take();
  node.ops.length = 0;
  return { node, a, b, alice, bob };
}

const outboxes = (ops: readonly Op[]): number => ops.reduce((sum, { outbox }) => sum + outbox.length, 0);

const inboxOf = (node: TestNode, user: string): number =>
  node.inner.last(shardOf(sessionKey(user), SHARDS), inboxStream(user));

t.test('a message and the inboxes it is in are one commit, without an outbox', async (t) => {
  const { node, a, b, alice, bob } = await pair();
  node.held = true;
  t.same(acks(await alice.send(message(b, 'hi'), REQUEST)), []);
  t.same([node.store.waiting, bob.conn.out], [1, []], 'nothing leaves before it');
  const written = node.ops.flatMap(({ writes }) =>
    writes.flatMap((one) => (one.t === 'call' ? one.call.expand(one.args) : [one])),
  );
  const streams = written.flatMap((one) => ('stream' in one ? [one.stream] : []));
  const chat = messageStream(directChatId(a, b));
  t.same(new Set(streams.filter((one) => one[0] !== 'x')), new Set([chat, inboxStream(a), inboxStream(b)]));
  t.equal(outboxes(node.ops), 0);
  node.store.sync();
  await node.settle();
  t.same(bodies(bob.conn.take()), ['hi']);
  t.equal(acks(alice.conn.take()).length, 1);
  t.match(node.runtime.stats(), { outbox: 0, pipeline: { pending: 0 } });
});

t.test('what the disk refuses has been nowhere, and its numbers are given to what comes then', async (t) => {
  const { node, b, alice, bob } = await pair();
  node.held = true;
  await alice.send(message(b, 'in the tick'));
  await alice.send(message(b, 'behind it, in a mailbox'));
  node.store.full = true;
  await node.release();
  t.same(bodies(alice.conn.take()), ['!resource-constraint', '!resource-constraint']);
  node.store.full = false;
  t.same(bodies(bob.conn.take()), []);
  t.equal(inboxOf(node, b), 1);
  await bob.send(message(alice.user, 'now there is room'));
  t.same(bodies(alice.conn.take()), ['now there is room']);
  t.equal(inboxOf(node, b), 2);
});

t.test('who goes on while a refused tick settles does not take what is refused with it', async (t) => {
  const { node, b, alice } = await pair();
  const [c = ''] = await node.account('c');
  const carol = await node.bind(c, 'one');
  await carol.send(message(b, 'in another chat'));
  const tellBob = (run: () => void): void => void node.runtime.toSession(b, { t: 'run', run });
  node.held = true;
  await alice.send(message(b, 'in the tick'));
  tellBob(() => {
    throw new Error('a fault of ours');
  });
  await node.settle();
  // Bob's session waits for its turn in the tick, and goes on with these two as soon as that has settled.
  await carol.send(message(b, 'behind it'));
  tellBob(() => {});
  await node.settle();
  node.store.full = true;
  node.store.sync();
  await node.settle();
  node.store.full = false;
  await node.release();
  for (const { conn } of [alice, carol]) t.same(bodies(conn.take()), ['!resource-constraint']);
  t.same([inboxOf(node, alice.user), inboxOf(node, c), inboxOf(node, b)], [1, 1, 2]);
});

t.test('the first message of a membership goes the usual way', async (t) => {
  const { node, alice } = await pair();
  const [c = ''] = await node.account('c');
  await alice.send(message(c, 'hi'));
  t.equal(outboxes(node.ops), 2);
});

t.test('what found no room is sent with the commit', async (t) => {
  const turn = newTurn<unknown>(0);
  for (const user of ['a', 'b', 'c']) {
    turn.outbox.push({ to: `session:${user}`, body: { t: 'msg', chat: 'x', seq: 2, first: false } });
    turn.live.push('record');
  }
  const calls: unknown[] = [];
  const note = (name: string) => ({ put: () => name !== 'b', drain: () => calls.push(name) });
  const queue = new AheadQueue((user) => note(user) as unknown as Entity<SessionMessage>);
  const ahead = queue.send(3, 7, turn);
  queue.drain();
  t.same(calls.splice(0), ['a', 'c']);
  const source = { shard: 3, idx: 7, pos: 2, ahead };
  t.equal(ackedAhead(source), true, 'answered before the commit');
  const outbox = {
    add: (shard: number, idx: number, _items: unknown, _live: unknown, _now: number, unsent: number[]) =>
      calls.push([shard, idx, unsent]),
    ack: ({ pos }: Source) => calls.push(pos),
  };
  settleAhead(outbox as unknown as Outbox, 3, 7, turn, ahead);
  t.same(calls, [[3, 7, [1]], 2]);
  t.equal(ackedAhead(source), false, 'the outbox has it now');
});

t.test('nothing overtakes what is sent behind a commit', async (t) => {
  const { node, b, alice, bob } = await pair();
  node.held = true;
  await alice.send(message(b, '1'));
  await alice.send(composing(b));
  await alice.send(message(b, '2'));
  await node.release();
  t.same(bodies(bob.conn.take()), ['1', '~', '2']);
  t.equal(node.runtime.stats().outbox, 0);
});

t.test('an item that finds no room goes the usual way, and those behind it come again', async (t) => {
  const { node, b, alice, bob } = await pair({ runtime: { mailboxMax: 4 } });
  node.held = true;
  await alice.send(message(b, '1'));
  for (const body of ['2', '3', '4', '5']) await alice.send(message(b, body));
  t.equal(outboxes(node.ops), 0);
  await node.release();
  for (let i = 0; i < 5; i++) await node.pass(5000);
  t.same(bodies(bob.conn.take()), ['1', '2', '3', '4', '5']);
  t.ok(outboxes(node.ops) > 0);
  t.equal(node.runtime.stats().outbox, 0);
});

t.test('a kill finds the message and its inboxes on disk, or neither', async (t) => {
  for (const kept of [true, false]) {
    const disk = createMemoryDisk();
    const { node, a, b, alice } = await pair({ disk });
    node.held = true;
    await alice.send(message(b, 'hi'));
    node.store.crash(kept);
    const after = await TestNode.start({ disk });
    await after.settle();
    const seqs = [a, b].map((user) => inboxOf(after, user));
    t.same([...seqs, after.runtime.stats().resent], kept ? [2, 2, 0] : [1, 1, 0]);
  }
});

t.test('of a message two actors are woken: for its frame, and for its chat', async (t) => {
  const woken: string[] = [];
  const wakers: Wakers = {
    add: (name, drain) => ({
      wake() {
        woken.push(name.split('-')[0] as string);
        setImmediate(drain);
      },
      stop: () => {},
    }),
    stop() {},
  };
  const { b, alice, bob } = await pair({ runtime: { actors: startActorSystem(wakers) } });
  woken.length = 0;
  t.equal(acks(await alice.send(message(b, 'hi'), REQUEST)).length, 1);
  t.same(bodies(bob.conn.take()), ['hi']);
  t.same(woken, ['session', 'chat'], 'not for two inboxes and the answer');
});

t.test('a gap is told to the outbox with the commit, and what lies behind it comes again', async (t) => {
  const { node, b, alice, bob } = await pair();
  node.held = true;
  await alice.send(message(b, '1'));
  // Bob's session loses what it has not handled: a fault of ours in the same turn.
  await bob.send(message(alice.user, '2'));
  node.runtime.toSession(b, {
    t: 'run',
    run: () => {
      throw new Error('a fault of ours');
    },
  });
  await node.release();
  for (let i = 0; i < 3; i++) await node.pass(5000);
  t.equal(node.crashes.length, 1);
  t.same([inboxOf(node, alice.user), inboxOf(node, b)], [3, 3]);
  t.equal(node.runtime.stats().outbox, 0);
});
