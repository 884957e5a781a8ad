import t from 'tap';
import { BoundedQueue } from './bounded-queue.ts';
import { seededRandom } from './random.ts';

t.test('items leave in the order they came', async (t) => {
  const queue = new BoundedQueue<number>({ itemsMax: 100 });
  for (let i = 0; i < 40; i++) queue.push(i);
  t.equal(queue.peek(), 0);
  t.same(
    [...queue],
    Array.from({ length: 40 }, (_, i) => i),
  );
  for (let i = 0; i < 40; i++) t.equal(queue.shift(), i);
  t.equal(queue.shift(), undefined);
  t.equal(queue.peek(), undefined);
});

t.test('a full queue takes nothing and says so', async (t) => {
  const queue = new BoundedQueue<string>({ itemsMax: 2 });
  t.same([queue.push('a'), queue.push('b'), queue.push('c')], [true, true, false]);
  t.equal(queue.length, 2);
  queue.shift();
  t.ok(queue.push('d'));
  t.same([...queue], ['b', 'd']);
});

t.test('bytes are bounded too, and given back', async (t) => {
  const queue = new BoundedQueue<string>({ itemsMax: 100, bytesMax: 10, bytesOf: (item) => item.length });
  t.ok(queue.push('123456'));
  t.notOk(queue.push('12345'));
  t.ok(queue.push('1234'));
  t.equal(queue.bytes, 10);
  queue.shift();
  t.equal(queue.bytes, 4);
  t.notOk(queue.push('12345678901'));
  queue.clear();
  t.equal(queue.bytes, 0);
  t.equal(queue.length, 0);
});

t.test('it behaves as an array does under a random run of pushes and shifts', async (t) => {
  const random = seededRandom(42);
  const queue = new BoundedQueue<number>({ itemsMax: 50 });
  const model: number[] = [];
  for (let i = 0; i < 20_000; i++) {
    if (random.int(100) < 52) {
      if (queue.push(i)) model.push(i);
      else if (model.length !== 50) t.fail('refused below the bound');
    } else if (queue.shift() !== model.shift()) t.fail('order differs');
    if (queue.length !== model.length) t.fail('length differs');
  }
  t.same([...queue], model);
});
