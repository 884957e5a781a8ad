import t from 'tap';
import { conditionOf } from '../harness/client.ts';
import { startTestNode, until } from '../harness/node.ts';

const BIND = 'urn:ietf:params:xml:ns:xmpp-bind';
const bindOf = (resource: string): string => `<bind xmlns='${BIND}'><resource>${resource}</resource></bind>`;

t.test('one node with the default for conflicts', async (t) => {
  const node = await startTestNode(t, { limits: { resourcesPerUserMax: 3, authTimeoutMs: 60_000 } });

  t.test('a resource of the client is taken, normalised', async (t) => {
    const romeo = await node.login('romeo', 'Orch\u0061\u030ard');
    t.equal(romeo.jid, 'romeo@localhost/Orch\u00e5rd');
    await romeo.close();
  });

  t.test('without a resource, or with an empty one, the server makes one up', async (t) => {
    const one = await node.login('romeo');
    const other = await node.authenticated('romeo');
    const answer = await other.iq('set', bindOf(''));
    const jid = answer.getChild('bind', BIND)?.getChildText('jid') ?? '';
    t.match(jid, /^romeo@localhost\/.{8,}$/);
    t.not(jid, one.jid);
    await one.close();
    await other.close();
  });

  t.test('a resource that is none is refused, and another may be tried on the same stream', async (t) => {
    const romeo = await node.authenticated('romeo');
    for (const bad of ['x'.repeat(1024), 'soft\u00adhyphen', 'line\u2028separator']) {
      t.equal(conditionOf(await romeo.iq('set', bindOf(bad))), 'bad-request', bad.slice(0, 4));
    }
    t.equal(await romeo.bind('tomb'), 'romeo@localhost/tomb');
    await romeo.close();
  });

  t.test('the newer stream takes the resource, and the older ends with conflict', async (t) => {
    const older = await node.online('romeo', 'orchard');
    const newer = await node.login('romeo', 'orchard');
    await older.expectStreamError('conflict');
    t.equal(newer.jid, 'romeo@localhost/orchard');
    await newer.available();
    await newer.sync();
    t.equal(node.counts().streams, 1);
    await newer.close();
  });

  t.test('more resources than allowed are refused until one is free', async (t) => {
    const held = [];
    for (const resource of ['a', 'b', 'c']) held.push(await node.login('romeo', resource));
    const late = await node.authenticated('romeo');
    t.equal(conditionOf(await late.iq('set', bindOf('d'))), 'resource-constraint');
    await held[0]?.close();
    await until('a place is free', () => node.counts().streams === 2);
    t.equal(await late.bind('d'), 'romeo@localhost/d');
    for (const client of [...held, late]) if (!client.isClosed) await client.close();
  });

  t.test('a second bind on a bound stream is not a resource more', async (t) => {
    const romeo = await node.login('romeo', 'orchard');
    t.equal((await romeo.iq('set', bindOf('tomb'))).attrs['type'], 'error');
    t.equal(node.counts().streams, 1);
    await romeo.close();
  });

  t.test('a session in the manner of RFC 3921 is granted, and counts as a stanza like any other', async (t) => {
    const romeo = await node.login('romeo', 'orchard');
    await romeo.enable();
    const session = `<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>`;
    t.equal((await romeo.iq('set', session)).attrs['type'], 'result');
    t.equal(await romeo.ack(), 1);
    await romeo.close();
  });

  t.test('sockets that break while their bind is pending leave no stream behind', async (t) => {
    await until('all earlier streams are gone', () => node.counts().streams === 0);
    for (let i = 0; i < 20; i++) {
      const romeo = await node.authenticated('romeo');
      romeo.send(`<iq xmlns='jabber:client' type='set' id='b'>${bindOf('r')}</iq>`);
      if (i % 2 === 0) romeo.send(`<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>`);
      await (i % 2 === 0 ? romeo.closed : romeo.cut());
    }
    await until('no socket is left', () => node.counts().connections === 0);
    await node.settle();
    t.equal(node.counts().streams, 0);
  });
});

t.test('`refuse` leaves the resource to who has it', async (t) => {
  const node = await startTestNode(t, { bind: { conflict: 'refuse' } });
  const older = await node.login('romeo', 'orchard');
  const newer = await node.authenticated('romeo');
  t.equal(conditionOf(await newer.iq('set', bindOf('orchard'))), 'conflict');
  await older.sync();
  await older.close();
  await until('it is free', () => node.counts().streams === 0);
  t.equal(await newer.bind('orchard'), 'romeo@localhost/orchard');
});

t.test('`rename` gives the newcomer a resource of another name', async (t) => {
  const node = await startTestNode(t, { bind: { conflict: 'rename' } });
  const older = await node.login('romeo', 'orchard');
  const newer = await node.login('romeo', 'orchard');
  t.match(newer.jid, /^romeo@localhost\/orchard.+/);
  await older.sync();
  await newer.sync();
});
