import t from 'tap';
import { ManualClock } from './base/clock.ts';
import { m, record, testEnv } from './cluster/replica.fixture.ts';
import { openReplica, type ReplicaState, refusalOf, step } from './cluster/replica.ts';
import type { Leading } from './cluster/replica-state.ts';
import type { Member } from './cluster/shard-config.ts';
import {
  carryOut,
  type Order,
  type OrderAnswer,
  type OrderMessage,
  Orders,
  OrderUnansweredError,
} from './node-orders.ts';

const self = m('n1');
const leading: Leading = {
  t: 'leading',
  epoch: 3,
  promiseWrite: 0,
  startIdx: 1,
  ready: true,
  transfer: undefined,
  progress: [],
};

function replica(change: Partial<ReplicaState>): ReplicaState {
  const config = { record: record({ epoch: 3, leader: self, isr: [self, m('n2')] }), revision: 7 };
  return { ...openReplica(0), config, role: { ...leading }, ...change } as ReplicaState;
}

const cas = { expected: 7, record: record({}), retryAt: undefined, retryMs: 50, staleAnswers: 0 };
const loading = { from: m('n2'), epoch: 3, session: 1, write: 1, announced: false };

t.test('what is refused is what the replica itself refuses, for the same reason', async (t) => {
  const states: [name: string, Partial<ReplicaState>][] = [
    ['leads', {}],
    ['leads, not ready', { role: { ...leading, ready: false } }],
    ['hands over', { role: { ...leading, transfer: { to: m('n2'), startedAt: 0 } } }],
    ['waits for the store', { cas }],
    ['idle', { role: { t: 'idle' } }],
    ['idle, waits for the store', { role: { t: 'idle' }, cas }],
    ['loading', { role: { t: 'idle' }, loading }],
    [
      'no replica',
      { role: { t: 'idle' }, config: { record: record({ replicas: [m('n2')], isr: [m('n2')] }), revision: 7 } },
    ],
    ['no configuration', { role: { t: 'idle' }, config: undefined }],
    ['halted', { halted: true }],
  ];
  const targets: [Member, suspected: boolean][] = [
    [self, false],
    [m('n2'), false],
    [m('n2'), true],
    [m('n2', 'b'), false],
    [m('n3'), false],
  ];
  const seen = new Set<string>();
  for (const [name, change] of states) {
    const orders: [Order, boolean][] = [
      [{ t: 'recoverUnclean', shard: 0 }, false],
      ...targets.map(([to, suspected]): [Order, boolean] => [{ t: 'transfer', shard: 0, to }, suspected]),
    ];
    for (const [order, suspected] of orders) {
      const env = testEnv(self);
      if (suspected) env.suspects.add('n2/a');
      let requested = 0;
      const answer = carryOut(order, {
        replica: () => replica(change),
        refusal: (_shard, order) => refusalOf(replica(change), order, env),
        request: () => void requested++,
      });
      const event =
        order.t === 'transfer' ? ({ t: 'transfer', to: order.to } as const) : ({ t: 'recoverUnclean' } as const);
      const refused = step(replica(change), event, env).find((effect) => effect.t === 'refused');
      const wanted = refused?.t === 'refused' ? { t: 'refused', reason: refused.reason } : { t: 'taken' };
      t.same(answer, wanted, `${name}: ${JSON.stringify(order)}${suspected ? ', suspected' : ''}`);
      t.equal(requested, wanted.t === 'taken' ? 1 : 0);
      seen.add(answer.t === 'refused' ? answer.reason : answer.t);
    }
  }
  const all = ['busy', 'halted', 'no-change', 'no-copy', 'not-in-sync', 'not-leader', 'not-ready', 'suspect', 'taken'];
  t.same([...seen].sort(), all, 'every answer came up');
});

t.test('a copy tells where it ends; one that is being loaded is none', async (t) => {
  const state = replica({ role: { t: 'idle' } });
  const ask = (one: ReplicaState | undefined): OrderAnswer =>
    carryOut(
      { t: 'copy', shard: 0 },
      {
        replica: () => one,
        refusal: (_shard, order) => one && refusalOf(one, order, testEnv(self)),
        request: () => t.fail('asked to do something'),
      },
    );
  state.log.entries.push({ idx: 1, epoch: 2, bytes: new Uint8Array(9) });
  t.same(ask(state), { t: 'copy', last: { idx: 1, epoch: 2 }, commitIdx: 0 }, 'and nothing of what is in it');
  t.same(ask(replica({ role: { t: 'idle' }, loading })), { t: 'refused', reason: 'no-copy' });
  t.same(ask(undefined), { t: 'refused', reason: 'no-copy' });
});

function pair(answerMs = 100, waitingMax = 2) {
  const clock = new ManualClock();
  const sent: [to: Member, OrderMessage][] = [];
  let ids = 0;
  const make = (member: Member): Orders =>
    new Orders(
      {
        self: member,
        clock,
        newId: () => `id${++ids}`,
        send: (to, message) => void sent.push([to, message]),
        carryOut: ({ shard }) => (shard === 1 ? { t: 'taken' } : { t: 'refused', reason: 'busy' }),
      },
      { answerMs, waitingMax },
    );
  return { clock, sent, a: make(m('a')), b: make(m('b')) };
}

t.test('an order goes to the node, and its answer comes back', async (t) => {
  const { a, b, sent } = pair();
  const answers = [1, 2].map((shard) => a.ask(m('b'), { t: 'recoverUnclean', shard }));
  for (const [to, message] of sent.splice(0)) {
    t.same([to, message.to], [m('b'), 'a']);
    b.receive('a', message);
  }
  // Answers may overtake each other.
  for (const [to, message] of sent.splice(0).reverse()) {
    t.same(to, m('a'));
    a.receive('b', message);
    a.receive('b', message);
  }
  t.same(await Promise.all(answers), [{ t: 'taken' }, { t: 'refused', reason: 'busy' }]);
});

t.test('what is for this node is done here', async (t) => {
  const { a, sent } = pair();
  t.same(await a.ask(m('a'), { t: 'recoverUnclean', shard: 1 }), { t: 'taken' });
  t.same(sent, []);
});

t.test('no answer in time, or too many waiting, is an error that says so', async (t) => {
  const { a, sent, clock } = pair();
  const first = a.ask(m('b'), { t: 'copy', shard: 1 });
  const second = a.ask(m('b'), { t: 'copy', shard: 1 });
  await t.rejects(a.ask(m('b'), { t: 'copy', shard: 1 }), { name: 'OrderUnansweredError', message: /^2 orders wait/ });
  clock.advance(100);
  for (const one of [first, second]) await t.rejects(one, new OrderUnansweredError('b did not answer within 100 ms'));
  a.receive('b', { t: 'ordered', to: 'a', id: 'id1', answer: { t: 'taken' } });
  t.equal(sent.length, 2, 'a late answer is nothing');
});
