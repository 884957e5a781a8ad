import t from 'tap';
import { shardOf } from '../base/hash.ts';
import { createMemoryDisk } from '../storage/log-store-memory.ts';
import type { SessionPort } from '../xmpp/module.ts';
import { PEP_LIMITS } from '../xmpp/pubsub-types.ts';
import type { Pep } from '../xmpp/xep0163-pep.ts';
import { itemRow, itemRows, sessionKey, userRows } from './keys.ts';
import { get, iq, items, outcomes, type PepSessions, pepSessions, publish, pubsub } from './pep.fixture.ts';
import { SHARDS, TestNode, type TestNodeOptions } from './runtime.fixture.ts';

async function start(
  options: TestNodeOptions = {},
  limits = PEP_LIMITS,
): Promise<{ node: TestNode; pep: PepSessions }> {
  const pep: PepSessions = pepSessions(() => node.store.store, { limits });
  const node: TestNode = await TestNode.start({ ...options, runtime: { ...options.runtime, ...pep.options } });
  return { node, pep };
}

const rowsOf = (node: TestNode, user: string): [string, unknown][] =>
  node.inner.scan(shardOf(sessionKey(user), SHARDS), `P/${user}/`, 1000);

t.test('keys of items are in the order of their numbers, and no user’s are another’s', async (t) => {
  const keys = [1, 2, 9, 10, 11, 100, Number.MAX_SAFE_INTEGER].map((seq) => itemRow('a@d', 7, seq));
  t.same(keys.toSorted(), keys);
  t.ok(keys.every((key) => key.startsWith(itemRows('a@d', 7))));
  t.notOk(itemRow('a@d', 71, 1).startsWith(itemRows('a@d', 7)));
  t.notOk(itemRow('a@d', 7, 1).startsWith(userRows('a@d')), 'not among what is read when a session wakes');
});

t.test('a session that wakes reads no items; asked for one node it reads that one', async (t) => {
  const disk = createMemoryDisk();
  const { node, pep } = await start({ disk });
  const [a = ''] = await node.account('a');
  const alice = await node.bind(a, 'one');
  for (const name of ['x', 'y']) await alice.send(publish(name, 'i', name.repeat(1000)));
  alice.gone(true);
  await node.settle();
  // Once to write what waited, once to sleep.
  for (let i = 0; i < 2; i++) await node.pass(100_000);
  t.equal(node.runtime.stats().sessions, 0, 'asleep');
  pep.takeReads();
  const again = await node.bind(a, 'two');
  t.same(pep.takeReads(), []);
  t.same(items(await again.send(get('y'))), [`i=${'y'.repeat(1000)}`]);
  t.equal(pep.takeReads().length, 1);
  await again.send(get('y'), publish('y', 'j', 'new'));
  t.same(pep.takeReads(), [], 'once');
  t.equal(rowsOf(node, a).length, 2, 'the item that was replaced is gone');
});

t.test('who publishes and asks in one breath gets what was published, when it is on disk', async (t) => {
  const { node } = await start();
  const [a = ''] = await node.account('a');
  const alice = await node.bind(a, 'one');
  node.held = true;
  for (const text of ['1', '2']) {
    const frames = [publish('n', 'i', text), get('n')];
    t.same(await alice.send(...frames), [], 'nothing is told before');
  }
  await node.release();
  const told = alice.conn.take();
  t.same(outcomes(told), ['result', 'result', 'result', 'result']);
  t.same(items(told), ['i=1', 'i=2']);
});

t.test('what the disk refuses is not there, and whoever asked is told so', async (t) => {
  const { node } = await start();
  const [a = '', b = ''] = await node.account('a', 'b');
  const alice = await node.bind(a, 'one');
  const bob = await node.bind(b, 'one');
  await alice.send(publish('n', 'i', 'kept', { access_model: 'open' }));
  node.store.full = true;
  t.same(outcomes(await alice.send(publish('n', 'j', 'refused'))), ['resource-constraint']);
  t.same(outcomes(await bob.send(iq('set', pubsub(`<subscribe node='n' jid='${b}'/>`), a))), ['resource-constraint']);
  node.store.full = false;
  t.same(items(await alice.send(get('n'))), ['i=kept']);
  await alice.send(publish('n', 'k', 'next'));
  t.same(items(await bob.send(get('n', a))), ['k=next']);
  t.equal(rowsOf(node, a).length, 1);
  t.same(node.crashes, []);
});

t.test('an account takes its items along, and the next of its name begins with none', async (t) => {
  const { node } = await start();
  const [a = ''] = await node.account('a');
  const alice = await node.bind(a, 'one');
  for (const name of ['x', 'y'])
    for (const id of ['1', '2']) await alice.send(publish(name, id, id, { max_items: 'max' }));
  t.equal(rowsOf(node, a).length, 4);
  t.same(await node.ask(a, { t: 'remove' }), { t: 'done' });
  t.same(rowsOf(node, a), []);
  await node.account('a');
  node.now += 1;
  const next = await node.bind(a, 'one');
  t.same(outcomes(await next.send(get('x'))), ['item-not-found']);
  await next.send(publish('x', '3', 'mine'));
  t.same(items(await next.send(get('x'))), ['3=mine']);
});

t.test('bytes are counted right through replacing, retracting and deleting', async (t) => {
  const { node } = await start({}, { ...PEP_LIMITS, bytesMax: 4000 });
  const [a = ''] = await node.account('a');
  const alice = await node.bind(a, 'one');
  const all = { max_items: 'max' };
  const big = 'x'.repeat(1000);
  for (let i = 0; i < 20; i++) {
    t.same(outcomes(await alice.send(publish('n', `i${i % 2}`, big, all))), ['result']);
    if (i % 5 === 4) await alice.send(iq('set', pubsub(`<retract node='n'><item id='i0'/></retract>`)));
  }
  await alice.send(publish('n', 'i0', big, all), publish('n', 'i1', big, all));
  t.same(outcomes(await alice.send(publish('m', 'i', big))), ['resource-constraint']);
  const owner = `<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><delete node='n'/></pubsub>`;
  await alice.send(iq('set', owner));
  t.same(outcomes(await alice.send(publish('m', 'i', big, all), publish('m', 'j', big))), ['result', 'result']);
  t.equal(rowsOf(node, a).length, 2);
});

t.test('the server keeps things in a user’s nodes by itself, and reads them', async (t) => {
  const read: (string | undefined)[] = [];
  const work: ((session: SessionPort, pep: Pep) => void)[] = [];
  const sessions: PepSessions = pepSessions(() => node.store.store, {
    onIq(session, request) {
      if (request.payload.getNS() !== 'urn:test') return false;
      work.shift()?.(session, sessions.protocol.pep);
      request.reply();
      return true;
    },
  });
  const node: TestNode = await TestNode.start({ runtime: sessions.options });
  const [a = ''] = await node.account('a');
  const alice = await node.bind(a, 'one');
  const run = async (...some: typeof work): Promise<void> => {
    work.push(...some);
    for (const _ of some) t.same(outcomes(await alice.send(iq('set', `<do xmlns='urn:test'/>`))), ['result']);
  };
  const note = (text: string): string => `<note xmlns="urn:example:note">${text}</note>`;
  const keep = (id: string | undefined) => (session: SessionPort, pep: Pep) =>
    pep.read(session, 'urn:xmpp:bookmarks:1', id, (item) => read.push(item?.xml));
  await run(keep(undefined));
  await run(
    (session, pep) => t.same(pep.publish(session, 'urn:xmpp:bookmarks:1', { id: 'r1', xml: note('1') }), { id: 'r1' }),
    (session, pep) => t.match(pep.publish(session, 'urn:xmpp:bookmarks:1', { xml: note('2') }), { id: /^id/ }),
    keep(undefined),
    keep('r1'),
    (session, pep) => t.equal(pep.retract(session, 'urn:xmpp:bookmarks:1', 'r1'), undefined),
    keep('r1'),
    (session, pep) => t.match(pep.retract(session, 'urn:xmpp:bookmarks:1', 'r1'), { error: 'item-not-found' }),
    (session, pep) =>
      t.match(pep.publish(session, 'n', { xml: note('x'.repeat(PEP_LIMITS.itemBytesMax)) }), {
        app: 'payload-too-big',
      }),
  );
  t.same(read, [undefined, note('2'), note('1'), undefined]);
  const bookmarks = `<configure node='urn:xmpp:bookmarks:1'/>`;
  const config = await alice.send(
    iq('get', `<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>${bookmarks}</pubsub>`),
  );
  t.match(config[0], /<value>whitelist<\/value><\/field>/, 'as the module of the node says');
});
