import t from 'tap';
import { formatStamp, parseStamp } from './xep0082-datetime.ts';

t.test('stamps agree with the platform calendar over four centuries', async (t) => {
  for (let ms = -62_000_000_000_000; ms < 253_000_000_000_000; ms += 864_012_345_678) {
    const stamp = new Date(ms).toISOString();
    if (formatStamp(ms) !== stamp || parseStamp(stamp) !== ms) t.fail(stamp);
  }
});

t.test('a DateTime is read as the profile says', async (t) => {
  const table: [string, string | undefined][] = [
    ['1969-07-21T02:56:15Z', '1969-07-21T02:56:15.000Z'],
    ['1969-07-20T21:56:15-05:00', '1969-07-21T02:56:15.000Z'],
    ['2010-08-07T00:00:00+02:30', '2010-08-06T21:30:00.000Z'],
    ['2010-08-07T00:00:00.5Z', '2010-08-07T00:00:00.500Z'],
    ['2010-08-07T00:00:00.123456789Z', '2010-08-07T00:00:00.123Z'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
    ['2024-02-29T12:00:00Z', '2024-02-29T12:00:00.000Z'],
    ['2023-02-29T12:00:00Z', undefined],
    ['1900-02-29T12:00:00Z', undefined],
    ['2010-13-01T00:00:00Z', undefined],
    ['2010-00-01T00:00:00Z', undefined],
    ['2010-08-07T24:00:00Z', undefined],
    ['2010-08-07T00:60:00Z', undefined],
    ['2010-08-07T00:00:00', undefined],
    ['2010-08-07', undefined],
    ['20100807T00:00:00', undefined],
    ['2010-08-07T00:00:00+25:00', undefined],
    [' 2010-08-07T00:00:00Z', undefined],
    ['', undefined],
  ];
  for (const [text, expected] of table) {
    const ms = parseStamp(text);
    t.equal(ms === undefined ? undefined : formatStamp(ms), expected, text);
  }
});
