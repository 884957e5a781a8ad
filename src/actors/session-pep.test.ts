import t from 'tap';
import { DOMAIN, SHARDS } from '../../test/sim/core-world.ts';
import { capsVer } from '../xmpp/xep0115-caps.ts';
import { move, TestCluster, type TestSocket } from './crossing.fixture.ts';
import { sessionKey } from './keys.ts';
import { get, items, outcomes, type PepSessions, pepSessions, publish } from './pep.fixture.ts';

/** Nodes of accounts where sessions are on several nodes of the cluster. */
const TUNE = 'urn:example:tune';
const identities = [{ category: 'client', type: 'pc' }];
const features = [`${TUNE}+notify`];
const caps = `<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='c' ver='${capsVer({ identities, features })}'/>`;

async function start(): Promise<{ cluster: TestCluster; a: string; b: string }> {
  const sessions: PepSessions = pepSessions(() => cluster.log.store, { domain: DOMAIN, shards: SHARDS });
  const cluster: TestCluster = await TestCluster.start(['n1', 'n2', 'n3'], sessions.options);
  t.teardown(() => cluster.nodes.forEach((node) => void node.kill()));
  return { cluster, a: await cluster.account('a', 'n1'), b: await cluster.account('b', 'n2') };
}

const says = (xml: string): string => `<presence xmlns='jabber:client'${xml}`;

/** Each sees the other's presence. */
async function befriend(one: TestSocket, other: TestSocket): Promise<void> {
  for (const [asker, asked] of [
    [one, other],
    [other, one],
  ] as const) {
    await asker.send(says(` type='subscribe' to='${asked.user}'/>`));
    await asked.send(says(` type='subscribed' to='${asker.user}'/>`));
  }
  for (const client of [one, other]) client.conn.take();
}

/** Becomes available with capabilities, and tells what they are when asked. */
async function interested(client: TestSocket): Promise<string[]> {
  const got = await client.send(says(`>${caps}</presence>`));
  const ask = got.find((xml) => xml.includes('disco#info'));
  if (ask === undefined) return got;
  const id = / id="([^"]*)"/.exec(ask)?.[1];
  const info = `<identity category='client' type='pc'/><feature var='${features[0]}'/>`;
  const query = `<query xmlns='http://jabber.org/protocol/disco#info'>${info}</query>`;
  return client.send(`<iq xmlns='jabber:client' type='result' id='${id}' to='${client.user}'>${query}</iq>`);
}

t.test('events and last items cross nodes', async (t) => {
  const { cluster, a, b } = await start();
  const alice = await cluster.bind('n1', a);
  const bob = await cluster.bind('n2', b);
  await befriend(alice, bob);
  await alice.send(publish(TUNE, 'i', 'before'));
  t.same(items(await interested(bob)), ['i=before'], 'the last item when it is known that it is wanted');
  await alice.send(publish(TUNE, 'i', 'live'));
  t.same(items(bob.conn.take()), ['i=live']);
  t.same(items(await bob.send(get(TUNE, a))), ['i=live']);
  t.same(cluster.crashes, []);
});

t.test('a session that moves keeps what its clients want, and its items', async (t) => {
  const { cluster, a, b } = await start();
  const alice = await cluster.bind('n1', a);
  const bob = await cluster.bind('n1', b);
  await befriend(alice, bob);
  await interested(bob);
  await alice.send(publish(TUNE, 'i', '0'));
  bob.conn.take();
  for (const [i, to] of ['n3', 'n1', 'n2'].entries()) {
    await move(cluster, b, to);
    await move(cluster, a, to);
    t.equal(bob.conn.closed, undefined, 'still connected');
    await alice.send(publish(TUNE, 'i', `${i + 1}`));
    t.same(items(bob.conn.take()), [`i=${i + 1}`], `wanted at ${to} too`);
    t.same(items(await alice.send(get(TUNE))), [`i=${i + 1}`]);
  }
  await bob.send(says(` type='unavailable'/>`));
  t.same(items(await interested(bob)), ['i=3'], 'and is known without being asked');
  t.same(cluster.crashes, []);
});

t.test('a disco question that is open when the session moves is answered at its next node', async (t) => {
  const { cluster, a } = await start();
  const alice = await cluster.bind('n1', a);
  await alice.send(publish(TUNE, 'i', 'x'));
  const [ask = ''] = (await alice.send(says(`>${caps}</presence>`))).filter((xml) => xml.includes('disco#info'));
  await move(cluster, a, 'n2');
  const id = / id="([^"]*)"/.exec(ask)?.[1];
  const info = `<identity category='client' type='pc'/><feature var='${features[0]}'/>`;
  const query = `<query xmlns='http://jabber.org/protocol/disco#info'>${info}</query>`;
  const got = await alice.send(`<iq xmlns='jabber:client' type='result' id='${id}' to='${a}'>${query}</iq>`);
  t.same(items(got), ['i=x']);
});

t.test('items survive their leader, and are numbered on', async (t) => {
  const { cluster, a } = await start();
  const alice = await cluster.bind('n1', a);
  for (const id of ['1', '2']) await alice.send(publish('n', id, id, { max_items: 'max' }));
  const shard = cluster.shardOf(sessionKey(a));
  // Without a pause: nothing is handed over.
  await cluster.give(shard, 'n3');
  const again = await cluster.bind('n2', a, 'two');
  t.same(items(await again.send(get('n'))), ['1=1', '2=2']);
  t.same(outcomes(await again.send(publish('n', '3', '3'))), ['result']);
  t.same(items(await again.send(get('n'))), ['1=1', '2=2', '3=3']);
  t.same(await cluster.ask('n2', a, { t: 'remove' }), { t: 'done' });
  t.same(cluster.log.store.scan(shard, `P/${a}/`, 10), []);
});
