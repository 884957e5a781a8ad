import { Packr } from 'msgpackr';
import t from 'tap';
import { batchFrame, batchHead, openFrame, packEnvelope, partFrames, unpackEnvelopes } from './bus-frames.ts';

const self = { cluster: 'east', node: 'n1', inc: 'abc' };
const packr = new Packr({ useRecords: false });

function framed(version: number, fields: unknown, body = Buffer.alloc(0)): Buffer {
  const head = packr.pack(fields);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(head.length);
  return Buffer.concat([Buffer.from([version]), length, head, body]);
}

t.test('a batch comes back with its sender and its envelopes in order', async (t) => {
  const envelopes = [1, { text: 'ä' }, undefined, [null]].map((message, i) => ({ key: `chat:${i}`, message }));
  const packed = envelopes.map(packEnvelope);
  const bytes = packed.reduce((sum, { length }) => sum + length, 0);
  const frame = openFrame(batchFrame(batchHead(self), packed, bytes), 'east');
  if (frame.t !== 'batch') return t.fail(frame.t);
  t.same(frame.from, self);
  t.same(unpackEnvelopes(frame.body), envelopes);
});

t.test('packed envelopes stay as they are while others are packed', async (t) => {
  const packed = Array.from({ length: 2_000 }, (_, i) => packEnvelope({ key: 'k', message: `${i}`.repeat(50) }));
  const back = unpackEnvelopes(Buffer.concat(packed)).map(({ message }) => message);
  t.same(
    back,
    packed.map((_, i) => `${i}`.repeat(50)),
  );
});

t.test('bytes that arrive are the receiver’s own', async (t) => {
  const body = Buffer.from(packEnvelope({ key: 'k', message: Buffer.from('kept') }));
  const [envelope] = unpackEnvelopes(body);
  body.fill(0);
  t.equal(String(envelope?.message), 'kept');
});

t.test('a large envelope is cut into parts of at most the size asked', async (t) => {
  for (const [bytes, most, count] of [
    [1000, 300, 4],
    [900, 300, 3],
    [300, 300, 1],
  ] as const) {
    const envelope = Buffer.alloc(bytes, 'envelope');
    const frames = partFrames(self, 7, envelope, most).map((frame) => openFrame(frame, 'east'));
    t.equal(frames.length, count);
    const bodies = frames.map((frame, index) => {
      if (frame.t !== 'part') return t.fail(frame.t) && Buffer.alloc(0);
      t.same(frame.part, { id: 7, index, count, bytes });
      t.ok(frame.body.length <= most);
      return frame.body;
    });
    t.ok(Buffer.concat(bodies as Buffer[]).equals(envelope));
  }
});

t.test('what is of another version or cluster, or no frame, is refused by name', async (t) => {
  const good = batchFrame(batchHead(self), [packEnvelope({ key: 'k', message: 1 })], 0);
  const table: [what: string, bytes: Uint8Array, reason: string][] = [
    ['another cluster', framed(1, ['west', 'n1', 'abc']), 'cluster'],
    ['a newer version', framed(2, ['east', 'n1', 'abc']), 'version'],
    ['nothing', Buffer.alloc(0), 'malformed'],
    ['too short', Buffer.from([1, 0]), 'malformed'],
    ['a head longer than the message', good.subarray(0, 8), 'malformed'],
    ['a head that is no list', framed(1, { cluster: 'east' }), 'malformed'],
    ['a head of another length', framed(1, ['east', 'n1']), 'malformed'],
    ['a node that is no text', framed(1, ['east', 1, 'abc']), 'malformed'],
    ['a part with a negative number', framed(1, ['east', 'n1', 'abc', 1, -1, 2, 3]), 'malformed'],
    ['a part with a fraction', framed(1, ['east', 'n1', 'abc', 1, 0.5, 2, 3]), 'malformed'],
    ['text', Buffer.from('hello there, this is no frame'), 'version'],
  ];
  for (const [what, bytes, reason] of table) t.same(openFrame(bytes, 'east'), { t: 'refused', reason }, what);
});

t.test('a body that holds no envelopes is told by throwing', async (t) => {
  for (const body of [Buffer.alloc(0), packr.pack('text'), packr.pack([1, 2]), packr.pack(['k']), Buffer.from([0xc1])])
    t.throws(() => unpackEnvelopes(Buffer.from(body)));
});
