import type { Check } from '../cluster-world.ts';

/**
 * I3, I4: what the leader of the current epoch commits is on the disk of every member that the store has as in sync,
 * whether the leader knows already that it is so or not.
 */
export const commitIsEverywhere: Check = {
  name: 'commit-is-everywhere',
  reads: ['applied'],
  begin: (world) => ({
    onFact(fact) {
      if (fact.t !== 'applied' || fact.leads === undefined) return undefined;
      const { record } = world.store.current(fact.shard) ?? {};
      if (record?.epoch !== fact.leads) return undefined;
      for (const member of record.isr) {
        const host = world.hostOf(member);
        if (host.inc === member.inc && !host.disk.holds(fact.shard, fact.idx, fact.cell))
          return `shard ${fact.shard}: ${fact.idx}@${fact.cell.epoch} is committed, ${member.node} is in sync and lacks it`;
      }
      return undefined;
    },
  }),
};
