import type { Check } from '../cluster-world.ts';

/**
 * I11: what a client was told to be safe is in the log of every later leader at the same index, once. A leader that has
 * been deposed and does not know it may still acknowledge; then the newer leaders must have it already.
 */
export const ackedInLaterLeaders: Check = {
  name: 'acked-in-later-leaders',
  reads: ['acked', 'leads'],
  begin(world) {
    const acked: { idx: number; epoch: number; op: number }[][] = [];
    const newest: { epoch: number; cells: readonly { epoch: number; op: number }[] }[] = [];
    const missing = (shard: number, one: { idx: number; epoch: number; op: number }): string | undefined => {
      const cell = newest[shard]?.cells[one.idx - 1];
      if (cell?.epoch === one.epoch && cell.op === one.op) return undefined;
      const has = cell === undefined ? 'nothing there' : `${cell.op}@${cell.epoch}`;
      const what = `write ${one.op} at ${one.idx}@${one.epoch} is acknowledged`;
      return `shard ${shard}: ${what}, the leader of ${newest[shard]?.epoch} has ${has}`;
    };
    return {
      onFact(fact) {
        if (fact.t === 'acked') {
          const list = acked[fact.shard] ?? [];
          acked[fact.shard] = list;
          list.push(fact);
          return (newest[fact.shard]?.epoch ?? 0) > fact.epoch ? missing(fact.shard, fact) : undefined;
        }
        if (fact.t !== 'leads') return undefined;
        if (fact.epoch < (newest[fact.shard]?.epoch ?? 0)) return undefined;
        const { cells = [] } = world.nodes[fact.node]?.process?.shards[fact.shard] ?? {};
        newest[fact.shard] = { epoch: fact.epoch, cells: [...cells] };
        for (const one of acked[fact.shard] ?? []) {
          const fault = missing(fact.shard, one);
          if (fault !== undefined) return fault;
        }
        return undefined;
      },
      atEnd() {
        for (let shard = 0; shard < world.profile.shards; shard++) {
          const { leader } = world.store.current(shard)?.record ?? {};
          const cells = leader === undefined ? undefined : world.hostOf(leader).process?.shards[shard]?.cells;
          if (cells === undefined) continue;
          const ops = cells.filter(({ op }) => op !== 0).map(({ op }) => op);
          if (new Set(ops).size < ops.length) return `shard ${shard}: a write is in the log twice`;
          const lost = (acked[shard] ?? []).find(({ idx, op }) => cells[idx - 1]?.op !== op);
          if (world.healed && lost !== undefined) return `shard ${shard}: write ${lost.op} is lost in the end`;
        }
        return undefined;
      },
    };
  },
};
