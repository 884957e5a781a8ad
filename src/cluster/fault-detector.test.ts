import t from 'tap';
import { detectorDefaults, FaultDetector, faultsOf, type SuspicionChange } from './fault-detector.ts';

const self = { node: 'n1', inc: 'a' };
const other = { node: 'n2', inc: 'a' };
const third = { node: 'n3', inc: 'a' };

/** A detector, its clock, and a tick every 250 ms, at which the named members are heard, each echoing the last tick. */
function bench(startedAt = 10_000) {
  const detector = new FaultDetector(self, detectorDefaults, startedAt);
  let now = startedAt;
  return {
    detector,
    now: () => now,
    run(ms: number, heard: readonly { node: string; inc: string }[] = [], stepMs = 250): SuspicionChange[] {
      const changes: SuspicionChange[] = [];
      for (const end = now + ms; now + stepMs <= end; ) {
        const before = now;
        now += stepMs;
        for (const member of heard) detector.heard(member, before, now);
        changes.push(...detector.tick(now));
      }
      return changes;
    },
    /** nothing runs for so long, then one tick */
    pause(ms: number): SuspicionChange[] {
      now += ms;
      return detector.tick(now);
    },
  };
}

t.test('a member is suspected after a grace time of silence and cleared when it is heard', async (t) => {
  const { detector, run, now } = bench();
  detector.watch([other, third]);
  t.same(run(1500, [other, third]), []);
  t.same(run(1250, [third]), []);
  t.equal(detector.isSuspect(other), false);
  t.same(run(250, [third]), [{ member: other, suspect: true }]);
  t.equal(detector.isSuspect(other), true);
  t.equal(detector.isSuspect(third), false);
  run(2000, [third]);
  t.equal(detector.suspectedForMs(other), 2000);
  t.equal(detector.heard(other, undefined, now()), true);
  t.equal(detector.isSuspect(other), false);
  t.equal(detector.suspectedForMs(other), 0);
  t.equal(detector.heard(other, undefined, now()), false);
});

t.test('at start nobody is suspected for a whole grace time, then those never heard are', async (t) => {
  const { detector, run } = bench();
  t.same(run(1250), []);
  t.equal(detector.isSuspect(other), false);
  run(250);
  t.equal(detector.isSuspect(other), true, 'known to nobody');
  detector.watch([other]);
  t.equal(detector.isSuspect(other), false, 'a whole grace time from when it is known');
  run(1500);
  t.equal(detector.isSuspect(other), true);
});

t.test('after an own pause nobody is suspected until a whole grace time awake has passed', async (t) => {
  const { detector, run, pause } = bench();
  detector.watch([other, third]);
  run(3000, [other]);
  t.equal(detector.isSuspect(third), true);
  t.same(pause(20_000), [{ member: third, suspect: false }]);
  t.equal(detector.pauses, 1);
  t.same(run(1250), []);
  t.same([detector.isSuspect(other), detector.isSuspect(third)], [false, false]);
  run(250);
  t.same([detector.isSuspect(other), detector.isSuspect(third)], [true, true]);
  t.ok(detector.suspectedForMs(other) <= 500, 'our pause is not its silence');
  t.ok(detector.suspectedForMs(third) >= 3000, 'what was silence before our pause still is');
});

t.test('a gap of up to two intervals is no pause, and does not shorten the grace time', async (t) => {
  const { detector, run } = bench();
  detector.watch([other]);
  run(2000, [other]);
  t.same(run(1000, [], 500), []);
  t.equal(detector.pauses, 0);
  const late = bench();
  late.detector.watch([other]);
  late.run(2000, [other]);
  late.detector.heard(other, undefined, late.now() + 450);
  late.pause(500);
  late.run(1250);
  t.equal(late.detector.isSuspect(other), false, '1,300 ms after it was heard');
  late.run(250);
  t.equal(late.detector.isSuspect(other), true);
});

t.test('a node that pauses again and again suspects nobody', async (t) => {
  const { detector, run, pause } = bench();
  detector.watch([other]);
  for (let i = 0; i < 20; i++) {
    t.same(
      [...pause(600), ...run(1000)].filter(({ suspect }) => suspect),
      [],
    );
  }
});

t.test('a lease runs from when the echoed heartbeat was sent, and never gets shorter', async (t) => {
  const { detector, run, now } = bench();
  t.equal(detector.leaseUntil(other), Number.NEGATIVE_INFINITY);
  run(1000);
  const sentAt = now();
  run(500);
  detector.heard(other, sentAt, now() + 100);
  t.equal(detector.leaseUntil(other), sentAt + 1000);
  detector.heard(other, sentAt - 250, now() + 100);
  t.equal(detector.leaseUntil(other), sentAt + 1000, 'an older echo comes late');
  detector.heard(other, undefined, now() + 200);
  t.equal(detector.leaseUntil(other), sentAt + 1000, 'it lives, but has heard nothing new');
});

t.test('it is known since when a lease has held without a gap', async (t) => {
  const { detector, run, now } = bench();
  t.equal(detector.leaseSince(other), Number.POSITIVE_INFINITY);
  run(250, [other]);
  const since = now();
  run(5000, [other]);
  t.equal(detector.leaseSince(other), since);
  run(1000);
  run(250, [other]);
  t.equal(detector.leaseSince(other), now(), 'it lapsed, also when nobody looked');
  t.equal(detector.leaseSince(self), Number.NEGATIVE_INFINITY);
});

t.test('an echo of a time that this process has not lived gives no lease', async (t) => {
  const { detector, run, now } = bench();
  run(500);
  for (const echo of [now() + 5, 9_999, 0, 1e12, Number.NaN]) {
    detector.heard(other, echo, now());
    t.equal(detector.leaseUntil(other), Number.NEGATIVE_INFINITY, `${echo}`);
  }
  t.equal(detector.isSuspect(other), false, 'and yet it was heard');
});

t.test('a new incarnation is another member, the old one falls silent', async (t) => {
  const { detector, run, now } = bench();
  run(1500, [other]);
  const lease = detector.leaseUntil(other);
  const wiped = { node: 'n2', inc: 'b' };
  detector.heard(wiped, undefined, now());
  t.equal(detector.leaseUntil(wiped), Number.NEGATIVE_INFINITY);
  t.equal(detector.leaseUntil(other), lease);
  run(1500, [wiped]);
  t.same([detector.isSuspect(other), detector.isSuspect(wiped)], [true, false]);
});

t.test('oneself is never suspected, always leased, and not heard', async (t) => {
  const { detector, run, now } = bench();
  run(5000);
  t.equal(detector.isSuspect(self), false);
  t.equal(detector.leaseUntil(self), Number.POSITIVE_INFINITY);
  t.equal(detector.suspectedForMs(self), 0);
  t.equal(detector.heard(self, now(), now()), false);
});

t.test('a clock that goes back makes nobody look silent or alive for longer', async (t) => {
  const { detector, run, now } = bench();
  detector.watch([other]);
  run(1500, [other]);
  detector.tick(now() - 9000);
  t.same(run(1250), []);
  run(250);
  t.equal(detector.isSuspect(other), true);
});

t.test('more members than there is room for are counted, not kept, and not suspected', async (t) => {
  const detector = new FaultDetector(self, { ...detectorDefaults, membersMax: 2 }, 0);
  const tick = (from: number, ms: number): void => {
    for (let now = from + 250; now <= from + ms; now += 250) detector.tick(now);
  };
  detector.watch([other, third]);
  const fourth = { node: 'n4', inc: 'a' };
  detector.heard(fourth, undefined, 0);
  t.equal(detector.refused, 1);
  tick(0, 2000);
  t.same(
    [other, third, fourth].map((one) => detector.isSuspect(one)),
    [true, true, false],
  );
  detector.watch([third]);
  detector.heard(fourth, undefined, 2000);
  t.equal(detector.refused, 1, 'the one that is silent and no longer listed made room');
  tick(2000, 1500);
  t.equal(detector.isSuspect(fourth), true);
});

t.test('options that cannot hold are refused, each with its reason', async (t) => {
  t.same(faultsOf(detectorDefaults), []);
  for (const [change, fault] of [
    [{ leaseMs: 1300 }, 'could still trust a lease'],
    [{ driftMax: 0.25 }, 'could still trust a lease'],
    [{ graceMs: 900, leaseMs: 500 }, 'less than 4 heartbeats'],
    [{ leaseMs: 400 }, 'less than 2 heartbeats'],
    [{ pauseMs: 300 }, 'pauseMs (300) is less'],
    [{ pauseMs: 1600 }, 'pauseMs (1600) is more'],
    [{ heartbeatMs: 0 }, 'heartbeatMs is 0'],
    [{ driftMax: 1 }, 'driftMax is 1'],
    [{ membersMax: 0 }, 'membersMax is 0'],
  ] as const) {
    t.ok(
      faultsOf({ ...detectorDefaults, ...change }).some((one) => one.includes(fault)),
      fault,
    );
    t.throws(() => new FaultDetector(self, { ...detectorDefaults, ...change }, 0), RangeError);
  }
});

t.test('with clocks up to a tenth off, no lease outlives the time after which its giver may suspect', async (t) => {
  for (const [ours, theirs] of [
    [1, 1],
    [0.9, 1.1],
    [1.1, 0.9],
    [0.9, 0.9],
    [1.1, 1.1],
  ] as const) {
    for (let delayMs = 0; delayMs <= 900; delayMs += 90) {
      const leader = new FaultDetector(self, detectorDefaults, 0);
      const follower = new FaultDetector(other, detectorDefaults, 0);
      let lastSentAt: number | undefined;
      const due: { at: number; sentAt: number }[] = [];
      let suspectedAt = 0;
      let trustedUntil = 0;
      for (let real = 1; real < 12_000 && suspectedAt === 0; real++) {
        // The leader's heartbeats stop reaching the follower after 6 s; the follower's go on reaching the leader.
        if (Math.floor((real * ours) / 250) > Math.floor(((real - 1) * ours) / 250)) {
          leader.tick(real * ours);
          if (real < 6000) due.push({ at: real + delayMs, sentAt: real * ours });
        }
        if (due[0] !== undefined && due[0].at <= real) {
          lastSentAt = due.shift()!.sentAt;
          follower.heard(self, undefined, real * theirs);
        }
        if (Math.floor((real * theirs) / 250) > Math.floor(((real - 1) * theirs) / 250)) {
          follower.tick(real * theirs);
          leader.heard(other, lastSentAt, real * ours);
          if (follower.isSuspect(self) && real > 6000) suspectedAt = real;
        }
        if (leader.leaseUntil(other) > real * ours) trustedUntil = real;
      }
      t.ok(
        suspectedAt > 0 && trustedUntil < suspectedAt,
        `${ours} ${theirs} ${delayMs}: ${trustedUntil} < ${suspectedAt}`,
      );
    }
  }
});
