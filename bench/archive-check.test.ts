import t from 'tap';
import { verifyArchives } from './archive-check.ts';
import type { Client } from './client.ts';
import { mark } from './flow.ts';
import { Progress } from './progress.ts';

const silent = { isTTY: false, write: () => true } as unknown as NodeJS.WriteStream;
const run = 'aaaa';

/** A client whose archive holds these messages, paged backwards by `max` like a server does (XEP-0313, XEP-0059). */
function fake(user: string, archive: readonly (readonly [sender: number, seq: number])[]): Client {
  return {
    ended: false,
    options: { account: { user }, domain: 'd' },
    onStanza: () => {},
    async iq(this: { onStanza: (xml: string) => void }, _type: string, query: string) {
      const id = /queryid='(\w+)'/.exec(query)?.[1];
      const max = Number(/<max>(\d+)</.exec(query)?.[1]);
      const before = /<before>(\d+)</.exec(query)?.[1];
      const end = before === undefined ? archive.length : Number(before);
      const first = Math.max(0, end - max);
      for (const [sender, seq] of archive.slice(first, end)) {
        this.onStanza(`<message><result queryid="${id}"><body>${mark(run, sender, seq, 0)}</body></result></message>`);
      }
      return `<iq type='result'><fin complete='${first === 0}'><set><first>${first}</first></set></fin></iq>`;
    },
  } as unknown as Client;
}

const check = (archives: readonly (readonly (readonly [number, number])[])[], acked: readonly number[]) =>
  verifyArchives({
    clients: archives.map((archive, i) => fake(`u${i}`, archive)),
    run,
    acked,
    progress: new Progress(silent),
    signal: new AbortController().signal,
  });

t.test('both archives of a pair are held against what was acknowledged', async (t) => {
  const whole = [
    [0, 1],
    [1, 1],
    [0, 2],
  ] as const;
  const good = { archives: 2, missing: 0, duplicated: 0, reordered: 0, ordersDiffer: 0 };
  for (const [name, archives, acked, want] of [
    ['all there', [whole, whole], [2, 1], good],
    ['more than was acknowledged', [whole, whole], [1, 0], good],
    [
      'one missing at the receiver',
      [
        whole,
        [
          [0, 1],
          [1, 1],
        ],
      ],
      [2, 1],
      { ...good, missing: 1, ordersDiffer: 1 },
    ],
    ['a missing one that was not acknowledged', [[[0, 1]], [[0, 1]]], [1, 0], good],
    [
      'a hole behind what was acknowledged',
      [
        [
          [0, 1],
          [0, 3],
        ],
        [
          [0, 1],
          [0, 3],
        ],
      ],
      [1, 0],
      good,
    ],
    ['one twice', [whole, [...whole, [0, 2]]], [2, 1], { ...good, duplicated: 1, ordersDiffer: 1 }],
    [
      'swapped',
      [
        whole,
        [
          [0, 2],
          [1, 1],
          [0, 1],
        ],
      ],
      [2, 1],
      { ...good, reordered: 1, ordersDiffer: 1 },
    ],
    [
      'other order between the two',
      [
        whole,
        [
          [1, 1],
          [0, 1],
          [0, 2],
        ],
      ],
      [2, 1],
      { ...good, ordersDiffer: 1 },
    ],
  ] as const) {
    t.strictSame(await check(archives, acked), want, name);
  }
});

t.test('an archive of many pages is read to its beginning', async (t) => {
  const long = Array.from({ length: 250 }, (_, i) => [0, i + 1] as const);
  t.strictSame(await check([long, long], [250, 0]), {
    archives: 2,
    missing: 0,
    duplicated: 0,
    reordered: 0,
    ordersDiffer: 0,
  });
});
