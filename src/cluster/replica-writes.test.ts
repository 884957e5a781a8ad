import t from 'tap';
import { cutWrites, hardIsDurable, issueHardWrite, issueLogWrite, noteWritten, openWrites } from './replica-writes.ts';

t.test('the log is durable as far as the last finished write says', async (t) => {
  const writes = openWrites(3);
  const first = issueLogWrite(writes, 5);
  const second = issueLogWrite(writes, 6);
  t.equal(writes.durableIdx, 3);
  noteWritten(writes, first);
  t.equal(writes.durableIdx, 5);
  noteWritten(writes, second);
  t.equal(writes.durableIdx, 6);
  noteWritten(writes, first);
  t.equal(writes.durableIdx, 6, 'what is told twice changes nothing');
});

t.test('an entry that was written, truncated and written again is durable only with the last write', async (t) => {
  const writes = openWrites(8);
  const first = issueLogWrite(writes, 10);
  cutWrites(writes, 8);
  const other = issueLogWrite(writes, 10);
  cutWrites(writes, 8);
  const again = issueLogWrite(writes, 10);
  noteWritten(writes, first);
  t.equal(writes.durableIdx, 8);
  noteWritten(writes, other);
  t.equal(writes.durableIdx, 8);
  noteWritten(writes, again);
  t.equal(writes.durableIdx, 10);
});

t.test('a promise is durable when its own write is', async (t) => {
  const writes = openWrites(0);
  t.ok(hardIsDurable(writes), 'what was recovered is on disk');
  issueLogWrite(writes, 1);
  const promise = issueHardWrite(writes);
  noteWritten(writes, 1);
  t.notOk(hardIsDurable(writes));
  noteWritten(writes, promise);
  t.ok(hardIsDurable(writes));
});
