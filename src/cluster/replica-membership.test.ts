import t from 'tap';
import { commits, entries, hard, isr, led, m, op, type Rig, roles, testEnv } from './replica.fixture.ts';
import { openReplica, readableUntil, step } from './replica.ts';

const [N1, N2, N3] = [m('n1'), m('n2'), m('n3')];

t.test('a follower that dies is taken out, and one that comes back is caught up and taken in', async (t) => {
  const rig = led();
  rig.down('n3').pass(100);
  t.same(isr(rig), ['n1', 'n2']);
  rig.event('n1', { t: 'propose', items: [op('a')] });
  rig.settle();
  t.equal(rig.of('n1').state.commitIdx, 2);
  rig.of('n3').up = true;
  rig.suspect(N3, false).pass(600);
  t.same(isr(rig), ['n1', 'n2', 'n3']);
  t.equal(rig.of('n3').state.commitIdx, 2);
});

t.test('with two left the set does not shrink: commits wait, and a third copy is swapped in', async (t) => {
  const rig = led();
  rig.down('n3').pass(100);
  rig.down('n2').pass(100);
  t.same(isr(rig), ['n1', 'n2'], 'nobody is there to take the place');
  rig.event('n1', { t: 'propose', items: [op('a')] });
  rig.pass(300);
  t.equal(rig.of('n1').state.commitIdx, 1);
  rig.of('n3').up = true;
  rig.suspect(N3, false).pass(600);
  t.same(isr(rig).sort(), ['n1', 'n3']);
  t.equal(rig.of('n1').state.commitIdx, 2);
});

t.test('an in-sync member that answers heartbeats and acknowledges nothing is taken out in the end', async (t) => {
  const rig = led();
  rig.stuckDisks.add('n2');
  rig.event('n1', { t: 'propose', items: [op('a')] });
  rig.pass(5_000);
  t.same(isr(rig), ['n1', 'n2', 'n3']);
  rig.pass(6_000);
  t.same(isr(rig), ['n1', 'n3']);
  t.equal(rig.of('n1').state.commitIdx, 2);
});

t.test('a transfer stops admission, waits for the commit, and the target goes on in the next epoch', async (t) => {
  const rig = led();
  rig.event('n1', { t: 'propose', items: [op('a')] });
  rig.event('n1', { t: 'transfer', to: N2 });
  t.match(rig.take('n1', 'unready'), [{ reason: 'transfer' }]);
  t.match(rig.event('n1', { t: 'propose', items: [op('b')] }), [{ t: 'refused', reason: 'not-ready' }]);
  rig.settle();
  t.match(rig.config.record, { epoch: 2, leader: N2 });
  t.match(rig.take('n2', 'ready'), [{ epoch: 2 }]);
  rig.pass(300);
  t.match(rig.take('n1', 'commit'), [{ entries: [{ idx: 2 }] }, { entries: [{ idx: 3 }] }], 'as leader, as follower');
  t.same(roles(rig), ['following', 'leading', 'following']);
});

t.test('a transfer that does not get through admits writes again, but no reads while it may still win', async (t) => {
  const rig = led();
  rig.storeAnswers = false;
  rig.event('n1', { t: 'transfer', to: N2 });
  rig.settle().pass(1_200);
  t.match(rig.take('n1', 'ready'), [{ epoch: 1 }]);
  t.match(rig.event('n1', { t: 'propose', items: [op('b')] }), [{ t: 'proposed' }]);
  t.equal(readableUntil(rig.of('n1').state, rig.of('n1').env), Number.NEGATIVE_INFINITY);
});

t.test('a transfer or a change of copies is refused with the reason', async (t) => {
  const rig = led();
  t.match(rig.event('n2', { t: 'transfer', to: N1 }), [{ reason: 'not-leader' }]);
  t.match(rig.event('n1', { t: 'transfer', to: N1 }), [{ reason: 'no-change' }]);
  t.match(rig.event('n1', { t: 'transfer', to: m('n9') }), [{ reason: 'not-in-sync' }]);
  const change = (add: string[], remove: string[]) =>
    rig.event('n1', { t: 'replicas', add: add.map((node) => m(node)), remove: remove.map((node) => m(node)) });
  t.match(change([], ['n1']), [{ reason: 'leader-stays' }]);
  t.match(change(['n2'], []), [{ reason: 'no-change' }]);
  t.match(change(['a', 'b', 'c', 'd', 'e'], []), [{ reason: 'too-many-replicas' }]);
  t.match(change([], ['n2', 'n3']), [{ reason: 'too-few-in-sync' }]);
  rig.of('n1').env.suspects.add('n2/a');
  t.match(rig.event('n1', { t: 'transfer', to: N2 }), [{ reason: 'suspect' }]);
  rig.of('n1').env.suspects.clear();
  t.match(change(['n4'], []), [{ t: 'cas' }]);
  t.match(change(['n5'], []), [{ reason: 'busy' }]);
});

/** n1 leads with a log whose beginning is forgotten, n4 is a copy that is to be added. */
function trimmed(): Rig {
  const rig = led();
  for (const { env } of rig.copies.values())
    env.options = { ...env.options, tailEntriesMax: 4, catchUpBytesMax: 0, tailBytesMax: 10_000 };
  for (let i = 0; i < 20; i++) {
    rig.event('n1', { t: 'propose', items: [op(`${i}`)] });
    rig.settle();
  }
  rig.add(m('n4'));
  return rig;
}

t.test('a new copy is brought up by a snapshot when the log begins too late, and then joins', async (t) => {
  const rig = trimmed();
  t.ok(rig.of('n1').state.log.base.idx > 10, 'the beginning is forgotten');
  rig.event('n1', { t: 'replicas', add: [m('n4')], remove: [N3] });
  rig.settle().pass(600);
  t.match(rig.take('n1', 'snapshot'), [{ to: m('n4') }]);
  t.same(isr(rig).sort(), ['n1', 'n2', 'n4']);
  t.equal(rig.of('n4').state.commitIdx, 21);
  t.match(rig.take('n3', 'wipe'), [{ t: 'wipe' }], 'the old copy is dropped');
});

t.test('a snapshot that was sent and never installed is offered anew', async (t) => {
  const rig = trimmed();
  rig.installs = false;
  rig.event('n1', { t: 'replicas', add: [m('n4')], remove: [] });
  rig.settle().pass(5_000);
  t.equal(rig.take('n1', 'snapshot').length, 1);
  rig.installs = true;
  rig.pass(8_000);
  t.equal(rig.take('n1', 'snapshot').length, 1);
  t.same(isr(rig).sort(), ['n1', 'n2', 'n3', 'n4']);
});

t.test('the end of a snapshot of an earlier leadership is not taken for that of the present one', async (t) => {
  const rig = trimmed();
  rig.event('n1', { t: 'replicas', add: [m('n4')], remove: [] });
  rig.settle().pass(600);
  const [first] = rig.take('n1', 'snapshot');
  rig.event('n1', { t: 'transfer', to: N2 });
  rig.settle().event('n2', { t: 'transfer', to: N1 });
  rig.settle().pass(600);
  t.match(rig.config.record, { epoch: 3, leader: N1 });
  const { role } = rig.of('n1').state;
  const sessions = role.t === 'leading' ? role.progress.map(({ session }) => session) : [];
  t.notOk(sessions.includes(first?.session ?? 0), `${first?.session} is none of ${sessions}`);
});

t.test('a node that stops hands over what it leads, and leaves the in-sync set', async (t) => {
  const rig = led();
  rig.event('n1', { t: 'stop' });
  rig.settle().pass(500);
  t.match(rig.config.record, { epoch: 2, leader: N2 });
  t.same(isr(rig), ['n2', 'n3']);
  t.equal(rig.take('n1', 'drained').length, 1);
  rig.pass(3_000);
  t.same(isr(rig), ['n2', 'n3'], 'and is not taken in again while it lasts');
  rig.event('n1', { t: 'stay' });
  rig.settle().pass(3_000);
  t.same(isr(rig).sort(), ['n1', 'n2', 'n3'], 'but when it stays after all');
  rig.event('n1', { t: 'stop' });
  rig.settle().pass(500);
  t.equal(rig.take('n1', 'drained').length, 1, 'and may stop again');
});

t.test('a leader that cannot become ready alone takes in a copy that is added', async (t) => {
  const rig = led();
  rig.down('n3').pass(100);
  rig.event('n1', { t: 'propose', items: [op('a')] });
  rig.settle();
  rig.cutOff.add('n2');
  rig.down('n1').pass(100);
  t.match(rig.config.record, { epoch: 2, leader: N2, isr: [N2, N1] });
  rig.cutOff.clear();
  t.same(rig.take('n2', 'ready'), []);
  rig.add(m('n4'));
  rig.event('n2', { t: 'replicas', add: [m('n4')], remove: [] });
  rig.settle().pass(600);
  t.match(rig.take('n2', 'ready'), [{ epoch: 2 }]);
  t.same(isr(rig).sort(), ['n2', 'n4']);
});

t.test('after an unclean recovery members drop what the copy that was chosen lacks', async (t) => {
  const rig = led();
  rig.down('n3').pass(100);
  rig.event('n1', { t: 'propose', items: [op('lost'), op('too')] });
  rig.settle().down('n1', 'n2').pass(300);
  rig.of('n3').up = true;
  rig.event('n3', { t: 'config', at: rig.config });
  rig.suspect(N3, false).pass(500);
  t.match(rig.config.record, { epoch: 1 }, 'nobody takes over by himself');
  rig.event('n3', { t: 'recoverUnclean' });
  rig.settle();
  t.match(rig.take('n3', 'alarm'), [{ reason: 'unclean-recovery', halted: false }]);
  t.match(rig.config.record, { epoch: 2, leader: N3, isr: [N3], uncleanEpoch: 2 });
  t.same(rig.take('n3', 'ready'), [], 'one copy is not enough to go on');
  for (const node of ['n1', 'n2']) rig.of(node).up = true;
  rig.tellAll().suspect(N1, false).suspect(N2, false).pass(1_000);
  t.match(rig.take('n1', 'alarm'), [{ reason: 'unclean-dropped', halted: false }]);
  t.same(isr(rig).sort(), ['n1', 'n2', 'n3']);
  t.match(rig.take('n3', 'ready'), [{ epoch: 2 }]);
  t.same(commits(rig), [2, 2, 2]);
});

t.test('an unclean recovery is refused where there is nothing to recover from', async (t) => {
  const rig = led();
  t.match(rig.event('n1', { t: 'recoverUnclean' }), [{ t: 'refused', reason: 'busy' }]);
  const stranger = openReplica(0);
  t.match(step(stranger, { t: 'recoverUnclean' }, testEnv(m('n9'))), [{ t: 'refused', reason: 'no-copy' }]);
});

t.test('an in-sync member that lost what it acknowledged is taken out before its copy is replaced', async (t) => {
  const rig = led();
  for (const { env } of rig.copies.values()) env.options = { ...env.options, tailEntriesMax: 2 };
  for (let i = 0; i < 8; i++) {
    rig.event('n1', { t: 'propose', items: [op(`${i}`)] });
    rig.settle();
  }
  rig.pass(300).down('n1');
  rig.add(N3, {}, { hard: hard(1, N1), base: { idx: 0, epoch: 0 }, commitIdx: 0, entries: entries('') });
  rig.tellAll();
  rig.event('n2', { t: 'propose', items: [op('more')] });
  rig.settle().pass(11_000);
  t.match(rig.config.record, { epoch: 2, leader: N2, isr: [N2, N3] });
  t.match(rig.take('n2', 'alarm')[0], { reason: 'in-sync-lost-data', halted: false });
  t.same(rig.take('n2', 'snapshot'), [], 'two in sync is the least: it is not wiped while it counts');
  rig.of('n1').up = true;
  rig.suspect(N1, false).pass(2_000);
  t.same(isr(rig).sort(), ['n1', 'n2', 'n3'], 'swapped for another, replaced, and taken in again');
  t.equal(rig.of('n3').state.commitIdx, rig.of('n2').state.commitIdx);
});

t.test('a refusal of an earlier epoch, long on its way, says nothing of a follower of this one', async (t) => {
  const rig = led();
  rig.event('n1', { t: 'propose', items: [op('one')] });
  rig.settle();
  const { epoch } = rig.config.record;
  for (let session = 1; session < 6; session++) {
    for (const reason of ['gap', 'diverged'] as const) {
      const late = {
        t: 'refuse',
        shard: 0,
        reason,
        epoch: epoch - 1,
        session,
        prevIdx: 1,
        hint: { idx: 0, epoch: 0 },
      } as const;
      t.same(rig.event('n1', { t: 'message', from: N2, message: late }), [], `${reason} ${session}`);
    }
  }
  rig.pass(300);
  t.same(rig.take('n1', 'alarm'), []);
  const now = { t: 'refuse', shard: 0, reason: 'diverged', epoch, prevIdx: 1, hint: { idx: 0, epoch: 0 } } as const;
  for (let session = 1; session < 6; session++)
    rig.event('n1', { t: 'message', from: N2, message: { ...now, session } });
  t.match(rig.take('n1', 'alarm'), [{ reason: 'in-sync-lost-data' }], 'one of this epoch does');
});
