import t from 'tap';
import { assert, InvariantError, must, unreachable } from './assert.ts';

t.test('assert lets a truth pass and throws on a broken invariant', async (t) => {
  assert(1, 'fine');
  t.throws(() => assert(0, 'idx must rise'), { name: 'InvariantError', message: 'idx must rise' });
});

t.test('must hands the value on, and takes zero and the empty string for values', async (t) => {
  t.equal(must(0, 'x'), 0);
  t.equal(must('', 'x'), '');
  t.throws(() => must(undefined, 'no leader'), InvariantError);
  t.throws(() => must(null, 'no leader'), InvariantError);
});

t.test('unreachable names the value', async (t) => {
  t.throws(() => unreachable({ t: 'new' } as never), { message: 'unexpected value {"t":"new"}' });
});
