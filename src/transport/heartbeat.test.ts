import t from 'tap';
import { natsForTest } from '../../test/harness/nats.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { startHeartbeats } from './heartbeat.ts';
import { connectNats } from './nats-link.ts';

const log = silentLog();
const until = async (done: () => boolean): Promise<void> => {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 5));
};

const nats = await natsForTest(t);
if (nats !== undefined) {
  const beating = async (node: string, inc = `${node}-inc`) => {
    const link = await connectNats({ urls: nats.urls }, node, log);
    t.teardown(() => link.close());
    const heard: [from: string, inc: string, sentAt: number | undefined][] = [];
    const impostors: string[] = [];
    const heartbeats = startHeartbeats(
      {
        cluster: 'east',
        self: { node, inc },
        link,
        clock: systemClock,
        log,
        onHeartbeat: (...all) => {
          heard.push(all);
          if (heard.length === 1) throw new Error('a receiver that fails');
        },
        onImpostor: (other) => void impostors.push(other),
      },
      { intervalMs: 20 },
    );
    t.teardown(() => heartbeats.stop());
    return { link, heartbeats, heard, impostors };
  };

  t.test('nodes hear each other, and what the other had heard of them', async (t) => {
    const started = systemClock.monotonic();
    const [one, two] = [await beating('n1'), await beating('n2')];
    await until(() => (one.heard.at(-1)?.[2] ?? 0) > started && (two.heard.at(-1)?.[2] ?? 0) > started);
    t.same(one.heard.at(-1)?.slice(0, 2), ['n2', 'n2-inc']);
    t.same(two.heard.at(-1)?.slice(0, 2), ['n1', 'n1-inc']);
    const echoed = one.heard.map(([, , sentAt]) => sentAt ?? 0);
    t.same(
      echoed,
      echoed.toSorted((a, b) => a - b),
      'times only rise',
    );
    t.same(one.impostors, []);

    two.heartbeats.stop();
    await two.link.connection.flush();
    await one.link.connection.flush();
    const so = two.heard.length;
    const before = one.heartbeats.stats.sent;
    await until(() => one.heartbeats.stats.sent > before + 2);
    t.equal(two.heard.length, so, 'nothing is heard after stop');
    one.heartbeats.stop();
  });

  t.test('what is no heartbeat is counted, and hearing goes on', async (t) => {
    const one = await beating('n3');
    for (const text of ['', 'rubbish', '\u0001', '[1]'])
      one.link.connection.publish('rookery.east.hb', new TextEncoder().encode(text));
    const two = await beating('n4');
    await until(() => one.heard.some(([from]) => from === 'n4'));
    t.equal(one.heartbeats.stats.malformed, 4);
    one.heartbeats.stop();
    two.heartbeats.stop();
  });

  t.test('a second process with the same node id is told', async (t) => {
    const one = await beating('n5');
    const two = await beating('n5', 'wiped');
    await until(() => one.impostors.length > 0 && two.impostors.length > 0);
    t.equal(one.impostors[0], 'wiped');
    t.equal(two.impostors[0], 'n5-inc');
    one.heartbeats.stop();
    two.heartbeats.stop();
  });
}
