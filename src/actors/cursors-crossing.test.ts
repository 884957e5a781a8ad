import t from 'tap';
import { ROOM_DOMAIN } from '../../test/sim/runtime-limits.ts';
import { TestCluster, type TestSocket } from './crossing.fixture.ts';
import { chatKey, groupRows, sessionKey } from './keys.ts';
import { ack } from './runtime.fixture.ts';

/** Cursors of a group's members when the group, a member's session or its socket move. */

const NS_MUC = 'http://jabber.org/protocol/muc';
const ROOM = `coven@${ROOM_DOMAIN}`;
const iq = (payload: string): string => `<iq xmlns='jabber:client' type='set' id='s' to='${ROOM}'>${payload}</iq>`;
const enter = (nick: string): string =>
  `<presence xmlns='jabber:client' to='${ROOM}/${nick}'><x xmlns='${NS_MUC}'><history maxstanzas='0'/></x></presence>`;
const says = (body: string): string =>
  `<message xmlns='jabber:client' to='${ROOM}' type='groupchat' id='${body}'><body>${body}</body></message>`;

interface House {
  readonly cluster: TestCluster;
  readonly alice: TestSocket;
  readonly bob: TestSocket;
  readonly b: string;
  /** Bob acknowledges all that has come */
  acks(): Promise<void>;
  /** how far the group says that Bob is */
  had(): number;
}

/** Sessions at two nodes, the group at a third. */
async function house(): Promise<House> {
  const cluster = await TestCluster.start(['n1', 'n2', 'n3']);
  t.teardown(() => cluster.nodes.forEach((node) => void node.kill()));
  const a = await cluster.account('a', 'n1');
  const b = await cluster.account('b', 'n2');
  const shards = [sessionKey(a), sessionKey(b), chatKey(ROOM)].map((key) => cluster.shardOf(key));
  if (new Set(shards).size < 3) throw new Error('some of them live on one shard: another name for the room');
  await cluster.place(chatKey(ROOM), 'n3');
  const alice = await cluster.bind('n1', a);
  const bob = await cluster.bind('n1', b);
  await alice.send(enter('al'), iq(`<query xmlns='${NS_MUC}#owner'><x xmlns='jabber:x:data' type='submit'/></query>`));
  await alice.send(iq(`<query xmlns='${NS_MUC}#admin'><item affiliation='member' jid='${b}'/></query>`));
  const counted = (frames: readonly string[]): number =>
    frames.filter((xml) => /^<(?:message|presence|iq)/.test(xml)).length;
  // His own presence came while he was bound.
  let got = 1 + counted(await bob.send(enter('bo')));
  const shard = cluster.shardOf(chatKey(ROOM));
  const row = (): unknown => cluster.log.store.get(shard, `${groupRows(ROOM)}r/${b}`);
  return {
    cluster,
    alice,
    bob,
    b,
    had: () => (row() as { had: number } | undefined)?.had ?? 0,
    async acks() {
      got += counted(bob.conn.take());
      got += counted(await bob.send(ack(got)));
      await cluster.pass(4000);
    },
  };
}

t.test('the group goes on at its next leader from where its members were', async (t) => {
  const { cluster, alice, acks, had } = await house();
  await alice.send(says('one'));
  await cluster.pass(4000);
  t.equal(had(), 0, 'not acknowledged');
  await acks();
  t.equal(had(), 1);
  await cluster.place(chatKey(ROOM), 'n1');
  await alice.send(says('two'));
  await cluster.pass(4000);
  t.equal(had(), 1);
  await acks();
  t.equal(had(), 2);
});

t.test('what was told to a group without a leader is told again', async (t) => {
  const { cluster, alice, acks, had } = await house();
  await alice.send(says('one'));
  await cluster.place(chatKey(ROOM), undefined);
  await acks();
  t.equal(had(), 0);
  await cluster.place(chatKey(ROOM), 'n2');
  await cluster.pass(12_000);
  t.equal(had(), 1);
});

t.test('a session that is handed over knows what its devices have had', async (t) => {
  const { cluster, alice, bob, b, acks, had } = await house();
  await alice.send(says('one'));
  const shard = cluster.shardOf(sessionKey(b));
  cluster.node('n2').runtime.pause(shard);
  await cluster.settle();
  await cluster.give(shard, 'n3');
  for (const { runtime } of cluster.nodes.values()) runtime.moved(shard);
  await cluster.settle();
  t.equal(bob.conn.closed, undefined);
  await alice.send(says('two'));
  await cluster.pass(4000);
  t.equal(had(), 0, 'what the next leader has not seen acknowledged it does not count');
  await acks();
  t.equal(had(), 2);
});
