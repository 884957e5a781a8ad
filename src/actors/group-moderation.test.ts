import t from 'tap';
import type { MessageRecord } from '../xmpp/message-record.ts';
import type { History } from './chat-retract.ts';
import {
  ALICE,
  BOB,
  CAROL,
  items,
  LIMITS,
  ROOM,
  room,
  said,
  send,
  type TestRoom,
  told,
  turnOf,
} from './group.fixture.ts';
import type { GroupEffect } from './group-state.ts';
import type { Send } from './messages.ts';
import type { Turn } from './turn.ts';

const A1 = `${ALICE}/a`;
const B1 = `${BOB}/b`;
const takesBack = (id: string): string => `<retract xmlns='urn:xmpp:message-retract:1' id='${id}'/>`;
const THERE: TestRoom = {
  affiliates: { [ALICE]: 'owner', [BOB]: 'member', [CAROL]: 'member' },
  occupants: { [A1]: { v: 1, nick: 'al', role: 'moderator' }, [B1]: 'bo' },
  lastSeq: 2,
};

/** Two committed messages: alice's, then bob's. */
const log: readonly MessageRecord[] = [A1, B1].map((from) => ({
  v: 1,
  from,
  to: ROOM,
  type: 'groupchat',
  id: 'said',
  oid: undefined,
  ts: 1,
  inner: '<body>secret</body>',
  nick: from === A1 ? 'al' : 'bo',
}));
const history: History = {
  read({ from, to, limit, reverse }) {
    const found = log.map((record, i) => ({ seq: i + 1, record })).filter(({ seq }) => seq >= from && seq <= to);
    return (reverse ? found.toReversed() : found).slice(0, limit);
  },
};
const here = () => room(THERE, LIMITS, history);

function moderate(from: string, id: string, more: Partial<Send> = {}): Send {
  const inner = `<moderate xmlns='urn:xmpp:message-moderate:1' id='${id}'><retract xmlns='urn:xmpp:message-retract:1'/><reason>spam</reason></moderate>`;
  return send(from, inner, { kind: 'iq', type: 'set', id: 'q1', ...more });
}

const written = (turn: Turn<GroupEffect>): string[] =>
  turn.streams.map((write) => {
    if (write.t === 'append') return `+${write.seq}`;
    if (write.t !== 'replace') return write.t;
    return `${write.seq}${(write.record as MessageRecord).inner.includes('secret') ? ' with its body' : ''}`;
  });

const recordOf = (turn: Turn<GroupEffect>, t: 'append' | 'replace'): MessageRecord =>
  turn.streams.flatMap((write) => (write.t === t ? [write.record as MessageRecord] : []))[0] as MessageRecord;

t.test('who said something takes it back by the id of the room, nobody else does', async (t) => {
  const cases: readonly [from: string, id: string, writes: string[], answer: string][] = [
    [B1, '2', ['+3', '2'], 'bob: ok 3'],
    [B1, '1', [], 'bob: forbidden'],
    [A1, '2', [], 'alice: forbidden'],
    [B1, '9', ['+3'], 'bob: ok 3'],
    [B1, '02', ['+3'], 'bob: ok 3'],
    [B1, 'said', ['+3', '2'], 'bob: ok 3'],
    [A1, 'said', ['+3', '1'], 'alice: ok 3'],
    [B1, 'not said', ['+3'], 'bob: ok 3'],
  ];
  for (const [from, id, writes, answer] of cases) {
    const turn = turnOf(here(), [send(from, takesBack(id))]);
    t.strictSame(written(turn), writes, `${from} ${id}`);
    t.ok(said(turn).includes(answer), `${from} ${id}: ${said(turn).join()}`);
  }
});

t.test('a tombstone keeps whose it was', async (t) => {
  const group = here();
  const said = recordOf(turnOf(group, [send(B1, '<body>x</body>')]), 'append');
  const occupant = /<occupant-id[^>]*>/.exec(said.inner)?.[0] ?? 'none';
  const turn = turnOf(group, [send(B1, takesBack('2'), { id: 'retraction' })]);
  const rest = recordOf(turn, 'replace');
  t.match(rest, { from: B1, nick: 'bo', id: 'said', gone: true });
  t.ok(rest.inner.includes(occupant));
  t.match(rest.inner, /<retracted [^>]*id='retraction'/);
});

t.test('a moderator takes back what another said, and all members hear of it from the room', async (t) => {
  const turn = turnOf(here(), [moderate(A1, '2')]);
  t.strictSame(written(turn), ['+3', '2']);
  t.strictSame(items(turn), ['alice 3', 'bob 3', 'carol 3']);
  const message = recordOf(turn, 'append');
  t.match(message, { from: ROOM, type: 'groupchat', x: { quiet: true } });
  t.match(message.inner, /<retract [^>]*id='2'><moderated [^>]*by='[^']*\/al'>.*<reason>spam<\/reason><\/retract>/);
  const rest = recordOf(turn, 'replace');
  t.match(rest.inner, /<retracted [^>]*><moderated [^>]*by='[^']*\/al'><occupant-id [^>]*\/><\/moderated><reason>spam/);
  t.match(rest, { from: B1, nick: 'bo', id: 'said', gone: true });
  const [answer] = told(turn).filter(({ msg }) => msg.t === 'answer');
  t.match(answer?.msg, { group: { xml: [/type=.result/] } });
});

t.test('the same request again changes nothing, nor does one of what its author took back', async (t) => {
  const group = here();
  const once = moderate(A1, '2');
  turnOf(group, [once]);
  const again = turnOf(group, [moderate(A1, '2')]);
  t.strictSame(written(again), []);
  t.strictSame(said(again), ['alice: ok']);
  t.strictSame(written(turnOf(group, [send(B1, takesBack('2'))])), ['+4']);
});

t.test('what is refused is refused with its error, and changes nothing', async (t) => {
  const cases: readonly [what: string, send: Send, condition: string][] = [
    ['by who is no moderator', moderate(B1, '2'), 'forbidden'],
    ['by who is not in the room', moderate(`${ALICE}/elsewhere`, '2'), 'forbidden'],
    ['what is not there', moderate(A1, '9'), 'item-not-found'],
    ['an id of a client', moderate(A1, 'said'), 'item-not-found'],
    ['no id', moderate(A1, ''), 'bad-request'],
    ['a question', moderate(A1, '2', { type: 'get' }), 'bad-request'],
  ];
  for (const [what, sent, condition] of cases) {
    const turn = turnOf(here(), [sent]);
    t.strictSame(written(turn), [], what);
    t.strictSame(said(turn), [`${sent.from.slice(0, sent.from.indexOf('@'))}: ${condition}`], what);
  }
});

t.test('it looks back so far, and so far in a while', async (t) => {
  const limits = { ...LIMITS, retractLookBackMax: 2 };
  const group = room(THERE, limits, history);
  const ask = (now: number) => said(turnOf(group, [send(B1, takesBack('nothing'))], { limits, now }));
  t.ok(ask(1000).includes('bob: ok 3'));
  t.ok(ask(1001).includes('bob: resource-constraint'));
  t.ok(ask(60_000).includes('bob: ok 4'));
});

t.test('who is in again does not reach what was said before, where that is not to be read', async (t) => {
  const affiliates = { ...THERE.affiliates, [BOB]: { affiliation: 'member', since: 2 } } as const;
  for (const membersOnly of [true, false]) {
    const group = room({ ...THERE, affiliates, config: { membersOnly, pastForNew: false } }, LIMITS, history);
    const turn = turnOf(group, [send(B1, takesBack('2'))]);
    t.strictSame(written(turn), membersOnly ? ['+3'] : ['+3', '2']);
  }
});
