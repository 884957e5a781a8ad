import t from 'tap';
import { filesOnDisk } from './disk-trace.ts';

const OPEN = '7 openat(AT_FDCWD</x>, "/d/a", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0644) = 3</d/a>';
const write = (bytes: number) => `7 write(3</d/a>, ""..., ${bytes}) = ${bytes}`;
const SYNC = '7 fdatasync(3</d/a>) = 0';

for (const [title, lines, expected] of [
  ['a write alone is not on disk', [OPEN, write(10)], { written: 10, synced: 0, named: false }],
  ['a sync covers what was written before it', [OPEN, write(10), SYNC, write(5)], { written: 15, synced: 10 }],
  ['a failed sync covers nothing', [OPEN, write(10), '7 fdatasync(3</d/a>) = -1 EIO (error)'], { synced: 0 }],
  [
    'a sync that did not return covers nothing',
    [OPEN, write(1), '7 fdatasync(3</d/a> <unfinished ...>'],
    { synced: 0 },
  ],
  [
    'a sync does not cover what was written while it ran',
    [
      OPEN,
      write(10),
      '7 fdatasync(3</d/a> <unfinished ...>',
      '8 write(3</d/a>, ""..., 5) = 5',
      '7 <... fdatasync resumed>) = 0',
    ],
    { written: 15, synced: 10 },
  ],
  ['a sync of the folder puts the name on disk', [OPEN, '7 fsync(4</d>) = 0'], { named: true }],
  ['a write at an offset', [OPEN, '7 pwrite64(3</d/a>, ""..., 8, 4096) = 8', SYNC], { written: 4104, synced: 4104 }],
  ['a write that was begun only did not happen', [OPEN, '7 write(3</d/a>, ""..., 8 <unfinished ...>'], { written: 0 }],
  ['a truncated file is shorter', [OPEN, write(10), '7 ftruncate(3</d/a>, 4) = 0'], { written: 4 }],
  [
    'a renamed file takes its state along',
    [
      '7 openat(AT_FDCWD</x>, "/d/tmp", O_CREAT) = 3</d/tmp>',
      '7 write(3</d/tmp>, ""..., 6) = 6',
      '7 rename("/d/tmp", "/d/a") = 0',
    ],
    { written: 6, synced: 0 },
  ],
] as const) {
  t.test(`the disk: ${title}`, async (t) => {
    t.match(filesOnDisk(lines, '/d', new Map()).get('/d/a'), expected);
  });
}

t.test('the disk: files of before are whole, and grow', async (t) => {
  const lines = ['7 openat(AT_FDCWD</x>, "/d/a", O_WRONLY|O_APPEND) = 3</d/a>', '7 write(3</d/a>, ""..., 5) = 5'];
  t.same(filesOnDisk(lines, '/d', new Map([['/d/a', 100]])).get('/d/a'), { written: 105, synced: 100, named: true });
  t.equal(filesOnDisk(['7 unlink("/d/a") = 0'], '/d', new Map([['/d/a', 100]])).size, 0);
});
