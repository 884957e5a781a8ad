import t from 'tap';
import { Pauses } from './pauses.ts';

const ms = (value: number) => value * 1000;
const none = () => undefined;

t.test('a pause lies between the longest wait and the longest gap', async (t) => {
  const pauses = new Pauses(1, 'before', ms(0));
  for (let at = 50; at <= 500; at += 50) pauses.acknowledged(0, ms(at - 5), ms(at));
  const before = pauses.next('event', ms(500), none);
  t.match(before, { name: 'before', seconds: 0.5, acknowledged: 10, gapsMs: [50], waitsMs: [5] });
  // Nothing is acknowledged from 500 to 700; a write of 545 waits for it.
  pauses.acknowledged(0, ms(545), ms(700));
  pauses.acknowledged(0, ms(695), ms(700));
  const event = pauses.next('after', ms(750), none);
  t.match(event, { name: 'event', acknowledged: 2, gapsMs: [200], waitsMs: [155] });
});

t.test('a gap that began in the stretch before counts in the one that ends it', async (t) => {
  const pauses = new Pauses(1, 'before', ms(0));
  pauses.acknowledged(0, ms(90), ms(100));
  pauses.next('event', ms(300), none);
  pauses.acknowledged(0, ms(395), ms(400));
  t.same(pauses.next('after', ms(500), none).gapsMs, [300]);
});

t.test('a write that waits still counts with what it has waited', async (t) => {
  const pauses = new Pauses(2, 'event', ms(0));
  pauses.acknowledged(0, ms(90), ms(100));
  pauses.acknowledged(1, ms(90), ms(100));
  const ended = pauses.next('after', ms(1_000), (writer) => (writer === 1 ? ms(150) : undefined));
  t.same(ended.gapsMs, [100, 900]);
  t.same(ended.waitsMs, [10, 850]);
});

t.test('the first acknowledgement after a mark is that of a write that left after it', async (t) => {
  const pauses = new Pauses(2, 'all', ms(0));
  pauses.event('kill', ms(100));
  pauses.mark(ms(100));
  pauses.acknowledged(0, ms(99), ms(110));
  t.equal(pauses.firstMs(0), undefined, 'it had left before');
  pauses.acknowledged(0, ms(120), ms(2_100));
  pauses.acknowledged(0, ms(130), ms(2_200));
  t.equal(pauses.firstMs(0), 2_000);
  t.equal(pauses.firstMs(1), undefined);
  pauses.event('kill again', ms(5_000));
  pauses.mark(ms(5_000));
  t.equal(pauses.firstMs(0), undefined);
  t.match(pauses.timeline.events, [
    { atSeconds: 0.1, label: 'kill' },
    { atSeconds: 5, label: 'kill again' },
  ]);
});

t.test('the timeline holds what was acknowledged, and the longest wait, by tenths of a second', async (t) => {
  const pauses = new Pauses(1, 'all', ms(1_000));
  pauses.acknowledged(0, ms(1_040), ms(1_050));
  pauses.acknowledged(0, ms(1_050), ms(1_090));
  pauses.acknowledged(0, ms(1_200), ms(1_310));
  t.same(pauses.timeline.acknowledgedPerSecond, [20, 0, 0, 10]);
  t.same(pauses.timeline.waitMsMax, [40, 0, 0, 110]);
});
