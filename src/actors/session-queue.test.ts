import t from 'tap';
import { stanza } from '../xmpp/stanza.ts';
import { AckQueue, InboundWindow } from '../xmpp/xep0198-stream-management.ts';
import { ack, SESSION_LIMITS, TestNode } from './runtime.fixture.ts';
import { answerThatFits, holdKeyOf, isFullTo } from './session-queue.ts';
import type { StreamManagement } from './session-types.ts';

const limits = { ...SESSION_LIMITS, unackedStanzasMax: 10, unackedBytesMax: 40_000 };

function queueOf(...sizes: number[]): StreamManagement {
  const out = new AckQueue({ stanzasMax: 10, bytesMax: 40_000 }, 0);
  for (const size of sizes) out.push('x'.repeat(size), 0);
  const rest = { refusals: [], owed: 0, owedNext: 0, askedAt: 0, sinceAsk: 0 };
  return { id: 's', on: true, resumable: true, out, inbound: new InboundWindow(10, 0), ...rest };
}

const iq = (type: string, length: number, id = 'q'): string =>
  stanza('iq', { from: 'a@x', to: 'b@x/r', id, type }, `<v>${'-'.repeat(length)}</v>`);

t.test('a queue is full by stanzas or by bytes', async (t) => {
  t.equal(isFullTo(0.5, queueOf(1, 1, 1, 1), limits), false);
  t.equal(isFullTo(0.5, queueOf(1, 1, 1, 1, 1), limits), true);
  t.equal(isFullTo(0.5, queueOf(19_999), limits), false);
  t.equal(isFullTo(0.5, queueOf(20_000), limits), true);
});

t.test('only a large answer is refused, and only when there is no room', async (t) => {
  const table: [what: string, xml: string, queue: StreamManagement, refused: boolean][] = [
    ['room', iq('result', 9000), queueOf(20_000), false],
    ['no room', iq('result', 11_000), queueOf(20_000), true],
    ['a small one', iq('result', 1000), queueOf(29_900), false],
    ['a question', iq('get', 11_000), queueOf(20_000), false],
    ['an id that looks like a type', iq('get', 11_000, ' type="result"'), queueOf(20_000), false],
    ['a message', stanza('message', { type: 'result' }, '-'.repeat(11_000)), queueOf(20_000), false],
  ];
  for (const [what, xml, queue, refused] of table) {
    const out = answerThatFits(xml, queue, limits);
    t.equal(out === xml, !refused, what);
    if (refused)
      t.match(
        out,
        /^<iq xmlns="jabber:client" from="a@x" to="b@x\/r" id="q" type="error"><error type="wait"><resource-constraint /,
      );
  }
});

t.test('a client that asks for more than the queue holds keeps its stream, and may ask again', async (t) => {
  const node = await TestNode.start({
    session: { unackedBytesMax: 40_000 },
    onIq: (_session, request) => {
      request.reply(`<v>${'-'.repeat(9000)}</v>`);
      return true;
    },
  });
  const [user = ''] = await node.account('a');
  const client = await node.bind(user, 'one');
  const ask = `<iq xmlns='jabber:client' type='get' id='q'><v xmlns='urn:x'/></iq>`;
  const types = (stanzas: readonly string[]): string[] =>
    stanzas.filter((xml) => xml.startsWith('<iq')).map((xml) => / type="([a-z]+)"/.exec(xml)?.[1] ?? '');
  t.same(types(await client.send(...Array<string>(6).fill(ask))), [
    'result',
    'result',
    'result',
    'error',
    'error',
    'error',
  ]);
  t.equal(client.conn.closed, undefined);
  t.same(types(await client.send(ack(7), ask)), ['result'], 'own presence and six answers acknowledged');
});

t.test('presence that may wait', async (t) => {
  t.type(holdKeyOf(`<presence xmlns="jabber:client" from="a@x/r"/>`), 'string');
  t.equal(holdKeyOf(`<presence xmlns="jabber:client"><x from="a@x/r"/></presence>`), undefined);
});
