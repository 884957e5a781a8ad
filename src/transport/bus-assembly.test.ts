import t from 'tap';
import { Assembly } from './bus-assembly.ts';
import { openFrame, partFrames } from './bus-frames.ts';

const bounds = { envelopeBytesMax: 1_000, assemblyBytesMax: 1_500 };

type Step = [sender: string, id: number, index: number, whole: boolean];

/** Envelopes of 900 bytes in three parts of 300. */
function envelopeOf(sender: string, id: number): Buffer {
  return Buffer.alloc(900, `${sender}${id}`);
}

function play(assembly: Assembly, [sender, id, index]: Step): Buffer | undefined {
  const frames = partFrames({ cluster: 'c', node: sender, inc: 'i' }, id, envelopeOf(sender, id), 300);
  const frame = openFrame(frames[index] as Buffer, 'c');
  if (frame.t !== 'part') throw new Error(frame.t);
  return assembly.add(frame.from, frame.part, frame.body);
}

const CASES: [what: string, steps: Step[], dropped: number, held: number][] = [
  [
    'in order',
    [
      ['a', 1, 0, false],
      ['a', 1, 1, false],
      ['a', 1, 2, true],
    ],
    0,
    0,
  ],
  [
    'two senders at once',
    [
      ['a', 1, 0, false],
      ['b', 1, 0, false],
      ['a', 1, 1, false],
      ['b', 1, 1, false],
      ['a', 1, 2, true],
      ['b', 1, 2, true],
    ],
    0,
    0,
  ],
  [
    'a lost part gives the envelope up',
    [
      ['a', 1, 0, false],
      ['a', 1, 2, false],
    ],
    1,
    0,
  ],
  [
    'the next envelope takes the place of a broken one',
    [
      ['a', 1, 0, false],
      ['a', 2, 0, false],
      ['a', 2, 1, false],
      ['a', 2, 2, true],
    ],
    1,
    0,
  ],
  [
    'a doubled part gives the envelope up',
    [
      ['a', 1, 0, false],
      ['a', 1, 1, false],
      ['a', 1, 1, false],
      ['a', 1, 2, false],
    ],
    1,
    0,
  ],
  [
    'parts of two envelopes are not mixed',
    [
      ['a', 1, 0, false],
      ['a', 2, 1, false],
    ],
    1,
    0,
  ],
  [
    'a part without a beginning is nothing',
    [
      ['a', 1, 1, false],
      ['a', 1, 2, false],
    ],
    0,
    0,
  ],
  [
    'an unfinished one waits',
    [
      ['a', 1, 0, false],
      ['a', 1, 1, false],
    ],
    0,
    600,
  ],
];

t.test('parts become the envelope again, or it is given up', async (t) => {
  for (const [what, steps, dropped, held] of CASES) {
    const assembly = new Assembly(bounds);
    for (const step of steps) {
      const [sender, id, index, whole] = step;
      const made = play(assembly, step);
      t.equal(made !== undefined, whole, `${what}: ${sender}${id}.${index}`);
      if (made !== undefined) t.ok(made.equals(envelopeOf(sender, id)));
    }
    t.equal(assembly.dropped, dropped, `${what}: given up`);
    t.equal(assembly.heldBytes, held, `${what}: held`);
  }
});

t.test('for room the envelope begun first is given up', async (t) => {
  const assembly = new Assembly(bounds);
  for (const sender of ['a', 'b', 'c']) {
    play(assembly, [sender, 1, 0, false]);
    play(assembly, [sender, 1, 1, false]);
  }
  t.equal(assembly.dropped, 1);
  t.equal(assembly.heldBytes, 1_200);
  t.equal(play(assembly, ['a', 1, 2, false]), undefined);
  t.ok(play(assembly, ['b', 1, 2, true]));
  t.ok(play(assembly, ['c', 1, 2, true]));
});

t.test('an envelope above the bound is not begun, nor one that lies about its parts', async (t) => {
  const from = { cluster: 'c', node: 'a', inc: 'i' };
  const body = Buffer.alloc(10);
  const table: [count: number, bytes: number][] = [
    [2, 1_001],
    [0, 10],
    [11, 10],
    [2, 9],
  ];
  for (const [count, bytes] of table) {
    const assembly = new Assembly(bounds);
    t.equal(assembly.add(from, { id: 1, index: 0, count, bytes }, body), undefined, `${count} parts, ${bytes} bytes`);
    t.equal(assembly.heldBytes, 0);
    t.equal(assembly.dropped, 1);
  }
});
