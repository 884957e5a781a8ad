import t from 'tap';
import type { Runtime } from './actors/runtime.ts';
import type { Member, ShardConfig } from './cluster/shard-config.ts';
import { isReady, type ReadyCluster } from './node-checks.ts';
import type { OrderAnswer } from './node-orders.ts';
import type { LogStore } from './storage/log-store.ts';

const m = (node: string, inc = 'a'): Member => ({ node, inc });

/** A node that leads these shards of four, and what it writes. */
function node(leads: readonly number[], writable = true) {
  const rows = new Map<string, unknown>();
  const runtime: Pick<Runtime, 'leads' | 'write'> = {
    leads: (shard) => leads.includes(shard),
    write: async (shard, writes) => {
      for (const write of writes) if (write.t === 'put') rows.set(`${shard}/${write.key}`, write.value);
    },
  };
  const store: Pick<LogStore, 'writable' | 'get'> = { writable, get: (shard, key) => rows.get(`${shard}/${key}`) };
  const ready = (cluster?: ReadyCluster) => isReady(store as LogStore, runtime as Runtime, 4, cluster);
  return { rows, ready };
}

function cluster(
  leaders: readonly (Member | undefined)[],
  answer: (node: string) => Promise<OrderAnswer>,
  state: 'up' | 'draining' = 'up',
): { readonly asked: string[]; readonly parts: ReadyCluster } {
  const asked: string[] = [];
  const parts: ReadyCluster = {
    self: m('n1'),
    nodes: { self: { state } },
    host: { config: (shard) => leaders[shard] && ({ leader: leaders[shard] } as ShardConfig) },
    order: (to, order) => {
      asked.push(`${to.node} ${order.t}`);
      return answer(to.node);
    },
  };
  return { asked, parts };
}

const refused = async (): Promise<OrderAnswer> => ({ t: 'refused', reason: 'no-copy' });

t.test('who leads a shard writes a row of it and reads it back', async (t) => {
  const { rows, ready } = node([2]);
  t.same(await ready(), { ready: true });
  t.same([...rows.keys()], ['2/ready-check']);
  const { asked, parts } = cluster([m('n2')], refused);
  t.same(await ready(parts), { ready: true });
  t.same(asked, []);
  t.match(await node([2], false).ready(), { ready: false, reason: /disk full/ });
});

t.test('a node that has joined and leads nothing is ready when a leader answers it', async (t) => {
  const { ready } = node([]);
  t.match(await ready(), { ready: false, reason: 'this node leads no shard' });
  const one = cluster([m('n2'), m('n2'), undefined, m('n3')], (to) => (to === 'n2' ? refused() : Promise.reject()));
  t.same(await ready(one.parts), { ready: true });
  t.same(one.asked.sort(), ['n2 copy', 'n3 copy']);
  const none = cluster([m('n2'), m('n1'), m('n3')], () => Promise.reject(new Error('no answer')));
  t.match(await ready(none.parts), { ready: false, reason: /leads no shard, and no answer came from n2, n3/ });
  const early = cluster([undefined, m('n1')], refused);
  t.match(await ready(early.parts), { ready: false, reason: 'this node leads no shard' });
  t.same(early.asked, [], 'it does not ask itself');
  const many = cluster(
    ['n2', 'n3', 'n4', 'n5'].map((id) => m(id)),
    refused,
  );
  await ready(many.parts);
  t.equal(many.asked.length, 3, 'and not everybody');
});

t.test('a node that is being drained gets no new clients, whatever it leads', async (t) => {
  const { parts } = cluster([m('n2')], refused, 'draining');
  for (const leads of [[], [1]])
    t.same(await node(leads).ready(parts), { ready: false, reason: 'this node is being drained' });
});
