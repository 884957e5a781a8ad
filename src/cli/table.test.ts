import t from 'tap';
import { bytesText, durationText, table } from './table.ts';

t.test('columns line up, without spaces at the end of a line', async (t) => {
  t.equal(table([['a', 'b'], ['long', 'x', 'y'], ['z']]), 'a     b\nlong  x  y\nz\n');
  t.equal(table([]), '');
});

t.test('bytes are told in binary units', async (t) => {
  const rows: [bytes: number, shown: string][] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [67_108_864, '64.0 MiB'],
    [5e15, '4547.5 TiB'],
  ];
  for (const [bytes, shown] of rows) t.equal(bytesText(bytes), shown);
});

t.test('durations are told in their two largest units', async (t) => {
  const rows: [ms: number, shown: string][] = [
    [0, '0 s'],
    [999, '0 s'],
    [61_000, '1 min 1 s'],
    [59_000, '59 s'],
    [3_600_000, '1 h 0 min'],
    [93_784_000, '1 d 2 h'],
  ];
  for (const [ms, shown] of rows) t.equal(durationText(ms), shown);
});
