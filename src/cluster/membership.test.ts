import t from 'tap';
import {
  candidates,
  isWorking,
  type NodeState,
  nodeRecordFault,
  nodesById,
  plannerOf,
  type Standing,
  standingOf,
} from './membership.ts';
import { nodeView } from './planner.fixture.ts';

t.test('a member stands as its record and its silence say', async (t) => {
  const cases: [state: NodeState, suspectedForMs: number, inc: string, standing: Standing, works: boolean][] = [
    ['up', 0, 'a', 'open', true],
    ['up', 1, 'a', 'away', false],
    ['up', 59_999, 'a', 'away', false],
    ['up', 60_000, 'a', 'gone', false],
    ['up', 0, 'b', 'wiped', false],
    ['up', 90_000, 'b', 'wiped', false],
    ['draining', 0, 'a', 'draining', true],
    ['draining', 10, 'a', 'away', false],
    ['left', 0, 'a', 'away', false],
    ['left', 60_000, 'a', 'gone', false],
  ];
  for (const [state, suspectedForMs, inc, standing, works] of cases) {
    const nodes = nodesById([nodeView('n1', { state, suspectedForMs, inc: 'a' })]);
    t.equal(standingOf({ node: 'n1', inc }, nodes, 60_000), standing, `${state} ${suspectedForMs} ${inc}`);
    t.equal(isWorking(standing), works);
  }
  t.equal(standingOf({ node: 'n9', inc: 'a' }, new Map(), 60_000), 'gone');
});

t.test('only nodes that are up and heard get copies', async (t) => {
  const nodes = nodesById([
    nodeView('n3'),
    nodeView('n1'),
    nodeView('n2', { suspectedForMs: 5 }),
    nodeView('n4', { state: 'draining' }),
    nodeView('n5', { state: 'left' }),
  ]);
  t.same(candidates(nodes, 60_000), [
    { node: 'n1', inc: 'n1-1' },
    { node: 'n3', inc: 'n3-1' },
  ]);
});

t.test('the lowest node that is up and heard plans, a draining one only when there is no other', async (t) => {
  const silent = nodeView('n1', { suspectedForMs: 1 });
  const draining = nodeView('n2', { state: 'draining' });
  t.equal(plannerOf(nodesById([nodeView('n4'), nodeView('n3'), draining, silent])), 'n3');
  t.equal(plannerOf(nodesById([draining, silent, nodeView('n0', { state: 'left' })])), 'n2');
  t.equal(plannerOf(nodesById([silent])), undefined);
});

t.test('what is not a node record is refused with the reason', async (t) => {
  const { record } = nodeView('n1', { address: 'wss://n1.example.org/' });
  t.equal(nodeRecordFault(record), undefined);
  t.equal(nodeRecordFault({ ...record, address: undefined }), undefined);
  for (const [change, fault] of [
    [{ v: 2 }, 'version 2'],
    [{ node: 'a b' }, 'node'],
    [{ node: '' }, 'node'],
    [{ node: 'a.b' }, 'node'],
    [{ inc: '' }, 'inc'],
    [{ zone: 3 }, 'zone'],
    [{ version: undefined }, 'version'],
    [{ address: 7 }, 'address'],
    [{ state: 'down' }, 'state'],
    [{ since: Number.NaN }, 'since'],
  ] as const) {
    t.match(nodeRecordFault({ ...record, ...change }), fault);
  }
  t.equal(nodeRecordFault(null), 'not an object');
});
