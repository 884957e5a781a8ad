import t from 'tap';
import { led, m, op } from './replica.fixture.ts';
import { needsTick, readableUntil } from './replica.ts';

const [N1, N2, N3] = [m('n1'), m('n2'), m('n3')];

t.test('an addition that may have won counts for commits and for reads', async (t) => {
  const rig = led();
  rig.down('n3').pass(100);
  rig.storeAnswers = false;
  rig.of('n3').up = true;
  rig.suspect(N3, false).pass(600);
  t.not(rig.of('n1').state.cas, undefined, 'the addition is on its way');
  rig.cutOff.add('n3');
  rig.event('n1', { t: 'propose', items: [op('a')] });
  rig.settle();
  t.equal(rig.of('n1').state.commitIdx, 1);
  rig.event('n1', { t: 'read' });
  rig.settle();
  t.equal(readableUntil(rig.of('n1').state, rig.of('n1').env), Number.NEGATIVE_INFINITY);
});

t.test('reads are answered within the lease of every in-sync member', async (t) => {
  const rig = led();
  const { state, env } = rig.of('n1');
  env.lease = 4_711;
  t.equal(readableUntil(state, env), 4_711);
  t.equal(readableUntil(rig.of('n2').state, rig.of('n2').env), Number.NEGATIVE_INFINITY);
});

t.test('after a lapse of the lease reads wait until the in-sync set has said that it has not deposed us', async (t) => {
  for (const tellsSince of [true, false]) {
    const rig = led().pass(500);
    const { state, env } = rig.of('n1');
    const may = (): boolean => readableUntil(state, env) > env.now;
    env.lease = env.now + 50;
    rig.event('n1', { t: 'read' });
    rig.settle();
    t.ok(may());
    env.lease = env.now + 100;
    if (tellsSince) Object.assign(env.peers, { leaseSince: () => 0 });
    t.ok(may());
    env.now += 200;
    t.notOk(may());
    env.lease = env.now + 1_000;
    if (tellsSince) Object.assign(env.peers, { leaseSince: () => env.now });
    t.notOk(may(), 'a lease that came back says nothing about the time between');
    rig.event('n1', { t: 'read' });
    rig.settle();
    t.ok(may(), 'the followers say it');
  }
});

t.test(
  'who sets out to depose the leader has that on disk first, and says so until it cannot win any more',
  async (t) => {
    const rig = led().pass(500);
    rig.storeAnswers = false;
    rig.of('n2').env.suspects.add('n1/a');
    rig.event('n2', { t: 'peers' });
    t.match(rig.take('n2', 'persist'), [{ hard: { epoch: 1, contends: rig.config.revision } }]);
    t.same(rig.take('n2', 'cas'), [], 'not before it is on disk');
    rig.settle();
    t.match(rig.take('n2', 'cas'), [{ record: { epoch: 2, leader: N2 } }]);
    rig.of('n2').env.suspects.clear();
    const until = (): number => readableUntil(rig.of('n1').state, rig.of('n1').env);
    rig.event('n1', { t: 'propose', items: [op('a')] });
    rig.settle().pass(300);
    t.equal(rig.of('n1').state.commitIdx, 2, 'writes go on');
    rig.of('n1').env.lease = rig.of('n1').env.now + 50;
    rig.event('n1', { t: 'read' });
    rig.settle();
    t.equal(until(), Number.NEGATIVE_INFINITY, 'reads do not');
    const { log, hard: kept } = rig.of('n2').state;
    rig.add(N2, {}, { hard: kept, base: log.base, commitIdx: 2, entries: log.entries });
    rig.storeAnswers = true;
    rig.tellAll();
    const [settles] = rig.take('n2', 'cas');
    t.match(settles?.record, { epoch: 1, leader: N1 }, 'a new life outruns what the old one may have sent');
    rig.settle().event('n1', { t: 'read' });
    rig.settle();
    t.ok(until() > 0);
  },
);

t.test('a suspicion that passes before its mark is on disk is withdrawn', async (t) => {
  const rig = led().pass(500);
  rig.stuckDisks.add('n2');
  rig.of('n2').env.suspects.add('n1/a');
  rig.event('n2', { t: 'peers' });
  rig.of('n2').env.suspects.clear();
  rig.event('n2', { t: 'peers' });
  t.match(rig.take('n2', 'persist'), [{ hard: { contends: 2 } }, { hard: { contends: undefined } }]);
  rig.stuckDisks.clear();
  rig.settle();
  t.same(rig.take('n2', 'cas'), []);
  t.notOk(needsTick(rig.of('n2').state));
});
