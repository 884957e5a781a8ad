import t from 'tap';
import { SenderOrder } from './dedupe-order.ts';
import type { Send } from './messages.ts';

const send = (token: number, prev: number, run = 'r', sender = 'a@x', era = 1): Send => ({
  t: 'send',
  from: `${sender}/one`,
  sender,
  to: 'b@x',
  type: 'chat',
  id: undefined,
  oid: undefined,
  lang: undefined,
  inner: '',
  flags: undefined,
  store: true,
  token,
  order: { run, era, prev },
});

t.test('sends are decided once, each behind the one it names', async (t) => {
  const table: [what: string, Send, verdict: string][] = [
    ['the first that is unanswered', send(5, 0), 'next'],
    ['the one behind it', send(6, 5), 'next'],
    ['a retry', send(5, 0), 'had'],
    ['one whose predecessor was lost', send(8, 7), 'gap'],
    ['the next one: asked already', send(9, 8), 'gap-told'],
    ['the lost one', send(7, 6), 'next'],
    ['again, now in its place', send(8, 7), 'next'],
    ['another gap is told again', send(12, 11), 'gap'],
    ['one with nothing unanswered before it', send(20, 0), 'next'],
    ['another sender', send(3, 0, 'r', 'b@x'), 'next'],
    ['another activation of the first', send(3, 0, 'later'), 'next'],
    ['the earlier one goes on, for it may be the one that lives', send(21, 20), 'next'],
  ];
  const order = new SenderOrder();
  for (const [what, one, verdict] of table) t.equal(order.take(one), verdict, what);
});

t.test('a session that lost its shard is not listened to once the next one has sent something', async (t) => {
  const order = new SenderOrder();
  t.equal(order.take(send(5, 0, 'old', 'a@x', 1)), 'next');
  t.equal(order.take(send(105, 104, 'new', 'a@x', 2)), 'gap');
  t.equal(order.take(send(6, 5, 'old', 'a@x', 1)), 'next', 'nothing of the later one has been taken');
  t.equal(order.take(send(104, 0, 'new', 'a@x', 2)), 'next');
  t.equal(order.take(send(7, 6, 'old', 'a@x', 1)), 'stale');
  t.equal(order.take(send(5, 0, 'old', 'a@x', 1)), 'stale');
  t.equal(order.take(send(7, 0, 'r', 'b@x', 1)), 'next', 'another sender');
});

t.test('where the sender is not known, what its shard has left behind is not taken', async (t) => {
  const order = new SenderOrder();
  const late: Send = { ...send(5, 0, 'old'), late: true };
  t.equal(order.take(late), 'stale');
  t.equal(order.take(send(1, 0, 'new', 'a@x', 2)), 'next');
  t.equal(order.take(late), 'stale');
  const known = new SenderOrder();
  known.take(send(4, 0, 'old'));
  t.equal(known.take(late), 'next', 'a chat that has not moved goes by what it has taken');
});

t.test('one that knows nobody asks for all', async (t) => {
  t.equal(new SenderOrder().take(send(6, 5)), 'gap');
});

t.test('what the server itself says is in no order', async (t) => {
  const { order: _order, ...plain } = send(1, 0);
  const order = new SenderOrder();
  t.same([order.take(plain), order.take(plain)], ['next', 'next']);
});

t.test(
  'on a node that is alone a send is refused behind one that did not arrive, until none is unanswered',
  async (t) => {
    const table: [what: string, token: number, prev: number, verdict: string][] = [
      ['the first', 5, 0, 'next'],
      ['the one behind it', 6, 5, 'next'],
      ['behind one that a full mailbox refused', 8, 7, 'broken'],
      ['the next one', 9, 8, 'broken'],
      ['the session has heard of them', 10, 0, 'next'],
      ['of a later activation, the clock having gone back', 3, 0, 'next'],
      ['the one behind it', 4, 3, 'next'],
    ];
    const order = new SenderOrder();
    for (const [what, token, prev, verdict] of table) {
      const one = send(token, prev);
      t.equal(order.take({ ...one, order: { run: undefined, era: 0, prev } }), verdict, what);
    }
  },
);

t.test('what was sent behind a refusal, not knowing of it, is refused as well', async (t) => {
  const order = new SenderOrder();
  const forNow = { ok: false, condition: 'resource-constraint' } as const;
  const brokenBy = (one: Send): string | undefined => {
    t.equal(order.take(one), 'next');
    const broken = order.brokenBy(one);
    if (broken !== undefined) order.refuse(one, { ok: false, condition: broken });
    return broken;
  };
  t.equal(brokenBy(send(5, 0)), undefined);
  order.refuse(send(5, 0), forNow);
  t.equal(brokenBy(send(6, 5)), 'resource-constraint');
  t.equal(brokenBy(send(7, 6)), 'resource-constraint');
  t.equal(brokenBy(send(7, 0, 'r', 'b@x')), undefined, 'another sender');
  t.equal(brokenBy(send(8, 0)), undefined, 'it has the answers');
  order.refuse(send(8, 0), { ok: false, condition: 'forbidden' });
  t.equal(brokenBy(send(9, 8)), undefined, 'a message that is refused for good does not come again');
});

t.test('behind a send whose op the log refused none is taken', async (t) => {
  const order = new SenderOrder();
  order.take(send(5, 0));
  order.opsRefused();
  for (const one of [send(6, 5), send(7, 6)]) {
    order.take(one);
    t.equal(order.brokenBy(one), 'resource-constraint');
  }
  order.take(send(8, 0));
  t.equal(order.brokenBy(send(8, 0)), undefined, 'the session has heard of it');
});

t.test('refusals are remembered, the latest ones', async (t) => {
  const order = new SenderOrder();
  const outcome = { ok: false, condition: 'forbidden' } as const;
  for (let token = 1; token <= 65; token++) {
    order.take(send(token, 0));
    order.refuse(send(token, 0), outcome);
  }
  t.equal(order.refusal(send(65, 0)), outcome);
  t.equal(order.refusal(send(2, 0)), outcome);
  t.equal(order.refusal(send(1, 0)), undefined);
  t.equal(order.refusal(send(65, 0, 'other')), undefined);
});
