import t from 'tap';
import { type HeapReading, IdleMemory } from './idle-memory.ts';

const MIB = 1024 * 1024;

/** A process that is looked at once a second. */
class Watched {
  readonly #memory: IdleMemory;
  nowMs = 1_000_000;
  totalMib = 300;
  usedMib = 100;

  constructor(heapMibMax = 512) {
    this.#memory = new IdleMemory({ heapBytesMax: heapMibMax * MIB });
  }

  /** @returns what is collected, as `second kind` from now on */
  pass(seconds: number, utilization = 0.01): string[] {
    const found: string[] = [];
    for (let second = 0; second < seconds; second++) {
      const reading: HeapReading = {
        nowMs: this.nowMs,
        utilization,
        totalBytes: this.totalMib * MIB,
        usedBytes: this.usedMib * MIB,
      };
      const kind = this.#memory.decide(reading);
      if (kind !== 'none') found.push(`${second} ${kind}`);
      if (kind === 'full') this.totalMib = 60;
      this.nowMs += 1000;
    }
    return found;
  }
}

const ROUND = ['5 young', '12 full', '18 young'];

t.test('an idle process collects in one round, and not again until it has grown', async (t) => {
  const process = new Watched();
  t.same(process.pass(600), ROUND);
  process.totalMib = 60 + 31;
  t.same(process.pass(60), []);
  process.totalMib = 60 + 32;
  t.same(process.pass(60), ['0 young', '7 full', '13 young'], 'it has been idle long enough');
});

t.test('a process at work is left alone', async (t) => {
  const process = new Watched();
  t.same(process.pass(600, 0.11), []);
  t.same(process.pass(10), ['5 young']);
  t.same(process.pass(1, 0.5), [], 'load ends the round');
  t.same(process.pass(60), ROUND, 'which begins again');
  process.totalMib = 300;
  t.same(process.pass(3, 0.5), []);
  t.same(process.pass(60), ROUND, 'and with what the load left behind');
});

t.test('a heap whose collection would take too long is not collected', async (t) => {
  const process = new Watched(99);
  t.same(process.pass(600), []);
  process.usedMib = 99;
  t.same(process.pass(60).length, 3);
  const off = new Watched(0);
  t.same(off.pass(600), []);
});
