import t from 'tap';
import { ShardRoom } from './shard-room.ts';

const nothing = { goOn: false, stop: [], stay: [] };

t.test('without room for long enough the shards are left, some at a time, and come back with it', async (t) => {
  const room = new ShardRoom(5, { asideMs: 100, atOnce: 2 });
  t.same(room.look(true, 0), nothing);
  t.same(room.look(false, 10), nothing);
  t.same(room.look(false, 109), nothing);
  t.same(room.look(false, 110), { ...nothing, stop: [0, 1] });
  t.same(room.look(false, 120), { ...nothing, stop: [2, 3] });
  t.same(room.look(true, 130), { goOn: true, stop: [], stay: [0, 1, 2, 3] });
  t.same(room.look(true, 140), nothing);
});

t.test('a short want of room moves nothing, and what waited goes on', async (t) => {
  const room = new ShardRoom(5, { asideMs: 100, atOnce: 2 });
  room.look(false, 0);
  t.same(room.look(true, 50), { goOn: true, stop: [], stay: [] });
  t.same(room.look(false, 120), nothing, 'the time counts from the new want');
});

t.test('all shards are left and no more, and anew after a new beginning', async (t) => {
  const room = new ShardRoom(3, { asideMs: 0, atOnce: 2 });
  t.same([room.look(false, 0).stop, room.look(false, 1).stop, room.look(false, 2).stop], [[0, 1], [2], []]);
  room.begin();
  t.same(room.look(false, 3).stop, [0, 1]);
});
