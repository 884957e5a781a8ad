import t from 'tap';
import { commits, hard, isr, led, m, op, Rig, record, roles, testEnv } from './replica.fixture.ts';
import { needsTick, openReplica, readableUntil, step } from './replica.ts';
import type { ReplicaMessage } from './replica-types.ts';
import { memberName, type ShardConfig } from './shard-config.ts';

const [N1, N2, N3] = [m('n1'), m('n2'), m('n3')];

t.test('the first in-sync member leads a new shard, and is ready when its no-op is everywhere', async (t) => {
  const rig = new Rig(record({})).tellAll();
  rig.stuckDisks.add('n3');
  rig.settle();
  t.same(roles(rig), ['leading', 'following', 'following']);
  t.same(rig.take('n1', 'ready'), [], 'one disk is not done');
  rig.stuckDisks.clear();
  rig.event('n3', { t: 'written', upTo: 2 });
  rig.settle();
  t.match(rig.take('n1', 'ready'), [{ epoch: 1 }]);
  t.match(rig.config.record, { epoch: 1, leader: N1 });
});

t.test('a proposal is committed when the whole in-sync set has it, and the others hear of it', async (t) => {
  const rig = led();
  rig.cutOff.add('n2');
  rig.event('n1', { t: 'propose', items: [op('a'), op('b')] });
  rig.settle();
  t.match(rig.take('n1', 'proposed'), [{ first: { idx: 2, epoch: 1 }, count: 2 }]);
  t.same(rig.take('n1', 'commit'), []);
  rig.cutOff.clear();
  rig.pass(400);
  t.match(rig.take('n1', 'commit'), [{ entries: [{ idx: 2 }, { idx: 3 }] }]);
  t.same(commits(rig), [3, 3, 3]);
});

t.test('a shard that is idle and known everywhere sends nothing and needs no ticks', async (t) => {
  const rig = led().pass(500);
  const { length } = rig.sent;
  for (const { state } of rig.copies.values()) t.notOk(needsTick(state));
  rig.pass(5_000);
  t.equal(rig.sent.length, length);
});

t.test('a node that is alone leads without peers, and commits by its own disk', async (t) => {
  const rig = new Rig(record({ isr: [N1], replicas: [N1] }), { copies: 1 }).tellAll().settle();
  rig.event('n1', { t: 'propose', items: [op('a')] });
  rig.settle();
  t.equal(rig.of('n1').state.commitIdx, 2);
  t.equal(readableUntil(rig.of('n1').state, rig.of('n1').env), Number.POSITIVE_INFINITY);
});

t.test('a proposal is refused with the reason', async (t) => {
  const rig = led();
  const ask = (node: string, items = [op('x')]) => rig.event(node, { t: 'propose', items });
  t.match(ask('n2'), [{ t: 'refused', reason: 'not-leader' }]);
  rig.of('n1').env.options = { ...rig.of('n1').env.options, uncommittedEntriesMax: 2 };
  t.match(ask('n1', [op('1'), op('2'), op('3')]), [{ t: 'refused', what: 'propose', reason: 'full' }]);
  t.match(ask('n1', [op('1')]), [{ t: 'proposed' }]);
  rig.of('n1').env.options = { ...rig.of('n1').env.options, uncommittedBytesMax: 8 };
  t.match(ask('n1', [op('2')]), [{ t: 'refused', reason: 'full' }]);
});

t.test('a follower gets no more than its window holds, and goes on as it acknowledges', async (t) => {
  const rig = led().pass(500);
  const { env } = rig.of('n1');
  env.options = { ...env.options, windowBytes: 100, appendBytesMax: 40 };
  rig.sent.length = 0;
  rig.event('n1', { t: 'propose', items: Array.from({ length: 9 }, () => op('12345678')) });
  const appends = rig.sent.filter(({ to, message }) => to.node === 'n2' && message.t === 'append');
  t.equal(appends.length, 3);
  rig.settle();
  t.equal(rig.of('n1').state.commitIdx, 10);
});

t.test('when the leader dies the next in-sync member leads with everything committed', async (t) => {
  const rig = led();
  rig.event('n1', { t: 'propose', items: [op('a')] });
  rig.settle().down('n1').pass(300);
  t.match(rig.config.record, { epoch: 2, leader: N2, isr: [N2, N3] });
  t.match(rig.take('n2', 'ready'), [{ epoch: 2 }]);
  t.equal(rig.of('n2').state.commitIdx, 3);
  rig.of('n1').up = true;
  rig.suspect(N1, false).pass(600);
  t.match(rig.take('n1', 'unready'), [{ reason: 'deposed' }]);
  t.same(isr(rig).sort(), ['n1', 'n2', 'n3']);
  t.same(commits(rig), [3, 3, 3]);
});

t.test('a member that is not in sync does not take over', async (t) => {
  const rig = led();
  rig.down('n3').pass(100);
  rig.event('n1', { t: 'propose', items: [op('a')] });
  rig.settle();
  rig.of('n3').up = true;
  rig.cutOff.add('n3');
  rig.suspect(N3, false).down('n1', 'n2').pass(2_000);
  t.match(rig.config.record, { epoch: 1, leader: N1 });
});

t.test('a leader that starts again takes the next epoch', async (t) => {
  const rig = led();
  const recovered = {
    hard: hard(1, N1, 0),
    base: { idx: 0, epoch: 0 },
    commitIdx: 0,
    entries: rig.of('n1').state.log.entries,
  };
  rig.add(N1, { staggerMs: 0, spreadMs: 0 }, recovered);
  rig.tellAll().settle();
  t.match(rig.config.record, { epoch: 2, leader: N1 });
  t.equal(rig.of('n1').state.commitIdx, 2);
});

t.test('a lost answer of the store is settled by the same compare-and-set', async (t) => {
  const rig = new Rig(record({}));
  rig.storeAnswers = false;
  rig.tellAll().settle();
  const [first] = rig.take('n1', 'cas');
  rig.pass(200);
  const again = rig.take('n1', 'cas');
  t.ok(again.length > 0);
  for (const { expected, record: same } of again) t.same([expected, same], [first?.expected, first?.record]);
  rig.storeAnswers = true;
  rig.pass(3_000);
  t.match(rig.config.record, { epoch: 1 });
  t.same(
    [...rig.copies.values()].map(({ state }) => state.cas),
    [undefined, undefined, undefined],
  );
});

t.test('a late append of a leader that is gone does not disarm the take-over', async (t) => {
  const rig = led().pass(500);
  for (const { env } of rig.copies.values()) env.options = { ...env.options, staggerMs: 100 };
  const append = rig.sent.findLast(({ to, message }) => to.node === 'n3' && message.t === 'append');
  rig.down('n1', 'n2');
  if (append !== undefined) rig.event('n3', { t: 'message', from: N1, message: append.message });
  t.ok(needsTick(rig.of('n3').state));
  rig.pass(500);
  t.match(rig.config.record, { epoch: 2, leader: N3 });
});

t.test('members that hear the store and not each other leave one another ever more time', async (t) => {
  const pair = [N1, N2];
  const rig = new Rig(record({ isr: pair, replicas: pair }), { duelMs: 500, duelMsMax: 16_000 }).tellAll().settle();
  rig.cutOff.add('n1').add('n2');
  for (const { env } of rig.copies.values()) for (const member of pair) env.suspects.add(memberName(member));
  for (const node of ['n1', 'n2']) rig.event(node, { t: 'peers' });
  const epochs = [0, 2_000, 8_000, 32_000].map((ms) => rig.settle().pass(ms).config.record.epoch);
  t.same(epochs, [2, 4, 6, 8]);
  rig.cutOff.clear();
  for (const { env } of rig.copies.values()) env.suspects.clear();
  rig.pass(3_000);
  const leader = rig.config.record.leader?.node ?? '';
  rig.event(leader, { t: 'propose', items: [op('at last')] });
  rig.settle().pass(500);
  t.equal(new Set(commits(rig)).size, 1, 'and agree as soon as they hear each other');
  t.ok(commits(rig)[0]! > 1);
});

t.test('a configuration that goes backwards halts the shard', async (t) => {
  const known = { record: record({ epoch: 4, leader: N1, nonce: 'x' }), revision: 10 };
  const table: [what: string, change: Partial<ShardConfig>, revision: number, halts: boolean][] = [
    ['the same again', known.record, 10, false],
    ['an older revision, come late', { epoch: 3, leader: N2 }, 9, false],
    ['a revision with another content', { ...known.record, nonce: 'y' }, 10, true],
    ['an older epoch in a newer revision', { epoch: 3, leader: N1 }, 11, true],
    ['an epoch with another leader', { epoch: 4, leader: N2 }, 11, true],
    ['the next epoch', { epoch: 5, leader: N2 }, 11, false],
  ];
  for (const [what, change, revision, halts] of table) {
    const state = openReplica(0);
    const env = testEnv(N3);
    step(state, { t: 'config', at: known }, env);
    const effects = step(state, { t: 'config', at: { record: record(change), revision } }, env);
    t.equal(state.halted, halts, what);
    if (halts) t.match(effects.at(-1), { t: 'alarm', reason: 'config-backwards', halted: true });
    t.equal(state.config?.revision, halts ? 10 : Math.max(10, revision));
  }
});

t.test('a configuration older than a promise on disk halts the shard, also after a restart', async (t) => {
  const recovered = { hard: hard(6, N1, 1, 20), base: { idx: 0, epoch: 0 }, commitIdx: 0, entries: [] };
  const fresh = openReplica(0, recovered);
  step(fresh, { t: 'config', at: { record: record({ epoch: 5, leader: N2 }), revision: 19 } }, testEnv(N3));
  t.notOk(fresh.halted, 'a watch that is late');
  const effects = step(
    fresh,
    { t: 'config', at: { record: record({ epoch: 5, leader: N2 }), revision: 20 } },
    testEnv(N3),
  );
  t.match(effects, [{ t: 'alarm', reason: 'config-backwards' }]);
  t.match(step(fresh, { t: 'propose', items: [] }, testEnv(N3)), [{ t: 'refused', reason: 'halted' }]);
});

t.test('a store that keeps answering with a revision below the one expected halts the shard', async (t) => {
  const rig = new Rig(record({}));
  rig.storeAnswers = false;
  rig.tellAll();
  const [cas] = rig.take('n1', 'cas');
  const nonce = cas?.record.nonce ?? '';
  const current = { record: record({ nonce: 'ancient' }), revision: 0 };
  for (let i = 1; i <= 5; i++) {
    t.notOk(rig.of('n1').state.halted);
    rig.event('n1', { t: 'casResult', nonce, outcome: { t: 'conflict', current } });
  }
  t.match(rig.take('n1', 'alarm'), [{ reason: 'config-backwards', halted: true }]);
});

t.test('messages of strangers and of other epochs change nothing', async (t) => {
  const rig = led();
  const before = rig.of('n1').state.commitIdx;
  rig.event('n1', { t: 'propose', items: [op('a')] });
  const told = { stamp: 1, contends: false };
  const table: [from: string, message: ReplicaMessage][] = [
    ['n9', { t: 'ack', shard: 0, epoch: 1, session: 1, matchIdx: 2, commitIdx: 2, ...told }],
    ['n2', { t: 'ack', shard: 0, epoch: 9, session: 1, matchIdx: 2, commitIdx: 2, ...told }],
    ['n2', { t: 'ack', shard: 0, epoch: 1, session: 99, matchIdx: 2, commitIdx: 2, ...told }],
    ['n2', { t: 'ack', shard: 0, epoch: 1, session: 1, matchIdx: 99, commitIdx: 99, ...told }],
    ['n9', { t: 'loading', shard: 0, epoch: 1, session: 1 }],
    ['n9', { t: 'leave', shard: 0, epoch: 1 }],
  ];
  for (const [from, message] of table) {
    const effects = rig.event('n1', { t: 'message', from: m(from), message });
    t.same(
      effects.filter((effect) => effect.t !== 'send'),
      [],
      `${message.t} of ${from}`,
    );
  }
  t.equal(rig.of('n1').state.commitIdx, before);
});
