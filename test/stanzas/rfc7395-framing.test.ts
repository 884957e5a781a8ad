import t from 'tap';
import { WebSocket } from 'ws';
import { startTestNode } from '../harness/node.ts';

const node = await startTestNode(t);
const FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing';

t.test('open is answered with an open of the domain, a fresh id and the features', async (t) => {
  const ids = new Set<string>();
  for (let i = 0; i < 3; i++) {
    const client = await node.connect();
    client.send(`<open xmlns='${FRAMING}' to='localhost' version='1.0' xml:lang='de'/>`);
    const open = await client.expect('<open');
    t.match(open.attrs, { xmlns: FRAMING, from: 'localhost', version: '1.0', 'xml:lang': 'de' });
    t.notOk(open.attrs['to'], 'nobody has logged in yet');
    ids.add(open.attrs['id'] ?? '');
    const features = await client.expect('<stream:features');
    const names = features
      .getChild('mechanisms')
      ?.getChildElements()
      .map((one) => one.getText());
    t.strictSame(names, ['SCRAM-SHA-256', 'SCRAM-SHA-1', 'PLAIN']);
    t.ok(features.getChild('register', 'http://jabber.org/features/iq-register'));
    await client.cut();
  }
  t.equal(ids.size, 3, 'stream ids are never the same');
});

t.test('the second open names the user and offers bind, stream management and the rest', async (t) => {
  const romeo = await node.authenticated('romeo');
  for (const ns of [
    'urn:ietf:params:xml:ns:xmpp-bind',
    'urn:xmpp:sm:3',
    'urn:xmpp:csi:0',
    'urn:xmpp:features:rosterver',
    'urn:xmpp:features:pre-approval',
    'http://jabber.org/protocol/caps',
  ])
    t.match(romeo.features, ns);
  t.notMatch(romeo.features, 'xmpp-sasl', 'nobody logs in twice');
});

t.test('the domain is compared after normalisation', async (t) => {
  const client = await node.connect();
  t.match(await client.open('LocalHost'), 'from="localhost"');
});

t.test('close is answered with close and a clean end of the socket, in every state of the stream', async (t) => {
  const fresh = await node.connect();
  const opened = await node.connect();
  await opened.open();
  const states = [fresh, opened, await node.authenticated('romeo'), await node.login('romeo')];
  for (const client of states) {
    const { code } = await client.close();
    t.equal(code, 1000);
    t.equal(client.pending('<close').length, 1);
  }
});

t.test('nothing that comes after close has an effect', async (t) => {
  const romeo = await node.login('romeo');
  const juliet = await node.online('juliet');
  romeo.send(
    `<close xmlns='${FRAMING}'/>`,
    `<message xmlns='jabber:client' to='juliet@localhost'><body>too late</body></message>`,
  );
  await romeo.closed;
  await node.settle(juliet);
  t.strictSame(juliet.pending('too late'), []);
});

t.test('a WebSocket without the xmpp subprotocol is refused', async (t) => {
  const answer = await new Promise<string>((resolve) => {
    const ws = new WebSocket(node.url);
    ws.on('error', (error) => resolve(error.message));
    ws.on('open', () => resolve('open'));
  });
  t.match(answer, '400');
});

t.test('both paths take sockets, and other paths do not', async (t) => {
  for (const path of ['/ws', '/xmpp-websocket', '/elsewhere']) {
    const ws = new WebSocket(`ws://127.0.0.1:${node.node.port}${path}`, 'xmpp');
    const came = await new Promise<string>((resolve) => {
      ws.on('open', () => resolve('open'));
      ws.on('error', (error) => resolve(error.message));
    });
    t.match(came, path === '/elsewhere' ? '404' : 'open', path);
    ws.terminate();
  }
});

t.test('a stop of the node ends streams with system-shutdown and 1001', async (t) => {
  const romeo = await node.login('romeo');
  const stranger = await node.connect();
  await stranger.open();
  const [, first, second] = await Promise.all([
    node.restart(),
    romeo.expectStreamError('system-shutdown').then(() => romeo.closed),
    stranger.expectStreamError('system-shutdown').then(() => stranger.closed),
  ]);
  t.strictSame([first.code, second.code], [1001, 1001]);
  t.equal((await node.login('romeo', 'again')).jid, 'romeo@localhost/again', 'and the next node knows him');
});
