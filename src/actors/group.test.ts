import t from 'tap';
import { shardOf } from '../base/hash.ts';
import { enter, house, leave, NS_MUC, owner, ROOM, SUBMIT, says } from './house.fixture.ts';
import { chatKey, groupRows, sessionKey, userRows } from './keys.ts';
import { bodies, GROUP_OPTIONS, ids, SHARDS, TestNode } from './runtime.fixture.ts';
import type { UserChatRow } from './session-types.ts';

const makes = (user: string, affiliation: string): string =>
  `<iq xmlns='jabber:client' type='set' id='m' to='${ROOM}'><query xmlns='${NS_MUC}#admin'>` +
  `<item jid='${user}' affiliation='${affiliation}'/></query></iq>`;

const rows = (node: TestNode, kind: string): string[] => {
  const prefix = `${groupRows(ROOM)}${kind}/`;
  const found = node.inner.scan(shardOf(chatKey(ROOM), SHARDS), prefix, 100);
  return found.filter(([, value]) => value !== undefined).map(([key]) => key.slice(prefix.length));
};

const isHere = (xml: readonly string[], nick: string): boolean =>
  xml.some((one) => one.startsWith('<presence') && one.includes(`${ROOM}/${nick}`) && !one.includes('unavailable'));

t.test('what the disk refuses did not happen, and the sender is told', async (t) => {
  const { node, a, b, alice, bob } = await house();
  await alice.send(says('one'), makes(b, 'member'));
  node.store.full = true;
  t.same(bodies(await alice.send(says('two'))), ['!resource-constraint']);
  t.match((await alice.send(makes(b, 'none'))).join(), /resource-constraint/);
  node.store.full = false;
  bob.conn.take();
  await bob.send(says('three'));
  t.same(bodies(alice.conn.take()).at(-1), 'three');
  t.same(rows(node, 'a').sort(), [a, b], 'he is a member still');
  const cur = node.inner.get(shardOf(sessionKey(b), SHARDS), `${userRows(b)}c/${ROOM}`) as UserChatRow;
  t.equal(cur.cur, 2, 'the second never was');
});

t.test('iqs between occupants go on though the disk takes nothing', async (t) => {
  const { node, b, alice, bob } = await house();
  node.store.full = true;
  const asks = `<iq xmlns='jabber:client' type='get' id='v' to='${ROOM}/bo'><query xmlns='jabber:iq:version'/></iq>`;
  alice.frame(asks);
  const got = await alice.send(makes(b, 'member'));
  const request = bob.conn.take().find((xml) => xml.startsWith('<iq')) ?? '';
  const id = / id="([^"]*)"/.exec(request)?.[1];
  alice.frame(makes(b, 'member'));
  await bob.send(`<iq xmlns='jabber:client' type='result' id='${id}' to='${ROOM}/al'/>`);
  got.push(...alice.conn.take());
  const answers = got.filter((xml) => xml.includes(' id="v"'));
  t.match(answers, [/type="result"/], 'one answer, and no error beside it');
});

t.test('what presence said outlives an op that was refused', async (t) => {
  const { node, b, alice, bob } = await house();
  await bob.send(`<presence xmlns='jabber:client' to='${ROOM}/bo'><show>dnd</show></presence>`);
  node.store.full = true;
  await alice.send(makes(b, 'member'));
  node.store.full = false;
  const carol = (await node.account('c'))[0] as string;
  const seen = await (await node.bind(carol, 'one')).send(enter('ca'));
  t.match(
    seen.find((xml) => xml.includes(`${ROOM}/bo`)),
    /<show[^>]*>dnd<\/show>/,
  );
});

t.test('who came in a turn that was refused is not in, and is told', async (t) => {
  const { node, b, alice, bob } = await house();
  await bob.send(leave('bo'));
  alice.conn.take();
  node.store.full = true;
  t.match((await bob.send(enter('bo'))).join(), /<presence[^>]*type=.error.*resource-constraint/);
  node.store.full = false;
  t.notOk(rows(node, 'o').includes(`${b}/one`));
  t.ok(isHere(await bob.send(enter('bo')), 'bo'));
});

t.test('a room that went to sleep wakes as it was, and knows who has gone since', async (t) => {
  const { node, a, b, alice, bob } = await house();
  await alice.send(says('one'));
  await node.runtime.close();
  const later = await TestNode.start({ disk: node.disk, runtime: { groups: GROUP_OPTIONS } });
  later.now = node.now + GROUP_OPTIONS.askEveryMs;
  t.same(rows(later, 'o').sort(), [`${a}/one`, `${b}/one`], 'nobody has been asked yet');
  const back = await later.bind(a, 'two');
  const seen = await back.send(enter('al'));
  await later.settle();
  t.same(rows(later, 'o'), [`${a}/two`]);
  t.same(bodies(seen.filter((xml) => xml.includes('<body>'))), ['one'], 'its log is there');
  t.same(bodies(await back.send(says('two'))), ['two'], 'and goes on');
  t.same(ids(back.conn.take()), []);
  t.equal(bob.conn.closed, undefined);
});

t.test('a room that is destroyed and made again counts on, and shows nothing of before', async (t) => {
  const { node, b, alice, bob } = await house();
  await alice.send(makes(b, 'member'), says('one'), says('two'));
  bob.conn.take();
  await alice.send(owner('<destroy/>'));
  t.match(bob.conn.take().join(), /type=.unavailable.*<destroy/);
  t.same([rows(node, 'a'), rows(node, 'o')], [[], []]);
  t.match((await alice.send(says('nobody'))).join(), /item-not-found/);
  await bob.send(enter('bob'), SUBMIT);
  t.same(rows(node, 'a'), [b], 'who makes it again owns it');
  const entered = await alice.send(enter('alice', `<history maxstanzas='9'/>`));
  t.same(bodies(entered.filter((xml) => xml.includes('<body>'))), []);
  await bob.send(says('three'));
  t.same(ids(alice.conn.take().filter((xml) => xml.includes('three'))), [3]);
  t.same(node.crashes, []);
});

t.test('what a room hands over while the disk of the other chat is full comes again', async (t) => {
  const { node, alice, bob } = await house();
  node.held = true;
  await bob.send(says('psst', `${ROOM}/al`, 'chat'));
  node.store.sync();
  await node.settle();
  node.store.full = true;
  await node.release();
  t.equal(node.runtime.stats().outbox, 1, 'not acknowledged');
  t.same(bodies(alice.conn.take()), []);
  node.store.full = false;
  await node.pass(6000);
  t.same(bodies(alice.conn.take()), ['psst']);
  t.equal(node.runtime.stats().outbox, 0);
});
