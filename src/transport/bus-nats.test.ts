import t from 'tap';
import { busContract } from '../../test/contract/bus.ts';
import { natsForTest } from '../../test/harness/nats.ts';
import { silentLog } from '../base/log.ts';
import type { Bus } from './bus.ts';
import { type NatsBusOptions, natsBus } from './bus-nats.ts';
import { connectNats, type NatsLink, type NatsOptions } from './nats-link.ts';

const log = silentLog();

const nats = await natsForTest(t);
if (nats !== undefined) {
  const connected = async (options: Partial<NatsOptions> = {}): Promise<NatsLink> => {
    const link = await connectNats({ urls: nats.urls, ...options }, 'test', log);
    t.teardown(() => link.close());
    return link;
  };
  const busFor = async (node: string, options: Partial<NatsBusOptions> = {}, cluster = 'east') => {
    const [traffic, bulk] = [await connected(), await connected()];
    const bus = await natsBus({ cluster, self: { node, inc: 'i1' }, traffic, bulk, log }, options);
    t.teardown(() => bus.close());
    return { bus, traffic, bulk };
  };
  const next = (bus: Bus): Promise<unknown> => new Promise((resolve) => bus.receive(({ message }) => resolve(message)));

  t.test('the contract', async (t) => {
    let clusters = 0;
    busContract(
      t,
      async (_t, nodeIds) => {
        const cluster = `contract-${clusters++}`;
        return Promise.all(nodeIds.map(async (node) => (await busFor(node, {}, cluster)).bus));
      },
      { nodesMax: 3 },
    );
  });

  t.test('what a node sends itself never touches NATS, and is the very object', async (t) => {
    const { bus } = await busFor('n1');
    const message = { never: 'packed', fn: () => 1 };
    let got: unknown;
    bus.receive((envelope) => {
      got = envelope.message;
    });
    bus.send('n1', { key: '', message });
    t.equal(got, message);
    t.equal(bus.stats().sent.traffic.messages, 0);
  });

  t.test('envelopes of one turn of the event loop leave as one message', async (t) => {
    const { bus } = await busFor('n1');
    const { bus: other } = await busFor('n2');
    const arrived = new Promise<void>((resolve) => other.receive(({ message }) => message === 99 && resolve()));
    for (let i = 0; i < 50; i++) bus.send('n2', { key: '', message: i });
    await null;
    await null;
    for (let i = 50; i < 100; i++) bus.send('n2', { key: '', message: i });
    await arrived;
    t.equal(bus.stats().sent.traffic.messages, 1);
    t.equal(bus.stats().sent.traffic.envelopes, 100);
    t.equal(other.stats().received.messages, 1);
  });

  t.test('no message is larger than a chunk, whatever the envelopes', async (t) => {
    const { bus } = await busFor('n1', { chunkBytesMax: 1_000 });
    const { bus: other } = await busFor('n2');
    const sizes: number[] = [];
    const spy = await connected();
    spy.connection.subscribe('rookery.east.n2.*', { callback: (_err, { data }) => void sizes.push(data.length) });
    await spy.connection.flush();
    const got: unknown[] = [];
    const sent = Array.from({ length: 60 }, (_, i) => 'x'.repeat(i * 60));
    const arrived = new Promise<void>((resolve) =>
      other.receive(({ message }) => got.push(message) === sent.length && resolve()),
    );
    for (const message of sent) bus.send('n2', { key: 'chat:x', message });
    await arrived;
    await spy.connection.flush();
    t.same(got, sent, 'in the order sent');
    t.ok(Math.max(...sizes) <= 1_000, `${Math.max(...sizes)}`);
    t.ok(sizes.length < sent.length * 3);
  });

  t.test('a message of another cluster, another version or of no sense is refused and counted', async (t) => {
    const { bus } = await busFor('n1');
    const { bus: stranger, traffic } = await busFor('n9', {}, 'west');
    const heard: unknown[] = [];
    bus.receive(({ message }) => void heard.push(message));
    const frame = await new Promise<Uint8Array>((resolve) => {
      traffic.connection.subscribe('rookery.west.n8.d', { callback: (_err, { data }) => resolve(data), max: 1 });
      stranger.send('n8', { key: '', message: 'from the west' });
    });
    const newer = Uint8Array.from(frame);
    newer[0] = 2;
    for (const bytes of [frame, newer, new Uint8Array(2)]) traffic.connection.publish('rookery.east.n1.d', bytes);
    const { bus: friend } = await busFor('n2');
    const done = next(bus);
    await traffic.connection.flush();
    friend.send('n1', { key: '', message: 'from the east' });
    t.equal(await done, 'from the east');
    t.same(heard, []);
    t.same(bus.stats().refused, { version: 1, cluster: 1, malformed: 1 });
  });

  t.test('above the bound on pending bytes envelopes are dropped and counted, and room comes back', async (t) => {
    const { bus } = await busFor('n1', { pendingBytesMax: 10_000 });
    const { bus: other } = await busFor('n2');
    const first = next(other);
    for (let i = 0; i < 20; i++) bus.send('n2', { key: '', message: 'x'.repeat(990) });
    t.equal(bus.stats().sent.traffic.dropped.pending, 10);
    t.ok(bus.stats().pendingBytes <= 10_000);
    await first;
    while (bus.stats().pendingBytes > 1_250) await new Promise((resolve) => setImmediate(resolve));
    const second = next(other);
    bus.send('n2', { key: '', message: 'room again' });
    t.equal(await second, 'room again');
    t.equal(bus.stats().sent.traffic.dropped.pending, 10);
  });

  t.test('what cannot be sent is counted, and does not throw', async (t) => {
    const { bus, traffic, bulk } = await busFor('n1', { envelopeBytesMax: 1_000 });
    bus.send('n2', { key: '', message: 'x'.repeat(2_000) });
    bus.send('*', { key: '', message: 1 });
    bus.send('n2.d', { key: '', message: 1 });
    await traffic.close();
    bus.send('n2', { key: '', message: 1 });
    t.same(bus.stats().sent.traffic.dropped, { disconnected: 1, pending: 0, unsendable: 1, unaddressable: 2 });
    t.equal(bulk.connected, true);
  });

  t.test('a name that is no token of a subject is refused at the start', async (t) => {
    const link = await connected();
    const parts = { cluster: 'east', self: { node: 'n1', inc: 'i' }, traffic: link, bulk: link, log };
    await t.rejects(natsBus({ ...parts, cluster: 'a.b' }), RangeError);
    await t.rejects(natsBus({ ...parts, self: { node: '>', inc: 'i' } }), RangeError);
  });

  t.test('after the server was away the buses reach each other again', async (t) => {
    const { bus, traffic } = await busFor('n1');
    const { bus: other } = await busFor('n2');
    const first = next(other);
    bus.send('n2', { key: '', message: 'before' });
    await first;
    await nats.kill(0);
    while (traffic.connected) await new Promise((resolve) => setTimeout(resolve, 5));
    bus.send('n2', { key: '', message: 'lost' });
    t.equal(bus.stats().sent.traffic.dropped.disconnected, 1);
    await nats.restart(0);
    const again = next(other);
    const sending = setInterval(() => bus.send('n2', { key: '', message: 'after' }), 20);
    t.equal(await again, 'after');
    clearInterval(sending);
    t.ok(traffic.stats.disconnected >= 1);
    t.ok(traffic.stats.connected >= 2);
  });
}

const three = await natsForTest(t, { servers: 3 });
if (three !== undefined) {
  t.test('nodes at different servers reach each other, also when a server dies', async (t) => {
    const buses = await Promise.all(
      three.urls.map(async (_, at) => {
        // Its own server first, the others when that is gone.
        const urls = [...three.urls.slice(at), ...three.urls.slice(0, at)];
        const link = await connectNats({ urls, reconnectWaitMs: 20 }, 'test', log);
        const bus = await natsBus({
          cluster: 'east',
          self: { node: `n${at}`, inc: 'i' },
          traffic: link,
          bulk: link,
          log,
        });
        t.teardown(async () => {
          await bus.close();
          await link.close();
        });
        return bus;
      }),
    );
    const heard = buses.map(() => new Set<string>());
    for (const [at, bus] of buses.entries())
      bus.receive(({ message }, from) => void heard[at]?.add(`${from} ${message}`));
    // At most once: whoever wants it to arrive says it again.
    const allHear = async (what: string): Promise<void> => {
      while (heard.some((one) => [...one].filter((line) => line.endsWith(what)).length < buses.length)) {
        for (const bus of buses) for (const other of buses) bus.send(other.nodeId, { key: '', message: what });
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await allHear('hello');
    await three.kill(0);
    await allHear('still here');
    t.pass('all heard all');
  });
}
