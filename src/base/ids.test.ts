import t from 'tap';
import { validate, version } from 'uuid';
import { shortId, uuidV7 } from './ids.ts';

t.test('a uuid is a valid version 7 with the given time in front', async (t) => {
  const now = Date.now() + 1000;
  const id = uuidV7(now);
  t.ok(validate(id));
  t.equal(version(id), 7);
  t.equal(Number.parseInt(id.slice(0, 13).replace('-', ''), 16), now);
});

t.test('uuids rise strictly within a millisecond, past its counter, and when the clock steps back', async (t) => {
  const now = Date.now() + 10_000;
  const ids = Array.from({ length: 10_000 }, (_, i) => uuidV7(i < 9000 ? now : now - 5000));
  t.same(ids, [...ids].sort());
  t.equal(new Set(ids).size, ids.length);
  t.ok(ids.every(validate));
});

t.test('a short id has the asked length, 32 symbols, and does not repeat', async (t) => {
  const ids = new Set(Array.from({ length: 5000 }, () => shortId()));
  t.equal(ids.size, 5000);
  for (const id of ids) if (!/^[a-z2-7]{16}$/.test(id)) t.fail(id);
  t.equal(shortId(26).length, 26);
});
