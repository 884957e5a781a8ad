import t from 'tap';
import { TestCluster } from './crossing.fixture.ts';
import { enter, ROOM, SUBMIT } from './house.fixture.ts';
import { chatKey } from './keys.ts';
import { GROUP_OPTIONS } from './runtime.fixture.ts';

const ask = (ns: string): string =>
  `<iq xmlns='jabber:client' type='get' id='v' to='${ROOM}/bo'><query xmlns='${ns}'/></iq>`;

t.test('iqs between occupants cross nodes, to devices and to accounts', async (t) => {
  const cluster = await TestCluster.start(['n1', 'n2', 'n3'], { groups: GROUP_OPTIONS });
  t.teardown(() => cluster.nodes.forEach((node) => void node.kill()));
  const [a, b] = [await cluster.account('a', 'n1'), await cluster.account('b', 'n2')];
  await cluster.give(cluster.shardOf(chatKey(ROOM)), 'n3');
  const alice = await cluster.bind('n1', a);
  const bob = await cluster.bind('n2', b);
  await alice.send(enter('al'), SUBMIT);
  await bob.send(enter('bo'));
  bob.conn.take();

  await alice.send(ask('jabber:iq:version'));
  const request = bob.conn.take().find((xml) => xml.startsWith('<iq')) ?? '';
  t.match(request, `from="${ROOM}/al"`);
  const id = / id="([^"]*)"/.exec(request)?.[1];
  await bob.send(`<iq xmlns='jabber:client' type='result' id='${id}' to='${ROOM}/al'><x xmlns='urn:x'/></iq>`);
  const answer = alice.conn.take().find((xml) => xml.startsWith('<iq')) ?? '';
  t.match(answer, /from="room@[^"]*\/bo".*id="v" type="result".*urn:x/);

  const answers = await alice.send(ask('vcard-temp'));
  await cluster.settle();
  const refused = [...answers, ...alice.conn.take()].find((xml) => xml.includes(' id="v"')) ?? '';
  t.match(refused, /type="error".*service-unavailable/, 'this cluster has no vCards: his account said so');
  t.notMatch(bob.conn.take().join(), '<iq', 'and no device was asked');
});
