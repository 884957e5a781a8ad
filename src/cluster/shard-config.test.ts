import t from 'tap';
import { m, record } from './replica.fixture.ts';
import { checkShardConfig, hasMember, memberName, sameMember, sameMembers } from './shard-config.ts';

t.test('a member is its node with its incarnation', async (t) => {
  t.ok(sameMember(m('n1'), m('n1')));
  t.notOk(sameMember(m('n1'), m('n1', 'b')));
  t.notOk(sameMember(m('n1'), undefined));
  t.ok(sameMember(undefined, undefined));
  t.notOk(hasMember([m('n1'), m('n2')], m('n2', 'b')));
  t.ok(sameMembers([m('n1'), m('n2')], [m('n2'), m('n1')]));
  t.notOk(sameMembers([m('n1')], [m('n1'), m('n2')]));
  t.equal(memberName(m('n1')), 'n1/a');
  t.equal(memberName(undefined), 'nobody');
});

t.test('a record that says what it must is taken as it is', async (t) => {
  for (const config of [
    record({}),
    record({ epoch: 3, leader: m('n2'), isr: [m('n2'), m('n3')] }),
    record({ epoch: 4, leader: m('n1'), isr: [m('n1')], uncleanEpoch: 4 }),
  ])
    t.same(checkShardConfig(JSON.parse(JSON.stringify(config)), 0), { ok: true, config });
  t.same(checkShardConfig({ ...record({}), leader: null }, 0), { ok: true, config: record({}) }, 'null is nobody');
});

t.test('a record that cannot be right is refused, with the reason', async (t) => {
  const table: [value: unknown, reason: RegExp][] = [
    [undefined, /not an object/],
    ['x', /not an object/],
    [{ ...record({}), v: 2 }, /version 2/],
    [record({ shard: 9 }), /of shard 9/],
    [record({ epoch: -1 }), /epoch/],
    [record({ epoch: 1.5 }), /epoch/],
    [record({ nonce: '' }), /nonce/],
    [record({ replicas: [] }), /replicas/],
    [record({ replicas: [m('n1'), m('n1')] }), /distinct/],
    [record({ replicas: Array.from({ length: 8 }, (_, i) => m(`n${i}`)) }), /1 to 7/],
    [record({ isr: [] }), /isr/],
    [record({ isr: [m('n1'), m('n9')] }), /no replica/],
    [record({ leader: m('n3'), isr: [m('n1'), m('n2')] }), /leader is not in sync/],
    [record({ leader: m('n1', 'b') }), /leader is not in sync/],
    [{ ...record({}), isr: [{ node: 'n1' }] }, /isr/],
    [{ ...record({}), uncleanEpoch: 'x' }, /uncleanEpoch/],
  ];
  for (const [value, reason] of table) {
    const checked = checkShardConfig(value, 0);
    t.notOk(checked.ok);
    t.match(checked.ok ? '' : checked.reason, reason);
  }
});
