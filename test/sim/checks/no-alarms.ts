import type { Check } from '../cluster-world.ts';

/** Faults of the network, the disks and the store never bring a replica to halt: an alarm is a broken rule. */
export const noAlarms: Check = {
  name: 'no-alarms',
  reads: ['alarm'],
  begin: () => ({
    onFact: (fact) => (fact.t === 'alarm' ? `shard ${fact.shard}: n${fact.node} says ${fact.detail}` : undefined),
  }),
};
