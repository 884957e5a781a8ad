import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { openReplica, type ReplicaState } from '../cluster/replica.ts';
import type { CasOutcome } from '../cluster/replica-types.ts';
import type { ShardConfig } from '../cluster/shard-config.ts';
import type { CasResult } from '../transport/config-store.ts';
import { CAS_QUEUE_DEFAULTS } from './cas-queue.ts';
import { ShardCas } from './shard-cas.ts';

const a = { node: 'a', inc: '1' };
const b = { node: 'b', inc: '1' };

/** Shards led by `a` with `b` in sync, of which `a` wants `b` out; a store that answers when it is told to. */
class Bed {
  readonly sent: number[] = [];
  readonly settled: [shard: number, outcome: CasOutcome['t']][] = [];
  readonly replicas: ReplicaState[] = [];
  readonly #answers = new Map<number, { resolve: (result: CasResult) => void; reject: (error: Error) => void }>();
  readonly cas = new ShardCas({
    cas: (shard) => {
      this.sent.push(shard);
      return new Promise((resolve, reject) => this.#answers.set(shard, { resolve, reject }));
    },
    replica: (shard) => this.replicas[shard],
    settled: (shard, _nonce, outcome) => void this.settled.push([shard, outcome.t]),
  });

  /** The shard's replica asks for it. */
  want(shard: number, read = false): void {
    const state = openReplica(shard);
    const record: ShardConfig = { v: 1, shard, epoch: 1, leader: a, isr: [a, b], replicas: [a, b], nonce: 'old' };
    const next = { ...record, isr: [a], nonce: `new ${shard}` };
    state.config = { record, revision: 1 };
    state.cas = { expected: 1, record: next, retryAt: undefined, retryMs: 1, staleAnswers: 0 };
    this.replicas[shard] = state;
    this.cas.put(shard, 1, next, read);
  }

  async answer(shard: number, result: CasResult | Error): Promise<void> {
    const { resolve, reject } = this.#answers.get(shard)!;
    if (result instanceof Error) reject(result);
    else resolve(result);
    await turn();
  }
}

const { idleAtOnce } = CAS_QUEUE_DEFAULTS;

t.test('shards that nobody waits for are left for later, until somebody comes', async (t) => {
  const bed = new Bed();
  for (let shard = 0; shard < 20; shard++) bed.want(shard);
  bed.want(20, true);
  await turn();
  const first = [20, ...Array.from({ length: idleAtOnce }, (_, shard) => shard)];
  t.same(bed.sent, first, 'what somebody waits to read goes first though it came last');
  bed.cas.raise(19);
  await turn();
  t.same(bed.sent, [...first, 19], 'no answer has to come before it goes');
  await bed.answer(0, { ok: true, revision: 2 });
  t.same(bed.sent, [...first, 19, idleAtOnce]);
  t.same(bed.settled, [[0, 'ok']]);
});

t.test('what the replica does not ask for any more is not sent', async (t) => {
  const bed = new Bed();
  for (let shard = 0; shard < idleAtOnce + 3; shard++) bed.want(shard);
  await turn();
  bed.replicas[idleAtOnce]!.cas = undefined;
  await bed.answer(0, { ok: false });
  t.same(bed.sent.slice(idleAtOnce), [idleAtOnce + 1]);
  bed.cas.clear();
  await bed.answer(1, new Error('not connected'));
  t.same(bed.sent.length, idleAtOnce + 1, 'nor what waited when the host ended or began anew');
  t.same(bed.settled, [
    [0, 'conflict'],
    [1, 'unknown'],
  ]);
});
