import t from 'tap';
import { Routes } from './routes.ts';

function routes(leaders: (string | undefined)[]): { routes: Routes; time: { now: number } } {
  const time = { now: 1000 };
  const directory = { shards: leaders.length, leader: (shard: number) => leaders[shard], epoch: () => 9 };
  return { routes: new Routes('me', directory, false, { hintMs: 100, now: () => time.now }), time };
}

t.test('a node leads what it was told to lead, whatever the directory says', async (t) => {
  const { routes: own } = routes(['me', 'you', undefined]);
  t.equal(own.leads(0), false);
  t.equal(own.farLeader(0), undefined, 'it is not known who leads what this node is said to lead and does not');
  t.equal(own.lead(0, 7), true);
  t.equal(own.lead(0, 7), false, 'led already');
  t.same([own.led(), own.epochOf(0), own.epochOf(1)], [[0], 7, 0]);
  t.same([own.latestEpoch(0), own.latestEpoch(1)], [7, 9], 'of others what the directory says');
  t.equal(own.farLeader(1), 'you');
  t.equal(own.farLeader(2), undefined);
  t.equal(own.unlead(1), false);
  t.equal(own.unlead(0), true);
  t.equal(own.leads(0), false);
});

t.test('a node that is alone leads everything', async (t) => {
  const alone = new Routes('me', { shards: 3, leader: () => 'me', epoch: () => 0 }, true, { hintMs: 1, now: () => 0 });
  t.same(alone.led(), [0, 1, 2]);
  t.equal(alone.leads(2), true);
});

t.test("another node's word outweighs the directory for a while", async (t) => {
  const leaders = ['old', 'old'];
  const { routes: own, time } = routes(leaders);
  own.hint(0, 'new');
  own.hint(1, 'new');
  t.equal(own.farLeader(0), 'new');
  own.hint(1, undefined);
  t.equal(own.farLeader(1), 'old', 'who knows nobody takes it back');
  time.now += 100;
  t.equal(own.farLeader(0), 'old');
  own.hint(0, 'dead');
  own.forget('dead');
  t.equal(own.farLeader(0), 'old');
  own.hint(0, 'me');
  t.equal(own.farLeader(0), 'old', 'what others think this node leads is for it to know');
  t.same([...own.farLeaders()], ['old']);
});
