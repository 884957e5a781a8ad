import t from 'tap';
import type { Envelope } from '../transport/bus.ts';
import { Outgoing } from './outgoing.ts';
import type { FarDelivery, ShardWire, Wire } from './wire.ts';
import { isWire } from './wire.ts';

function outgoing(): { out: Outgoing; sent: string[]; flush: () => void } {
  const sent: string[] = [];
  let due: (() => void) | undefined;
  const bus = {
    send: (node: string, { message }: Envelope) => {
      if (!isWire(message)) throw new Error('no wire message');
      sent.push(`${node} ${describe(message)}`);
    },
  };
  const out = new Outgoing({
    bus,
    nodeId: 'me',
    deliveriesMax: 3,
    deliveryUnitsMax: 10,
    soon: (run) => {
      due = run;
    },
  });
  return { out, sent, flush: () => due?.() };
}

function describe(wire: Wire): string {
  if (wire.t === 'deliver') return `deliver ${wire.shard} ${wire.items.map(({ source }) => source.idx).join(',')}`;
  if (wire.t === 'ack' || wire.t === 'nack') return `${wire.t} ${wire.sources.map(({ idx }) => idx).join(',')}`;
  return wire.t === 'session' ? wire.msg.t : wire.t;
}

const item = (idx: number, inner = ''): FarDelivery => ({
  to: 'session:a@x',
  source: { shard: 1, idx, pos: 0 },
  item: { t: 'msg', chat: 'c', seq: idx, first: false },
  record: { v: 1, from: 'b@x/r', to: 'a@x', type: 'chat', id: undefined, oid: undefined, ts: 0, inner },
});

const session = (msg: Extract<ShardWire, { t: 'session' }>['msg']): ShardWire => ({
  t: 'session',
  shard: 5,
  hop: 0,
  origin: 'me',
  to: 'a@x',
  msg,
});
const ANSWER = session({ t: 'answer', token: 1, outcome: { ok: true } });
const EXISTS = session({ t: 'exists?', chat: 'c' });

t.test('deliveries to a shard share an envelope, and what must stay in order does', async (t) => {
  const { out, sent, flush } = outgoing();
  out.deliver('n', 5, item(1));
  out.send('n', ANSWER);
  out.deliver('n', 6, item(2));
  out.deliver('n', 5, item(3));
  out.deliver('m', 5, item(4));
  out.send('n', EXISTS);
  out.deliver('n', 5, item(5));
  t.same(sent, [], 'nothing leaves before the turn ends');
  flush();
  t.same(sent, ['n deliver 5 1,3', 'n answer', 'n deliver 6 2', 'n exists?', 'n deliver 5 5', 'm deliver 5 4']);
  flush();
  t.equal(sent.length, 6, 'once');
});

t.test('an envelope of deliveries is bounded by number and size', async (t) => {
  const { out, sent, flush } = outgoing();
  for (let idx = 1; idx <= 4; idx++) out.deliver('n', 5, item(idx));
  out.deliver('n', 6, item(5, 'x'.repeat(100)));
  out.deliver('n', 6, item(6, 'x'));
  flush();
  t.same(sent, ['n deliver 5 1,2,3', 'n deliver 5 4', 'n deliver 6 5', 'n deliver 6 6']);
});

t.test('acks and nacks of a turn are one envelope each, and frames gathered meanwhile go along', async (t) => {
  const { out, sent, flush } = outgoing();
  out.ack('n', item(1).source);
  out.nack('n', item(2).source, 'gap');
  out.ack('n', item(3).source);
  out.beforeFlush(() => out.send('n', { t: 'moved', cids: [1] }));
  flush();
  t.same(sent, ['n moved', 'n ack 1,3', 'n nack 2']);
});

t.test('what has another version or an unknown kind is no message', async (t) => {
  for (const value of [undefined, null, 1, {}, { v: 2, t: 'ack', sources: [] }, { v: 1, t: 'toString' }])
    t.equal(isWire(value), false, JSON.stringify(value));
  t.equal(isWire({ v: 1, t: 'ack', sources: [] }), true);
});
