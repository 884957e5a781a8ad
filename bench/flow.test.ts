import t from 'tap';
import { Flow, findMark, mark, markLength, readMark, runTag, sumChecks } from './flow.ts';

t.test('a mark is found in a stanza and read back, whatever stands around it', async (t) => {
  const run = runTag(0.4242);
  const written = mark(run, 1234, 5_678_901, 987_654_321);
  t.equal(written.length, markLength);
  const xml = `<message id="@nope"><body xmlns="jabber:client">${written}xxxx</body></message>`;
  const at = findMark(xml, run);
  t.ok(at > 0);
  t.strictSame(readMark(xml, at), { sender: 1234, seq: 5_678_901, timeUs: 987_654_321 });
  t.equal(findMark(xml, runTag(0.9)), -1);
  t.equal(runTag(0).length, 4);
  t.equal(runTag(0.999999999).length, 4);
});

t.test('a flow tells lost, duplicated and reordered apart', async (t) => {
  for (const [name, seen, sent, want] of [
    ['all in order', [1, 2, 3], 3, { delivered: 3, lost: 0, duplicated: 0, reordered: 0 }],
    ['a hole', [1, 3], 3, { delivered: 2, lost: 1, duplicated: 0, reordered: 0 }],
    ['the tail is missing', [1], 3, { delivered: 1, lost: 2, duplicated: 0, reordered: 0 }],
    ['swapped', [2, 1, 3], 3, { delivered: 3, lost: 0, duplicated: 0, reordered: 1 }],
    ['twice', [1, 1, 2], 2, { delivered: 2, lost: 0, duplicated: 1, reordered: 0 }],
    ['late and twice', [2, 1, 1], 2, { delivered: 2, lost: 0, duplicated: 1, reordered: 1 }],
    ['nothing', [], 2, { delivered: 0, lost: 2, duplicated: 0, reordered: 0 }],
  ] as const) {
    const flow = new Flow();
    for (const seq of seen) flow.see(seq);
    t.equal(flow.delivered, want.delivered, name);
    t.strictSame(
      sumChecks([flow], [sent]),
      { lost: want.lost, duplicated: want.duplicated, reordered: want.reordered },
      name,
    );
  }
});

t.test('a gap larger than the memory of missing numbers is still counted as lost', async (t) => {
  const flow = new Flow();
  flow.see(50_001);
  t.equal(flow.lost(50_001), 50_000);
});
