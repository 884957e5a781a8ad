import t, { type Test } from 'tap';
import { groupTopology, pairTopology, type Topology } from './topology.ts';

function consistent(t: Test, topology: Topology, users: number): void {
  const seen = new Set<number>();
  for (let receiver = 0; receiver < users; receiver++) {
    for (let sender = 0; sender < users; sender++) {
      const flow = topology.flow(receiver, sender);
      if (flow < 0) continue;
      t.notOk(seen.has(flow), 'no two pairs of users share a flow');
      seen.add(flow);
      t.equal(topology.flows[flow], sender, 'a flow knows its sender');
    }
  }
  t.equal(seen.size, topology.flows.length, 'every flow has a receiver');
  for (const sender of topology.senders) {
    const receivers = Array.from({ length: users }, (_, r) => r).filter((r) => topology.flow(r, sender) >= 0);
    t.equal(receivers.length, topology.copies, 'each message has as many receivers as copies');
    t.equal(receivers.filter((r) => topology.closes(r, sender)).length, 1, 'exactly one delivery ends a turn');
  }
}

t.test('in pairs everyone sends to the other and to nobody else', async (t) => {
  const topology = pairTopology(6, (i) => `u${i}@d`);
  consistent(t, topology, 6);
  t.match(topology.head(2), "to='u3@d'");
});

t.test('in groups everyone hears the speaking members of the own group', async (t) => {
  for (const [groups, members, speaking] of [
    [1, 3, 1],
    [3, 4, 2],
    [2, 5, 5],
  ] as const) {
    const topology = groupTopology(groups, members, speaking, (g) => `g${g}@c`);
    t.equal(topology.senders.length, groups * speaking);
    consistent(t, topology, groups * members);
  }
});
