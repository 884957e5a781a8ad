import t, { type Test } from 'tap';
import { Load } from './load.ts';
import { Meter } from './meter.ts';
import { Progress } from './progress.ts';
import { groupTopology, pairTopology, type Topology } from './topology.ts';

const silent = { isTTY: false, write: () => true } as unknown as NodeJS.WriteStream;

/** Drives `topology` through a server made of `deliver`: it says who gets which copies of a sender's n-th message. */
async function drive(
  topology: Topology,
  deliver: (sender: number, n: number, xml: string) => [number, string][],
  rate?: number,
) {
  const counts: number[] = [];
  const load: Load = new Load({
    topology,
    outstanding: 2,
    ...(rate === undefined ? {} : { rate }),
    countMax: 40,
    bodyBytes: 60,
    warmupMs: 0,
    durationMs: 200,
    drainQuietMs: 50,
    send(sender, xml) {
      counts[sender] = (counts[sender] ?? 0) + 1;
      const copies = deliver(sender, counts[sender], xml);
      setImmediate(() => copies.forEach(([to, text]) => void load.receive(to, text)));
    },
    meter: new Meter(undefined),
    progress: new Progress(silent),
    signal: new AbortController().signal,
  });
  return { load, phase: await load.drive('test', 'test') };
}

const pairs = pairTopology(4, (i) => `u${i}@d`);
const toPeer = (sender: number, xml: string): [number, string][] => [[sender ^ 1, xml]];

async function sees(t: Test, deliver: Parameters<typeof drive>[1], want: object): Promise<void> {
  const { phase } = await drive(pairs, deliver);
  t.match(phase, want);
}

t.test('a server that delivers everything is found without fault, closed loop and open loop', async (t) => {
  for (const rate of [undefined, 1_000]) {
    const { load, phase } = await drive(pairs, (sender, _, xml) => toPeer(sender, xml), rate);
    t.strictSame(phase.checks, { lost: 0, duplicated: 0, reordered: 0 });
    t.equal(
      load.sent.reduce((a, b) => a + b, 0),
      40,
    );
    t.equal(load.underWay, 0);
  }
});

t.test('a body has the length that was asked for', async (t) => {
  await drive(pairs, (sender, _, xml) => {
    t.equal(/<body>(.*)<\/body>/.exec(xml)?.[1]?.length, 60);
    return toPeer(sender, xml);
  });
});

t.test('what a server loses, doubles or bounces is counted', async (t) => {
  const lose = (sender: number, n: number, xml: string) => (sender === 0 && n === 2 ? [] : toPeer(sender, xml));
  await sees(t, lose, { checks: { lost: 1, duplicated: 0, reordered: 0 } });
  const double = (sender: number, n: number, xml: string) =>
    sender === 0 && n === 2 ? [...toPeer(sender, xml), ...toPeer(sender, xml)] : toPeer(sender, xml);
  await sees(t, double, { checks: { lost: 0, duplicated: 1, reordered: 0 } });
  const bounce = (sender: number, n: number, xml: string): [number, string][] =>
    sender === 0 && n === 2 ? [[0, xml.replace("type='chat'", "type='error'")]] : toPeer(sender, xml);
  await sees(t, bounce, { checks: { lost: 0, duplicated: 0 }, errors: { bounced: 1 } });
});

t.test('in a group each message is due to every member, and the reflection lets the sender go on', async (t) => {
  const everyone = (_s: number, _n: number, xml: string): [number, string][] => [0, 1, 2].map((to) => [to, xml]);
  const { phase } = await drive(
    groupTopology(1, 3, 2, () => 'g@c'),
    everyone,
  );
  t.equal(phase.operations, 120);
  t.strictSame(phase.checks, { lost: 0, duplicated: 0, reordered: 0 });
});

t.test('an error without the body is known by its id', async (t) => {
  const phases = await drive(pairs, (sender, n, xml) => {
    const id = /id='(\w+)'/.exec(xml)?.[1];
    return n === 3
      ? [[sender, `<message type='error' id='${id}'><error type='wait'><resource-constraint/></error></message>`]]
      : toPeer(sender, xml);
  });
  t.match(phases.phase, { checks: { lost: 0, duplicated: 0, reordered: 0 }, errors: { bounced: 4 } });
});
