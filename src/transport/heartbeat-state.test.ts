import t from 'tap';
import { type Heartbeat, hearHeartbeat, nextHeartbeat, openHeartbeats } from './heartbeat-state.ts';

const options = { peersMax: 3, forgetMs: 1_000 };
const open = (node: string, run = `${node}-run`) => openHeartbeats({ node, inc: `${node}-inc`, run }, options);
const from = (node: string, seq: number, more: Partial<Heartbeat> = {}): Heartbeat => ({
  node,
  inc: `${node}-inc`,
  run: `${node}-run`,
  seq,
  sentAt: seq * 100,
  echo: [],
  ...more,
});

t.test('a peer tells which of our heartbeats it had heard, by our clock', async (t) => {
  const [one, two] = [open('n1'), open('n2')];
  const first = nextHeartbeat(one, 5_000);
  t.same(first, { node: 'n1', inc: 'n1-inc', run: 'n1-run', seq: 1, sentAt: 5_000, echo: [] });
  t.same(hearHeartbeat(two, 77, first), { t: 'heard', from: 'n1', inc: 'n1-inc', ofHeartbeatSentAt: undefined });
  const answer = nextHeartbeat(two, 90);
  t.same(answer.echo, [['n1', 'n1-run', 5_000]]);
  nextHeartbeat(one, 5_250);
  const heard = { t: 'heard', from: 'n2', inc: 'n2-inc' };
  t.same(hearHeartbeat(one, 5_300, answer), { ...heard, ofHeartbeatSentAt: 5_000 }, 'not the newest, which was lost');
  t.same(hearHeartbeat(one, 5_400, nextHeartbeat(two, 200)), { ...heard, ofHeartbeatSentAt: 5_000 }, 'and still not');
});

t.test('an echo counts for the process it was of, and not before it was sent', async (t) => {
  const table: [what: string, echo: Heartbeat['echo'], expected: number | undefined][] = [
    ['of this process', [['n1', 'n1-run', 400]], 400],
    [
      'among others',
      [
        ['n3', 'x', 1],
        ['n1', 'n1-run', 400],
      ],
      400,
    ],
    ['of the process before, whose clock stood elsewhere', [['n1', 'old-run', 400]], undefined],
    ['of a time that has not been', [['n1', 'n1-run', 501]], undefined],
    ['of others only', [['n3', 'n1-run', 400]], undefined],
  ];
  for (const [what, echo, expected] of table) {
    const heard = hearHeartbeat(open('n1'), 500, from('n2', 1, { echo }));
    t.same(heard, { t: 'heard', from: 'n2', inc: 'n2-inc', ofHeartbeatSentAt: expected }, what);
  }
});

t.test('a heartbeat that comes late or twice is ignored, one of a new process is not', async (t) => {
  const state = open('n1');
  const table: [heartbeat: Heartbeat, expected: string][] = [
    [from('n2', 5), 'heard'],
    [from('n2', 5), 'late'],
    [from('n2', 4), 'late'],
    [from('n2', 6), 'heard'],
    [from('n2', 1, { run: 'again' }), 'heard'],
    [from('n2', 2, { run: 'again', inc: 'wiped' }), 'heard'],
    [from('n1', 9), 'own'],
    [from('n1', 1, { run: 'other', inc: 'other' }), 'impostor'],
  ];
  for (const [heartbeat, expected] of table) {
    const heard = hearHeartbeat(state, 10_000, heartbeat);
    t.equal(
      heard.t === 'ignored' ? heard.why : heard.t,
      expected,
      `${heartbeat.node} ${heartbeat.run} ${heartbeat.seq}`,
    );
  }
  t.same([...state.peers.keys()], ['n2']);
});

t.test('who is silent is not echoed any more, and the number remembered is bounded', async (t) => {
  const state = open('n1');
  for (const [i, node] of ['a', 'b', 'c', 'a', 'd'].entries()) hearHeartbeat(state, i, from(node, i + 1));
  const echoed = (now: number): string[] => nextHeartbeat(state, now).echo.map(([node]) => node);
  t.same(echoed(5), ['c', 'a', 'd'], 'b was heard longest ago');
  t.same(echoed(1_002), ['a', 'd']);
  t.same(echoed(1_004), []);
  t.equal(state.peers.size, 0);
});
