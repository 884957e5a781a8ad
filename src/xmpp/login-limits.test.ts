import t from 'tap';
import { type LoginLimitOptions, liftedLimits, loginLimitDefaults } from './login-limit-options.ts';
import { addressKey, createLoginLimits, type LoginLimits, limitStep } from './login-limits.ts';

const options: LoginLimitOptions = {
  ...loginLimitDefaults,
  accountFailuresFree: 3,
  addressFailuresFree: 5,
  failureDelayMs: 500,
  failureDelayMsMax: 8_000,
  waitMsMax: 10_000,
};
const limitsWith = (changes: Partial<LoginLimitOptions> = {}): LoginLimits =>
  createLoginLimits({ ...options, ...changes });

const owner = '192.0.2.1';
const thief = '198.51.100.7';
const ann = 'ann@localhost';

function connect(limits: LoginLimits, address: string, nowMs = 0): string {
  return limitStep(limits, { t: 'connect', address, nowMs }).reason;
}

/** An attempt that fails as soon as it may start; the wait it was given, ms, or -1 when refused. */
function guess(limits: LoginLimits, address: string, account: string, nowMs: number): number {
  const decision = limitStep(limits, { t: 'attempt', address, account, nowMs });
  if (!decision.allow) return -1;
  limitStep(limits, { t: 'failed', address, account, nowMs: nowMs + decision.delayMs });
  return decision.delayMs;
}

t.test('connections are bounded for the node and an address, and closing one makes room', async (t) => {
  const limits = limitsWith({ connectionsMax: 3, connectionsPerAddressMax: 2 });
  t.same([connect(limits, 'a'), connect(limits, 'a'), connect(limits, 'a')], ['ok', 'ok', 'connections-of-address']);
  t.same([connect(limits, 'b'), connect(limits, 'b')], ['ok', 'connections']);
  limitStep(limits, { t: 'disconnect', address: 'a', authenticated: false });
  t.equal(connect(limits, 'b'), 'ok');
});

t.test('sockets that have not logged in are bounded apart, and nothing is left of those that are gone', async (t) => {
  const limits = limitsWith({ unauthenticatedMax: 3, unauthenticatedPerAddressMax: 2 });
  t.same(
    [connect(limits, 'a'), connect(limits, 'a'), connect(limits, 'a')],
    ['ok', 'ok', 'unauthenticated-of-address'],
  );
  limitStep(limits, { t: 'authenticated', address: 'a' });
  t.same([connect(limits, 'a'), connect(limits, 'b'), connect(limits, 'b')], ['ok', 'ok', 'unauthenticated']);
  limitStep(limits, { t: 'disconnect', address: 'a', authenticated: true });
  limitStep(limits, { t: 'disconnect', address: 'a', authenticated: false });
  limitStep(limits, { t: 'disconnect', address: 'a', authenticated: false });
  limitStep(limits, { t: 'disconnect', address: 'b', authenticated: false });
  limitStep(limits, { t: 'disconnect', address: 'b', authenticated: false });
  t.same([limits.connections, limits.unauthenticated, limits.open.size], [0, 0, 0]);
});

t.test('an address connects in a burst, then at its rate', async (t) => {
  const limits = limitsWith({ connectionsPerAddressPerSecond: 2, connectionsPerAddressBurst: 3 });
  t.same(
    [0, 0, 0, 0].map((now) => connect(limits, 'a', now)),
    ['ok', 'ok', 'ok', 'connection-rate'],
  );
  t.equal(connect(limits, 'b', 0), 'ok', 'others are free');
  t.same(limitStep(limits, { t: 'connect', address: 'a', nowMs: 100 }), {
    allow: false,
    retryMs: 400,
    reason: 'connection-rate',
  });
  t.same([connect(limits, 'a', 500), connect(limits, 'a', 500)], ['ok', 'connection-rate']);
  t.same(
    [0, 0, 0, 0].map(() => connect(limits, 'a', 1e9)),
    ['ok', 'ok', 'ok', 'connection-rate'],
    'no more saved than a burst',
  );
});

t.test('an address registers so many accounts an hour', async (t) => {
  const limits = limitsWith({ registrationsPerAddressPerHour: 2 });
  const register = (nowMs: number) => limitStep(limits, { t: 'register', address: 'a', nowMs });
  t.same([register(0).allow, register(0).allow], [true, true]);
  t.same(register(0), { allow: false, retryMs: 1_800_000, reason: 'registration-rate' });
  t.equal(register(1_800_000).allow, true);
  const closed = limitsWith({ registrationsPerAddressPerHour: 0 });
  t.same(limitStep(closed, { t: 'register', address: 'a', nowMs: 0 }), {
    allow: false,
    retryMs: 0,
    reason: 'registration-rate',
  });
});

t.test('guessing at one account from one address waits longer each time, up to a limit', async (t) => {
  const limits = limitsWith({ addressFailuresFree: Number.POSITIVE_INFINITY });
  let nowMs = 0;
  const waits: number[] = [];
  for (let i = 0; i < 10; i++) {
    const delayMs = guess(limits, thief, ann, nowMs);
    waits.push(delayMs);
    nowMs += delayMs;
  }
  t.same(waits, [0, 0, 0, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
  t.equal(guess(limits, thief, ann, nowMs + 8_000), 100, 'the harsh wait is over for who waited by himself');
  t.equal(guess(limits, thief, ann, nowMs + 1e9), 0, 'and in the end it is forgotten');
});

t.test('guesses in parallel queue up behind each other, and are refused beyond the longest wait', async (t) => {
  const limits = limitsWith();
  const parallel = Array.from({ length: 9 }, () =>
    limitStep(limits, { t: 'attempt', address: thief, account: ann, nowMs: 0 }),
  );
  const waits = parallel.map((decision) => (decision.allow ? decision.delayMs : -1));
  t.same(waits, [0, 0, 0, 500, 1_500, 3_500, 7_500, -1, -1]);
  t.match(parallel.at(-1), { allow: false, retryMs: 15_500, reason: 'failures-of-address-at-account' });
});

t.test('spraying guesses over many accounts from one address is slowed too', async (t) => {
  const limits = limitsWith();
  const waits = Array.from({ length: 8 }, (_, i) => guess(limits, thief, `user${i}@localhost`, 0));
  t.same(waits, [0, 0, 0, 0, 0, 500, 1_500, 3_500]);
  const own = 'thief@localhost';
  limitStep(limits, { t: 'succeeded', address: thief, account: own });
  t.equal(guess(limits, thief, 'next@localhost', 0), 7_500, 'an account of his own does not clear the record');
});

t.test('a thousand addresses guessing at an account cost its owner a second, never the way in', async (t) => {
  const limits = limitsWith();
  for (let i = 0; i < 10_000; i++) guess(limits, `thief${i % 1_000}`, ann, i);
  const decision = limitStep(limits, { t: 'attempt', address: owner, account: ann, nowMs: 10_000 });
  t.same(decision, { allow: true, delayMs: 1_000, reason: 'failures-at-account' });
});

t.test('an account that does not exist is limited like one that does: limits are never told which', async (t) => {
  const run = (account: string) => {
    const limits = limitsWith();
    return Array.from({ length: 12 }, (_, i) => guess(limits, thief, account, i * 10));
  };
  t.same(run('nobody@localhost'), run(ann));
});

t.test('the right password after a few typing errors clears what they left', async (t) => {
  const limits = limitsWith();
  for (let i = 0; i < 3; i++) guess(limits, owner, ann, i);
  limitStep(limits, { t: 'attempt', address: owner, account: ann, nowMs: 5_000 });
  limitStep(limits, { t: 'succeeded', address: owner, account: ann });
  for (let i = 0; i < 3; i++) t.equal(guess(limits, owner, ann, 5_000 + i), 0);
});

t.test('every memory is bounded: a flood of addresses and accounts forgets the oldest', async (t) => {
  const limits = limitsWith({ entriesMax: 100, connectionsMax: 10 });
  for (let i = 0; i < 1_000; i++) {
    guess(limits, `a${i}`, `u${i}`, i);
    connect(limits, `a${i}`, i);
    limitStep(limits, { t: 'register', address: `a${i}`, nowMs: i });
  }
  const { connecting, registering, failures, open } = limits;
  const sizes = [connecting, registering, failures.ofPair, failures.ofAddress, failures.ofAccount].map(
    ({ size }) => size,
  );
  t.ok(Math.max(...sizes) <= 100, `${sizes}`);
  t.equal(open.size, 10);
});

t.test('lifted limits let a load test through, up to the number of sockets', async (t) => {
  const limits = createLoginLimits(liftedLimits({ ...options, connectionsMax: 5_000 }));
  for (let i = 0; i < 5_000; i++) {
    if (connect(limits, 'a') !== 'ok' || guess(limits, 'a', ann, 0) !== 0) t.fail(`limited at ${i}`);
    if (!limitStep(limits, { t: 'register', address: 'a', nowMs: 0 }).allow) t.fail(`registration ${i}`);
  }
  t.equal(connect(limits, 'a'), 'connections');
});

t.test('an address counts as what one party has: IPv4 whole, IPv6 by /64', async (t) => {
  const table: [address: string, key: string][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['unix', 'unix'],
    ['', ''],
  ];
  for (const [address, key] of table) t.equal(addressKey(address), key, address);
});
