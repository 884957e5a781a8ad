import t from 'tap';
import { ManualClock } from './base/clock.ts';
import { type CarryOutMove, LEAVE_DEFAULTS, leaveShards, movesOf } from './node-moves.ts';

const self = { node: 'a', inc: '1' };
const other = { node: 'b', inc: '1' };

/** A host of one leading replica, which takes or refuses what it is asked. */
function leading(takes: boolean, refusal?: 'busy') {
  const clock = new ManualClock();
  const seen: string[] = [];
  const role = { t: 'leading', epoch: 7, ready: true, transfer: undefined as unknown };
  const host = {
    replica: () => ({ role }),
    refusal: () => refusal,
    request: (_shard: number, { t }: { t: string }) => {
      seen.push(t);
      if (takes) role.transfer = { to: other };
    },
  };
  const events = {
    pause: (shard: number) => seen.push(`pause ${shard}`),
    lead: (shard: number, epoch: number) => seen.push(`lead ${shard} ${epoch}`),
  };
  return { clock, seen, role, move: movesOf(host as never, { clock, events: () => events }) };
}

t.test('a shard is paused before its leadership goes, and goes on when the replica refuses', async (t) => {
  for (const takes of [true, false]) {
    const { clock, seen, move } = leading(takes);
    move(3, { t: 'transfer', to: other });
    t.same(seen.splice(0), ['pause 3'], 'what is on its way settles first');
    clock.advance(LEAVE_DEFAULTS.settleMs);
    t.same(seen, takes ? ['transfer'] : ['transfer', 'lead 3 7']);
  }
});

t.test('a transfer that would be refused pauses nothing', async (t) => {
  const { seen, move } = leading(true, 'busy');
  move(3, { t: 'transfer', to: other });
  t.same(seen, ['transfer']);
});

t.test('what moves no leadership is done at once', async (t) => {
  const { seen, role, move } = leading(true);
  move(3, { t: 'replicas', add: [other], remove: [] });
  role.t = 'following';
  move(3, { t: 'stop' });
  t.same(seen, ['replicas', 'stop']);
});

/** A node in sync of some shards; `move` says what becomes of one that is asked. */
function leaving(
  shards: number,
  move: (shard: number, left: Set<number>, isr: Set<number>, clock: ManualClock) => void,
) {
  const clock = new ManualClock();
  const isr = new Set(Array.from({ length: shards }, (_, shard) => shard));
  const left = new Set<number>();
  let atOnce = 0;
  const asked = new Set<number>();
  const carryOutMove: CarryOutMove = (shard) => {
    asked.add(shard);
    atOnce = Math.max(atOnce, asked.size - left.size);
    move(shard, left, isr, clock);
  };
  const host = { config: (shard: number) => ({ isr: isr.has(shard) ? [self, other] : [other] }) };
  const over = leaveShards({ self, shards, host: host as never, left, clock, carryOutMove }, 60_000);
  const run = async (): Promise<{ open: number; atMs: number; atOnce: number }> => {
    let open: number | undefined;
    void over.then((count) => {
      open = count;
    });
    for (const begun = clock.monotonic(); ; clock.advance(LEAVE_DEFAULTS.pollMs)) {
      await new Promise((resolve) => setImmediate(resolve));
      if (open !== undefined) return { open, atMs: clock.monotonic() - begun, atOnce };
    }
  };
  return { run };
}

t.test('a node leaves its shards, so many at a time, until none is left', async (t) => {
  const { run } = leaving(100, (shard, left, isr) => {
    left.add(shard);
    isr.delete(shard);
  });
  t.match(await run(), { open: 0 });
  const slow = leaving(100, (shard, left, isr, clock) => {
    clock.setTimer(100, () => {
      left.add(shard);
      isr.delete(shard);
    });
  });
  t.match(await slow.run(), { open: 0, atOnce: LEAVE_DEFAULTS.atOnce });
});

t.test('it gives up when nothing moves any more, and tells how many it could not leave', async (t) => {
  const { run } = leaving(10, (shard, left, isr) => {
    if (shard > 3) return;
    left.add(shard);
    isr.delete(shard);
  });
  const { open, atMs } = await run();
  t.equal(open, 6);
  t.ok(atMs > LEAVE_DEFAULTS.idleMs && atMs < 2 * LEAVE_DEFAULTS.idleMs, `${atMs}`);
});
