import t from 'tap';
import { slowStore } from '../../test/sim/core-disk.ts';
import { openMemoryStore } from '../storage/log-store-memory.ts';
import { EntityShell } from './entity.ts';
import { createPipeline } from './pipeline.ts';
import { NotLeaderError } from './replicated-pipeline.ts';
import { startActorSystem } from './spawn.ts';
import { newTurn, type Turn } from './turn.ts';

/**
 * A counter as an entity: `+` adds one and reports it, `.` reports without writing, `x` crashes in its step, `e` in its
 * effect, `|` seals the turn. Its memory is compared with the store after every failure.
 */
async function counter({ mailboxMax = 100, pendingMax = 100, lost = (_shard: number): void => {} } = {}) {
  const inner = await openMemoryStore({ shards: 1 });
  const disk = slowStore(inner);
  const system = startActorSystem();
  const crashes: unknown[] = [];
  const log: string[] = [];
  const read = (): number => (inner.get(0, 'n') as number | undefined) ?? 0;
  let count = read();
  const lease = { holds: true };
  const entity = new EntityShell<string, string>(
    'counter',
    0,
    {
      step(message: string, turn: Turn<string>) {
        if (message === 'x') throw new Error('crash in step');
        if (message.startsWith('+')) {
          count += 1;
          turn.rows.set('n', count);
          turn.outbox.push({ to: 'session:a', body: count });
        }
        turn.immediate.push(`now ${message}`);
        turn.effects.push(message === 'e' ? 'throw' : `${message} ${count}`);
        turn.onFail.push(`refused ${message}`);
        turn.always(`always ${message}`);
        if (message.includes('|')) turn.sealed = true;
      },
      run(effect) {
        if (effect === 'throw') throw new Error('crash in effect');
        log.push(effect);
      },
      dispatch: (turn, idx) => log.push(`sent ${idx}: ${turn.posts().map(({ body }) => body)}`),
      reset() {
        count = read();
        log.push(`reset to ${count}`);
      },
      abandon: (batch) => log.push(`lost ${batch.join('')}`),
      urgent: (message) => message === '!',
    },
    {
      system,
      pipeline: createPipeline(disk.store, {
        pendingMax,
        busyOps: Number.MAX_SAFE_INTEGER,
        busyTickMs: 0,
        monotonicMs: () => 0,
      }),
      mailboxMax,
      now: () => 0,
      onCrash: (_kind, error) => crashes.push(error),
      lost,
      mayRead: () => lease.holds,
    },
  );
  const tell = async (...messages: string[]): Promise<string[]> => {
    for (const message of messages) entity.tell(message);
    return rest();
  };
  const rest = async (): Promise<string[]> => {
    for (let i = 0; i < 6; i++) await new Promise((resolve) => setImmediate(resolve));
    return take();
  };
  const take = (): string[] => log.splice(0).filter((line) => !line.startsWith('now') && !line.startsWith('always'));
  const sync = (): Promise<string[]> => {
    disk.sync();
    return rest();
  };
  return { entity, lease, disk, system, crashes, log, tell, rest, sync, read, count: () => count };
}

t.test('effects run only after the commit, in the order of turns, behind what their op sends', async (t) => {
  const { tell, sync, entity } = await counter();
  t.same(await tell('+', '+'), []);
  t.same(await tell('+'), []);
  t.same(await tell('.'), [], 'a turn without writes waits behind those that have some');
  t.equal(entity.pending, 3);
  t.same(await sync(), ['sent 1: 1,2', '+ 1', '+ 2']);
  t.same(await sync(), ['sent 2: 3', '+ 3', '. 3']);
  t.equal(entity.pending, 0);
  t.same(await tell('.'), ['. 3'], 'with nothing pending it costs no disk and no wait');
});

t.test('what is immediate runs right after the step', async (t) => {
  const { entity, log, sync } = await counter();
  entity.tell('+');
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
  t.same(log, ['now +']);
  await sync();
  t.same(log, [], 'and only once');
});

t.test('a refused op runs what is due then, and drops memory back to what is committed', async (t) => {
  const { disk, tell, sync, count, read } = await counter();
  await tell('+');
  await sync();
  await tell('+', '.');
  await tell('+');
  disk.full = true;
  t.same(await sync(), ['reset to 1', 'refused +', 'refused .', 'refused +'], 'reloaded once, with nothing pending');
  t.equal(count(), read());
  disk.full = false;
  await tell('+');
  t.same(await sync(), ['sent 2: 2', '+ 2'], 'and goes on from there');
});

t.test('a crash in a step loses its turn alone and resets behind what is pending', async (t) => {
  const { tell, sync, crashes, count, read, system } = await counter();
  await tell('+');
  t.same(await tell('+', 'x', '.'), []);
  t.same(await tell('+'), [], 'what comes meanwhile is held back');
  t.same(await sync(), ['sent 1: 1', '+ 1', 'reset to 1', 'lost +x.']);
  t.same(await sync(), ['sent 2: 2', '+ 2']);
  t.equal(count(), read());
  t.equal(crashes.length, 1);
  t.equal(system.stats().crashes, 1);
});

t.test('a crash in an effect resets, and others of the tick settle all the same', async (t) => {
  const { tell, sync, crashes } = await counter();
  await tell('+', 'e');
  await tell('+');
  t.same(await sync(), ['sent 1: 1', '+ 1'], 'reset waits for the turn behind');
  t.same(await sync(), ['sent 2: 2', '+ 2', 'reset to 2', 'lost ']);
  t.equal(crashes.length, 1);
});

t.test('a full pipeline refuses the turn without giving a number out twice', async (t) => {
  const { tell, sync, rest, read } = await counter({ pendingMax: 2 });
  await tell('+');
  await tell('+');
  t.same(await tell('+'), [], 'its memory is not reloaded while older turns are on their way');
  await tell('+');
  t.same(await sync(), ['sent 1: 1', '+ 1']);
  t.same(await sync(), ['sent 2: 2', '+ 2', 'reset to 2', 'refused +']);
  t.same(await sync(), ['sent 3: 3', '+ 3'], 'what was held back comes then');
  await rest();
  t.equal(read(), 3);
});

t.test('what is held back counts in the depth and under the bound', async (t) => {
  const { entity, tell, sync, rest } = await counter({ mailboxMax: 2 });
  await tell('+');
  await tell('x');
  await tell('.', '.');
  t.equal(entity.depth, 2);
  t.equal(entity.tell('.'), false);
  t.equal(entity.tell('!'), true, 'but for what is urgent');
  t.same(await sync(), ['sent 1: 1', '+ 1', 'reset to 1', 'lost x', '. 1', '. 1', '! 1']);
  await rest();
  t.equal(entity.depth, 0);
});

t.test('what follows a sealed turn goes with an op of its own', async (t) => {
  const { tell, sync } = await counter();
  await tell('+', '+|', '+', '.');
  t.same(await sync(), ['sent 1: 1,2', '+ 1', '+| 2', 'sent 2: 3', '+ 3', '. 3']);
});

t.test('a paused entity handles only what ends or answers something, and then the rest in order', async (t) => {
  const { entity, tell, sync, rest } = await counter();
  await tell('+');
  t.equal(entity.settled, false, 'not paused');
  entity.pause();
  t.equal(entity.settled, false, 'a turn is on its way');
  t.same(await sync(), ['sent 1: 1', '+ 1']);
  t.equal(entity.settled, true);
  t.same(await tell('+a', '!', '+b'), ['! 1']);
  t.equal(entity.depth, 2, 'what is held back counts');
  entity.resume();
  await rest();
  t.same(await sync(), ['sent 2: 2,3', '+a 2', '+b 3']);
});

t.test('what comes while the lease is gone waits, in its order, for whoever asks first when it is back', async (t) => {
  for (const released of [true, false]) {
    const { entity, tell, sync, rest, lease } = await counter();
    lease.holds = false;
    t.same(await tell('a', '!', '+'), ['! 0'], 'what answers something is no read');
    t.equal(entity.depth, 2, 'what is held back counts');
    t.same(await tell('b'), []);
    entity.pause();
    lease.holds = true;
    entity.release();
    t.same(await rest(), [], 'paused as well');
    entity.resume();
    t.same([...(await rest()), ...(await sync())], ['sent 1: 1', 'a 0', '+ 1', 'b 1']);
    lease.holds = false;
    await tell('c');
    lease.holds = true;
    if (released) entity.release();
    t.same(await tell('d'), ['c 1', 'd 1']);
  }
});

t.test('nothing of a discarded entity has an effect, whatever becomes of its turns', async (t) => {
  const { entity, tell, sync, log } = await counter();
  await tell('+');
  entity.pause();
  await tell('a', 'b');
  entity.tell('c');
  t.same(entity.discard(''), ['a', 'b', 'c'], 'what was not handled is given back');
  log.length = 0;
  t.same(await sync(), [], 'its op is committed, and somebody else goes on from there');
  t.equal(entity.tell('d'), false);
});

t.test('an op whose shard was lost neither fails nor succeeds here', async (t) => {
  const lostShards: number[] = [];
  const { entity, tell, log, rest } = await counter({ lost: (shard) => lostShards.push(shard) });
  await tell('+');
  log.length = 0;
  entity.settle(newTurn(0), new NotLeaderError('gone'), 0);
  t.same([await rest(), lostShards], [[], [0]]);
});
