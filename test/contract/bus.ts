import type { Test } from 'tap';
import type { Bus, Envelope } from '../../src/transport/bus.ts';

/** Buses that reach each other, in the order of the names. A bus that carries to itself only gets one name. */
export type MakeBuses = (t: Test, nodeIds: readonly string[]) => Promise<Bus[]>;

export interface BusTraits {
  /** most nodes that `MakeBuses` can connect; they know each other when it resolves */
  readonly nodesMax: number;
}

interface Heard {
  readonly got: Envelope[];
  /** sender of each */
  readonly from: string[];
  /** resolves when that many have come */
  count(many: number): Promise<void>;
}

function listen(bus: Bus): Heard {
  const got: Envelope[] = [];
  const senders: string[] = [];
  let waiting: { many: number; resolve: () => void } | undefined;
  bus.receive((envelope, from) => {
    got.push(envelope);
    senders.push(from);
    if (waiting !== undefined && got.length >= waiting.many) waiting.resolve();
  });
  return {
    got,
    from: senders,
    count: (many) =>
      got.length >= many
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiting = { many, resolve };
          }),
  };
}

const VALUES: readonly unknown[] = [
  { t: 'session', to: 'a@x', msg: { t: 'answer', token: 2 ** 40, outcome: { ok: true } } },
  { text: 'ä €😀\u0000"<>&', list: [1, -1, 0.5, null, true], deep: { deeper: [{}] } },
  'x'.repeat(300_000),
  [],
];

/** What every Bus must do. Call it from the test file of an implementation. */
export function busContract(t: Test, makeBuses: MakeBuses, traits: BusTraits): void {
  t.test('a node reaches itself, in order, with values as they were', async (t) => {
    const [bus] = await makeBuses(t, ['n1']);
    if (bus === undefined) return t.fail('no bus');
    t.equal(bus.nodeId, 'n1');
    const heard = listen(bus);
    const sent = VALUES.map((message, i) => ({ key: `chat:${i}`, message }));
    for (const envelope of sent) bus.send('n1', envelope);
    await heard.count(sent.length);
    t.same(heard.got, sent);
    t.same(new Set(heard.from), new Set(['n1']));
    await bus.close();
  });

  t.test('what is sent to a node that is not there is lost without a fuss', async (t) => {
    const [bus] = await makeBuses(t, ['n1']);
    if (bus === undefined) return t.fail('no bus');
    const heard = listen(bus);
    t.doesNotThrow(() => bus.send('nobody', { key: '', message: 1 }));
    bus.send('n1', { key: '', message: 2 });
    await heard.count(1);
    t.same(heard.got, [{ key: '', message: 2 }]);
    await bus.close();
  });

  t.test('after close nothing is sent or received, and nothing throws', async (t) => {
    const [bus] = await makeBuses(t, ['n1']);
    if (bus === undefined) return t.fail('no bus');
    const heard = listen(bus);
    await bus.close();
    await bus.close();
    t.doesNotThrow(() => bus.send('n1', { key: '', message: 1 }));
    await new Promise((resolve) => setImmediate(resolve));
    t.same(heard.got, []);
  });

  if (traits.nodesMax >= 2) betweenNodes(t, makeBuses);
}

function betweenNodes(t: Test, makeBuses: MakeBuses): void {
  t.test('what one node sends to another comes there alone, in the order it was sent', async (t) => {
    const buses = await makeBuses(t, ['n1', 'n2', 'n3']);
    const [one, two] = buses;
    if (one === undefined || two === undefined) return t.fail('no buses');
    const heard = buses.map(listen);
    for (let i = 0; i < 500; i++) one.send(i % 5 === 0 ? 'n3' : 'n2', { key: 'chat:x', message: i });
    two.send('n1', { key: 'chat:x', message: 'back' });
    await Promise.all([heard[0]?.count(1), heard[1]?.count(400), heard[2]?.count(100)]);
    const numbers = (at: number): unknown[] => (heard[at]?.got ?? []).map(({ message }) => message);
    t.same(numbers(0), ['back']);
    t.same(heard[0]?.from, ['n2']);
    t.same(new Set(heard[1]?.from), new Set(['n1']));
    const all = Array.from({ length: 500 }, (_, i) => i);
    t.same(
      numbers(1),
      all.filter((i) => i % 5 !== 0),
    );
    t.same(
      numbers(2),
      all.filter((i) => i % 5 === 0),
    );
    for (const bus of buses) await bus.close();
  });

  t.test('values come to another node as they were, small and large, by both ways', async (t) => {
    const [one, two] = await makeBuses(t, ['n1', 'n2']);
    if (one === undefined || two === undefined) return t.fail('no buses');
    for (const bulk of [false, true]) {
      const heard = listen(two);
      const sent = BETWEEN.map((message, i) => ({ key: `chat:${i}`, message }));
      for (const envelope of sent) one.send('n2', envelope, { bulk });
      await heard.count(sent.length);
      t.same(heard.got, sent, bulk ? 'bulk' : 'traffic');
    }
    await one.close();
    await two.close();
  });

  t.test('a receiver that throws hears the next envelope all the same', async (t) => {
    const [one, two] = await makeBuses(t, ['n1', 'n2']);
    if (one === undefined || two === undefined) return t.fail('no buses');
    const got: unknown[] = [];
    const last = new Promise<void>((resolve) => {
      two.receive(({ message }) => {
        got.push(message);
        if (message === 3) resolve();
        if (message === 1) throw new Error('a receiver that fails');
      });
    });
    one.send('n2', { key: '', message: 1 });
    one.send('n2', { key: '', message: 2 });
    await new Promise((resolve) => setImmediate(resolve));
    one.send('n2', { key: '', message: 3 });
    await last;
    t.same(got, [1, 2, 3]);
    await one.close();
    await two.close();
  });
}

const BETWEEN: readonly unknown[] = [
  ...VALUES,
  { idx: 7, epoch: 2, bytes: Buffer.from([0, 255, 128, 7]) },
  { bytes: Buffer.alloc(3_000_000, 'snapshot ') },
  'ä'.repeat(262_144),
  { after: 'the large ones' },
];
