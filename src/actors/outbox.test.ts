import t from 'tap';
import { Outbox } from './outbox.ts';

function outbox(): { box: Outbox; sent: string[]; acked: string[] } {
  const sent: string[] = [];
  const acked: string[] = [];
  const box = new Outbox({
    resendMs: 100,
    resendMsMax: 300,
    nackMs: 10,
    now: () => 0,
    later: () => {},
    send: (to, { shard, idx, pos }, body, live) => sent.push(`${to} ${shard}/${idx}/${pos} ${body}${live ?? ''}`),
    acked: (shard, idx) => acked.push(`${shard}/${idx}`),
  });
  return { box, sent, acked };
}

const items = (...names: string[]): { to: string; body: string }[] => names.map((to) => ({ to, body: 'b' }));

t.test('an op is sent at once, item by item, with what is still in memory', async (t) => {
  const { box, sent } = outbox();
  box.add(3, 7, items('x', 'y'), ['!', undefined], 0);
  t.same(sent, ['x 3/7/0 b!', 'y 3/7/1 b']);
  t.equal(box.size, 1);
});

t.test('what is not acknowledged is sent again, later and later, without what was in memory', async (t) => {
  const { box, sent } = outbox();
  box.add(3, 7, items('x', 'y'), ['!', '!'], 0);
  sent.length = 0;
  box.ack({ shard: 3, idx: 7, pos: 0 });
  const times: number[] = [];
  for (let now = 0; now <= 1200; now += 50) {
    box.sweep(now);
    if (sent.splice(0).includes('y 3/7/1 b')) times.push(now);
  }
  t.same(times, [100, 300, 600, 900, 1200], 'doubling up to the bound, never given up');
  t.equal(box.resent, 5);
});

t.test('an op is reported once, when the last of its items is acknowledged', async (t) => {
  const { box, acked } = outbox();
  box.add(1, 1, items('x', 'y'), [], 0);
  box.add(2, 1, items('z'), [], 0);
  box.ack({ shard: 1, idx: 1, pos: 1 });
  box.ack({ shard: 1, idx: 1, pos: 1 });
  t.same(acked, [], 'the same item twice is one item');
  box.ack({ shard: 2, idx: 1, pos: 0 });
  t.same(acked, ['2/1'], 'shards do not share numbers');
  box.ack({ shard: 1, idx: 1, pos: 0 });
  box.ack({ shard: 1, idx: 1, pos: 0 });
  box.ack({ shard: 9, idx: 9, pos: 0 });
  t.same(acked, ['2/1', '1/1']);
  t.equal(box.size, 0, 'nothing is kept of it');
});

t.test(
  'a refused item goes again with everything behind it for the same receiver, in order, and nothing else',
  async (t) => {
    const { box, sent } = outbox();
    box.add(3, 7, items('x', 'y'), [], 0);
    box.add(3, 8, items('x'), [], 0);
    box.add(4, 1, items('x'), [], 0);
    box.add(3, 9, items('x'), [], 0);
    box.ack({ shard: 3, idx: 8, pos: 0 });
    sent.length = 0;
    box.nack({ shard: 3, idx: 9, pos: 0 }, 'gap');
    t.same(sent, ['x 3/7/0 b', 'x 3/9/0 b']);
    box.nack({ shard: 3, idx: 8, pos: 0 }, 'gap');
    t.equal(sent.length, 2, 'an old refusal of what was acknowledged since means nothing');
  },
);

t.test('what a shard left is not sent any more when it is led elsewhere', async (t) => {
  const { box, sent, acked } = outbox();
  box.add(3, 7, items('x'), [], 0);
  box.add(4, 7, items('x'), [], 0);
  box.drop(3);
  sent.length = 0;
  box.sweep(1000);
  t.same(sent, ['x 4/7/0 b']);
  box.ack({ shard: 3, idx: 7, pos: 0 });
  t.same([acked, box.size], [[], 1]);
});
