import t from 'tap';
import { parse } from './extensions.fixture.ts';
import type { MessageRecord } from './message-record.ts';
import { retractedId, retractedIdOf, tombstone } from './xep0424-retraction.ts';

const RETRACT = `<retract xmlns='urn:xmpp:message-retract:1' id='wrong-recipient-1'/>`;
const LEAK = 'Have not saints lips';
const record: MessageRecord = {
  v: 1,
  from: 'romeo@montague.lit/orchard',
  to: 'lord@capulet.lit',
  type: 'chat',
  id: "wrong'1",
  oid: undefined,
  ts: 1000,
  lang: 'en',
  inner: `<body>${LEAK}</body>`,
};

t.test('what a message takes back is told by namespace, at its top', async (t) => {
  const cases: readonly [inner: string, id: string | undefined][] = [
    [RETRACT, 'wrong-recipient-1'],
    [`<body>/me retracted</body>${RETRACT}`, 'wrong-recipient-1'],
    [`<r:retract xmlns:r='urn:xmpp:message-retract:1' id='1'/>`, '1'],
    [`<retract xmlns='urn:xmpp:message-retract:0' id='1'/>`, undefined],
    [`<retract xmlns='urn:xmpp:message-retract:1'/>`, undefined],
    [`<retract xmlns='urn:xmpp:message-retract:1' id=''/>`, undefined],
    [`<retracted xmlns='urn:xmpp:message-retract:1' id='1'/>`, undefined],
    [`<x xmlns='urn:x'>${RETRACT}</x>`, undefined],
    ['<body>urn:xmpp:message-retract:1</body>', undefined],
    ['<body>x</body>', undefined],
  ];
  for (const [inner, id] of cases) {
    t.equal(retractedIdOf({ inner }), id, inner);
    t.equal(retractedId(parse(`<message>${inner}</message>`)), id, inner);
  }
});

t.test('a tombstone says where the message stood and what took it back, and nothing of its content', async (t) => {
  const rest = tombstone(record, { id: 'retract-1', ts: 61_000 });
  t.match(rest, { from: record.from, to: record.to, type: 'chat', id: "wrong'1", ts: 1000, gone: true });
  t.equal(
    rest.inner,
    `<retracted xmlns='urn:xmpp:message-retract:1' id='retract-1' stamp='1970-01-01T00:01:01.000Z'/>`,
  );
  t.strictSame(rest.x, { quiet: true });
  t.notOk(JSON.stringify(rest).includes(LEAK));
});

t.test('what later versions add to a record does not stay', async (t) => {
  const more = { ...record, w: LEAK } as MessageRecord;
  t.notOk(JSON.stringify(tombstone(more, { id: 'r', ts: 0 })).includes(LEAK));
});

t.test('ids, nick, hints and the way through a room stay', async (t) => {
  const via = { from: 'room@x/a', to: 'room@x/b' };
  const x = { nocopy: true, hidden: true } as const;
  const rest = tombstone(
    { ...record, oid: '<o>', tok: 't', nick: 'n', via, x },
    { id: undefined, ts: 0, beside: '<b/>' },
  );
  t.match(rest, { oid: '<o>', tok: 't', nick: 'n', via, x: { nocopy: true, hidden: true, quiet: true } });
  t.match(rest.inner, `<origin-id xmlns='urn:xmpp:sid:0' id='&lt;o`);
  t.match(rest.inner, `<x xmlns='http://jabber.org/protocol/muc#user'/>`);
  t.ok(rest.inner.endsWith('<b/>'));
  t.notMatch(rest.inner, '<retracted[^>]* id=', 'a retraction without an id has none to tell');
});
