import t from 'tap';
import { entries, hard, m, record, testEnv } from './replica.fixture.ts';
import { openReplica, step } from './replica.ts';
import type { ReplicaEffect, ReplicaMessage } from './replica-types.ts';

const N2 = m('n2');
const LEADER = m('n1');

type Append = Extract<ReplicaMessage, { t: 'append' }>;

function append(prevIdx: number, prevEpoch: number, epochs: string, change: Partial<Append> = {}): Append {
  const list = entries(epochs, prevIdx);
  const of = { t: 'append', shard: 0, epoch: 3, session: 2, revision: 5 } as const;
  return { ...of, prevIdx, prevEpoch, entries: list, commitIdx: 0, stamp: 1, ...change };
}

function follower(epochs: string, base = 0, commitIdx = base, baseEpoch = base === 0 ? 0 : 1) {
  return openReplica(0, {
    hard: hard(2, m('n3')),
    base: { idx: base, epoch: baseEpoch },
    commitIdx,
    entries: entries(epochs, base),
  });
}

const deliver = (state: ReturnType<typeof follower>, message: ReplicaMessage, from = LEADER) =>
  step(state, { t: 'message', from, message }, testEnv(N2));

const kinds = (effects: readonly ReplicaEffect[]): string[] =>
  effects.map((effect) => (effect.t === 'send' ? effect.message.t : effect.t));

const answer = (effects: readonly ReplicaEffect[]): ReplicaMessage | undefined =>
  effects.flatMap((effect) => (effect.t === 'send' ? [effect.message] : []))[0];

t.test('an append is taken where it fits, and truncates only what differs by epoch', async (t) => {
  const table: [log: string, message: Append, becomes: string, truncateTo: number | undefined][] = [
    ['', append(0, 0, '1 1'), '1 1', undefined],
    ['1', append(1, 1, '3'), '1 3', undefined],
    ['1 1 2', append(2, 1, '3 3'), '1 1 3 3', 2],
    ['1 1 3', append(1, 1, '1 3 3'), '1 1 3 3', undefined],
    ['1 1 2 2', append(1, 1, '1'), '1 1 2 2', undefined],
    ['1 2 2', append(0, 0, '1 3'), '1 3', 1],
  ];
  for (const [log, message, becomes, truncateTo] of table) {
    const state = follower(log);
    const written = deliver(state, message).find((effect) => effect.t === 'append');
    t.equal(state.log.entries.map(({ epoch }) => epoch).join(' '), becomes, `[${log}] after ${message.prevIdx}`);
    t.equal(written?.t === 'append' ? written.truncateTo : undefined, truncateTo);
  }
});

t.test('an append that does not fit is refused with the last place that may', async (t) => {
  const table: [log: string, base: number, message: Append, hint: [idx: number, epoch: number]][] = [
    ['1 1', 0, append(5, 2, '3'), [2, 1]],
    ['1 1 2', 0, append(3, 1, '3'), [2, 1]],
    ['1 1 2', 0, append(3, 3, '3'), [3, 2]],
    ['2 2', 4, append(2, 1, ''), [4, 1]],
  ];
  for (const [log, base, message, [idx, epoch]] of table) {
    const state = follower(log, base);
    const refusal = answer(deliver(state, message));
    t.match(refusal, { t: 'refuse', reason: 'gap', prevIdx: message.prevIdx, hint: { idx, epoch } });
    t.equal(state.log.entries.length, entries(log).length, 'the log is as it was');
  }
});

t.test('nothing is acknowledged before both promise and entries are on disk', async (t) => {
  const state = follower('1');
  const effects = deliver(state, append(1, 1, '3 3'));
  t.same(kinds(effects), ['persist', 'append']);
  t.same(kinds(step(state, { t: 'written', upTo: 1 }, testEnv(N2))), ['ack'], 'the promise is, the old entry is');
  t.match(answer(step(state, { t: 'written', upTo: 2 }, testEnv(N2))), { t: 'ack', epoch: 3, session: 2, matchIdx: 3 });
});

t.test('only what agrees with the leader is acknowledged, and applied no further than it has committed', async (t) => {
  const state = follower('1 1 2 2', 0, 1);
  deliver(state, append(1, 1, '1', { commitIdx: 4 }));
  const effects = step(state, { t: 'written', upTo: 1 }, testEnv(N2));
  t.match(answer(effects), { t: 'ack', matchIdx: 2, commitIdx: 2 });
  t.match(
    effects.find((effect) => effect.t === 'commit'),
    { entries: [{ idx: 2, epoch: 1 }] },
  );
});

t.test('older epochs are refused by the promise and by the configuration', async (t) => {
  const promised = follower('1');
  t.match(answer(deliver(promised, append(1, 1, '1', { epoch: 1 }))), { t: 'refuse', reason: 'epoch', epoch: 2 });
  const told = follower('1');
  const at = { record: record({ epoch: 7, leader: m('n3') }), revision: 9 };
  step(told, { t: 'config', at }, testEnv(N2));
  t.match(answer(deliver(told, append(1, 1, '3'))), { t: 'refuse', reason: 'epoch', epoch: 7 });
});

t.test('another leader of the promised epoch halts the shard', async (t) => {
  const state = follower('1');
  deliver(state, append(1, 1, '3'));
  const effects = deliver(state, append(1, 1, '3'), m('n3'));
  t.match(effects, [{ t: 'alarm', reason: 'two-leaders', halted: true }]);
  t.same(deliver(state, append(1, 1, '3')), [], 'and nothing is answered any more');
});

t.test('a session that is over is not answered', async (t) => {
  const state = follower('1');
  deliver(state, append(1, 1, '3'));
  t.same(deliver(state, append(1, 1, '3 3', { session: 1 })), []);
});

t.test('what contradicts the committed log halts the shard, and truncates nothing', async (t) => {
  for (const message of [append(1, 1, '3'), append(2, 2, '3'), append(0, 0, '3')]) {
    const state = follower('1 1 1', 0, 3);
    const config = record({ epoch: 3, leader: LEADER });
    step(state, { t: 'config', at: { record: config, revision: 5 } }, testEnv(N2));
    const effects = deliver(state, message);
    t.match(effects.at(-1), { t: 'alarm', reason: 'committed-diverged', halted: true });
    t.equal(state.log.entries.length, 3);
  }
});

t.test('an offer wipes the copy once, and its repetition never again', async (t) => {
  const state = follower('1 1 1', 0, 2);
  const offer = { t: 'offer', shard: 0, epoch: 3, session: 4, revision: 5 } as const;
  t.same(kinds(deliver(state, offer)), ['persist', 'load']);
  t.equal(state.log.entries.length, 0);
  t.same(kinds(step(state, { t: 'written', upTo: 2 }, testEnv(N2))), ['loading'], 'when the mark is on disk');
  t.same(kinds(deliver(state, offer)), ['loading'], 'an answer that was lost is given again');
  t.same(deliver(state, append(9, 2, '3', { session: 4 })), [], 'the tail has to wait');
  const at = { idx: 9, epoch: 2 };
  t.same(step(state, { t: 'installed', epoch: 3, session: 3, at }, testEnv(N2)), [], 'another load is not this one');
  const installed = step(state, { t: 'installed', epoch: 3, session: 4, at }, testEnv(N2));
  t.match(answer(installed), { t: 'ack', session: 4, matchIdx: 9 });
  t.same(kinds(deliver(state, offer)), ['ack'], 'a late repetition is answered with what is here');
  t.equal(state.log.base.idx, 9);
});

t.test('a restart between offer and snapshot is told to the leader', async (t) => {
  const state = openReplica(0, {
    hard: hard(3, LEADER, 4, 5),
    base: { idx: 0, epoch: 0 },
    commitIdx: 0,
    entries: [],
  });
  const offer = { t: 'offer', shard: 0, epoch: 3, session: 4, revision: 5 } as const;
  t.match(answer(deliver(state, offer)), { t: 'refuse', reason: 'gap', session: 4, hint: { idx: 0 } });
});

t.test('another session voids a copy that is half loaded', async (t) => {
  const state = follower('1');
  deliver(state, { t: 'offer', shard: 0, epoch: 3, session: 4, revision: 5 });
  t.same(kinds(deliver(state, append(0, 0, '1', { session: 5 }))), ['persist', 'wipe', 'append']);
  t.equal(state.loading, undefined);
});

t.test('a copy is dropped when the configuration has no place for it, but not by an older one', async (t) => {
  const gone = record({ epoch: 3, leader: LEADER, isr: [LEADER, m('n3')], replicas: [LEADER, m('n3')] });
  const state = follower('1');
  deliver(state, append(1, 1, '3', { revision: 7 }));
  const older = step(state, { t: 'config', at: { record: gone, revision: 6 } }, testEnv(N2));
  t.same(kinds(older), []);
  t.same(kinds(step(state, { t: 'config', at: { record: gone, revision: 8 } }, testEnv(N2))), ['wipe']);
  t.equal(state.hard.epoch, 3, 'the promise stays');
});
