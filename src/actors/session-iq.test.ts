import t from 'tap';
import { DOMAIN, presence, type TestClient, TestNode } from './runtime.fixture.ts';

const B = `b@${DOMAIN}`;

async function two(options: Parameters<typeof TestNode.start>[0] = {}): Promise<{
  node: TestNode;
  alice: TestClient;
  bob: TestClient;
}> {
  const node = await TestNode.start(options);
  const [a = '', b = ''] = await node.account('a', 'b');
  return { node, alice: await node.bind(a, 'one'), bob: await node.bind(b, 'one') };
}

const ask = (to: string | undefined, { type = 'get', id = 'q1', payload = `<query xmlns='urn:x'/>` } = {}): string =>
  `<iq xmlns='jabber:client'${to === undefined ? '' : ` to='${to}'`} type='${type}' id='${id}'>${payload}</iq>`;

/** `result`, or the condition of an error. */
function answer(stanzas: readonly string[]): string | undefined {
  const [xml] = stanzas.filter((one) => one.startsWith('<iq'));
  return /<error[^>]*><([a-z-]+)/.exec(xml ?? '')?.[1] ?? / type="([a-z]+)"/.exec(xml ?? '')?.[1];
}

t.test('a request finds its handler by where it is addressed', async (t) => {
  const targets: string[] = [];
  const { alice } = await two({
    onIq(session, request) {
      targets.push(`${session.user} ${request.to.full} ${request.stream === undefined ? 'foreign' : 'own'}`);
      request.reply(`<ok xmlns='urn:x'/>`);
      return true;
    },
  });
  const table: [to: string | undefined, seen: string][] = [
    [undefined, `a@${DOMAIN} a@${DOMAIN} own`],
    [`a@${DOMAIN}`, `a@${DOMAIN} a@${DOMAIN} own`],
    [DOMAIN, `a@${DOMAIN} ${DOMAIN} own`],
    [B, `${B} ${B} foreign`],
  ];
  for (const [to, seen] of table) {
    t.equal(answer(await alice.send(ask(to))), 'result', to ?? 'no address');
    t.same(targets.splice(0), [seen], to ?? 'no address');
  }
});

t.test('every request has exactly one answer, whatever is wrong with it', async (t) => {
  const { alice } = await two();
  const table: [what: string, xml: string, condition: string | undefined][] = [
    ['nobody handles it', ask(undefined), 'service-unavailable'],
    ['nor at the other account', ask(B), 'service-unavailable'],
    ['no such account', ask(`nobody@${DOMAIN}`), 'service-unavailable'],
    ['another domain', ask('x@elsewhere.example'), 'remote-server-not-found'],
    ['no address', ask('@'), 'jid-malformed'],
    ['no such type', ask(undefined, { type: 'give' }), 'bad-request'],
    ['no payload', ask(undefined, { payload: '' }), 'bad-request'],
    ['two payloads', ask(undefined, { payload: `<a xmlns='x'/><b xmlns='x'/>` }), 'bad-request'],
    ['a result is no request', ask(undefined, { type: 'result' }), undefined],
    ['an error is no request', ask(`nobody@${DOMAIN}`, { type: 'error' }), undefined],
  ];
  for (const [what, xml, condition] of table) {
    const got = (await alice.send(xml)).filter((one) => one.startsWith('<iq'));
    t.equal(answer(got), condition, what);
    t.equal(got.length, condition === undefined ? 0 : 1, what);
  }
});

t.test('a request to a device goes there when it may see that the device is there', async (t) => {
  const { node, alice, bob } = await two();
  t.equal(answer(await alice.send(ask(`${B}/one`))), 'service-unavailable', 'strangers learn nothing');
  await bob.send(presence().replace('<presence ', `<presence to='${alice.user}/one' `));
  alice.conn.take();
  t.equal(answer(await alice.send(ask(`${B}/one`))), undefined);
  const [request] = bob.conn.take();
  t.match(request, / from="a@test\.example\/one" /);
  await bob.send(`<iq xmlns='jabber:client' to='${alice.user}/one' type='result' id='q1'/>`);
  t.equal(answer(alice.conn.take()), 'result');
  t.ok(node);
});

t.test('an answer leaves after what it reports is on disk', async (t) => {
  const { node, alice } = await two({
    onIq(session, request) {
      session.put('note', 1);
      request.reply();
      return true;
    },
  });
  node.held = true;
  t.equal(answer(await alice.send(ask(undefined))), undefined);
  await node.release();
  t.equal(answer(alice.conn.take()), 'result');
  node.store.full = true;
  t.equal(answer(await alice.send(ask(undefined))), 'resource-constraint', 'or says that it is not');
});
