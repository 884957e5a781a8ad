import t from 'tap';
import { ManualClock } from '../base/clock.ts';
import type { LogStore } from '../storage/log-store.ts';
import { openMemoryStore } from '../storage/log-store-memory.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import { messageStream } from './keys.ts';
import { Pages, type PagesOptions } from './pages.ts';
import type { NodeAsk } from './wire.ts';

const record = (inner: string): MessageRecord => ({
  v: 1,
  from: 'a@x/r',
  to: 'b@x',
  type: 'chat',
  id: undefined,
  oid: undefined,
  ts: 1,
  inner,
});

/** A store with chats `c0` to `c3`, each on the shard of its number, with as many messages as told. */
async function storeOf(messages: number): Promise<LogStore> {
  const store = await openMemoryStore({ shards: 4 });
  for (let shard = 0; shard < 4; shard++) {
    const stream = messageStream(`c${shard}`);
    const writes = Array.from({ length: messages }, (_, i) => ({
      t: 'append' as const,
      stream,
      seq: i + 1,
      record: record(`c${shard}-${i + 1}`),
    }));
    await store.append([{ shard, epoch: 1, idx: 1, writes, outbox: [] }]);
  }
  return store;
}

interface Setup {
  readonly leaders: (string | undefined)[];
  readonly clock: ManualClock;
  readonly asked: string[];
  pages(node: string, options?: Partial<PagesOptions>): Pages;
}

function setup(stores: Record<string, LogStore>, answerBytesMax = 1000): Setup {
  const leaders = ['a', 'b', 'b', 'c'];
  const clock = new ManualClock();
  const asked: string[] = [];
  const all = new Map<string, Pages>();
  const pages = (node: string, options: Partial<PagesOptions> = {}): Pages =>
    new Pages({
      store: stores[node] as LogStore,
      answerBytesMax,
      timeoutMs: 1000,
      pauseMs: 100,
      shardOfChat: (id) => Number(id.slice(1)),
      leads: (shard) => leaders[shard] === node,
      farLeader: (shard) => (leaders[shard] === node ? undefined : leaders[shard]),
      now: () => clock.now(),
      later: (delayMs, run) => void clock.setTimer(delayMs, run),
      ask: async (to, ask) => {
        const { chats } = ask as Extract<NodeAsk, { t: 'fetch' }>;
        asked.push(`${to} ${chats.map(({ chat, seqs }) => `${chat}:${seqs.join('+')}`).join(' ')}`);
        const other = all.get(to);
        return other === undefined ? undefined : { t: 'fetch', found: other.serve(chats) };
      },
      ...options,
    });
  for (const node of Object.keys(stores)) all.set(node, pages(node));
  return { leaders, clock, asked, pages };
}

const entry = (chat: string, chatSeq: number) => ({ seq: 0, chat, chatSeq, ts: 1 });
const inners = (found: readonly (MessageRecord | undefined)[]) => found.map((one) => one?.inner);

t.test('a page of chats that are led here is read at once', async (t) => {
  const { pages, asked } = setup({ a: await storeOf(30) });
  const found = pages('a').fetch([entry('c0', 20), entry('c0', 1), entry('c0', 2), entry('c0', 99)]);
  t.ok(Array.isArray(found));
  t.same(inners(await found), ['c0-20', 'c0-1', 'c0-2', undefined]);
  t.same(asked, []);
});

t.test('messages of chats led elsewhere are asked for, one request a node', async (t) => {
  const store = await storeOf(5);
  const { pages, asked } = setup({ a: store, b: store, c: store });
  const found = await pages('a').fetch([
    entry('c1', 2),
    entry('c3', 1),
    entry('c0', 1),
    entry('c2', 5),
    entry('c1', 1),
  ]);
  t.same(inners(found), ['c1-2', 'c3-1', 'c0-1', 'c2-5', 'c1-1']);
  t.same(asked, ['b c1:1+2 c2:5', 'c c3:1']);
});

t.test('an answer is bounded, what is left over is asked for again', async (t) => {
  const store = await storeOf(5);
  const { pages, asked } = setup({ a: store, b: store }, 9);
  const found = await pages('a').fetch([1, 2, 3, 4, 5].map((seq) => entry('c1', seq)));
  t.same(inners(found), ['c1-1', 'c1-2', 'c1-3', 'c1-4', 'c1-5']);
  t.same(asked, ['b c1:1+2+3+4+5', 'b c1:3+4+5', 'b c1:5'], 'two of four bytes each fit into nine');
});

t.test('a chat that moves meanwhile is asked for where it is', async (t) => {
  const store = await storeOf(3);
  const one = setup({ a: store, b: store, c: store });
  one.leaders[1] = undefined;
  const found = one.pages('a').fetch([entry('c1', 1)]) as Promise<(MessageRecord | undefined)[]>;
  await new Promise((resolve) => setImmediate(resolve));
  t.same(one.asked, []);
  one.leaders[1] = 'c';
  one.clock.advance(100);
  t.same(inners(await found), ['c1-1']);
  t.same(one.asked, ['c c1:1']);
});

t.test('who has not heard of a message does not say that it is gone', async (t) => {
  const one = setup({ a: await storeOf(3), b: await storeOf(2) });
  t.same(one.pages('b').serve([{ chat: 'c1', seqs: [2, 3] }]), [{ chat: 'c1', records: [record('c1-2')] }]);
  t.same(one.pages('b').serve([{ chat: 'c0', seqs: [1] }]), [], 'nor does who does not lead the chat');
});

t.test('a page that nobody completes fails in time', async (t) => {
  const one = setup({ a: await storeOf(3) });
  const failed = t.rejects(Promise.resolve(one.pages('a').fetch([entry('c1', 1)])), /could not be reached/);
  for (let i = 0; i < 11; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    one.clock.advance(100);
  }
  await failed;
});
