import t from 'tap';
import { ActivityOrder, InboxOrder } from './inbox-order.ts';
import type { UserChatRow } from './session-types.ts';

const row = (last: number, unread: number): UserChatRow => ({
  v: 1,
  cur: 9,
  n: 1,
  unread,
  read: 0,
  last,
  loud: unread,
});

t.test('chats stand in the order of their last messages', async (t) => {
  const order = new ActivityOrder([
    ['c/b', 5],
    ['c/a', 2],
    ['c/c', 9],
  ]);
  const all = (): string => order.slice(0, order.size).join(' ');
  t.equal(all(), 'c/a c/b c/c');
  t.strictSame(
    [1, 2, 4, 5, 9, 100].map((seq) => order.rankOf(seq)),
    [0, 1, 1, 2, 3, 3],
  );
  order.move('c/a', 2, 10);
  order.move('c/d', 0, 7);
  order.move('c/c', 9, 0);
  t.equal(all(), 'c/b c/d c/a');
  t.equal(order.slice(1, 2).join(), 'c/d');
  t.throws(() => order.move('c/a', 3, 11), /no chat has its last message at 3/);
});

t.test('it follows its rows, whatever happens to them', async (t) => {
  const rows = new Map<string, unknown>([
    ['account', { v: 1 }],
    ['r/x', { v: 1 }],
    ['c/quiet', row(0, 0)],
    ['c/a', row(3, 2)],
    ['c/b', row(1, 0)],
  ]);
  const order = new InboxOrder(rows);
  const seen = ({ all, unread, messages }: InboxOrder): unknown => [
    all.slice(0, all.size),
    unread.slice(0, unread.size),
    messages,
  ];
  t.strictSame(seen(order), [['c/b', 'c/a'], ['c/a'], 2]);
  const steps: [what: string, key: string, after: unknown][] = [
    ['the first message of a chat', 'c/new', row(4, 1)],
    ['one more in another', 'c/b', row(5, 1)],
    ['one that does not count, of a chat without any place', 'c/quiet', row(0, 0)],
    ['all of it is read', 'c/a', row(3, 0)],
    ['part of it is read', 'c/b', row(5, 1)],
    ['a message of the user', 'c/a', row(6, 0)],
    ['rows of other kinds', 'account', { v: 1, last: 8, unread: 4 }],
    ['a chat goes', 'c/new', undefined],
    ['and comes again', 'c/new', row(7, 3)],
  ];
  for (const [what, key, after] of steps) {
    order.note(key, rows.get(key), after);
    if (after === undefined) rows.delete(key);
    else rows.set(key, after);
    t.strictSame(seen(order), seen(new InboxOrder(rows)), what);
  }
  t.strictSame(seen(order), [['c/b', 'c/a', 'c/new'], ['c/b', 'c/new'], 4]);
});
