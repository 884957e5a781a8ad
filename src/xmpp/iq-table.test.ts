import t from 'tap';
import { FakeUser, JULIET, ROMEO } from './extensions.fixture.ts';
import { buildIqTable } from './iq-table.ts';
import type { XmppModule } from './module.ts';

const PING = `<ping xmlns='urn:xmpp:ping'/>`;
const iq = (attrs: string, payload = PING) => `<iq id='x' ${attrs}>${payload}</iq>`;

t.test('a request reaches the handler of its payload, type and target, or the reason why none', async (t) => {
  const table: [string, string][] = [
    [iq(`type='get'`), 'result'],
    [iq(`type='get' to='montague.lit'`), 'result'],
    [iq(`type='get' to='${ROMEO}'`), 'result'],
    [iq(`type='set'`), 'wrong type'],
    [iq(`type='get' to='${ROMEO}/orchard'`), 'wrong target'],
    [iq(`type='get' to='${JULIET}'`), 'wrong target'],
    [iq(`type='get' to='montague.lit/x'`), 'wrong target'],
    [iq(`type='get' to='${ROMEO}' from='${JULIET}/balcony'`), 'not for others'],
    [iq(`type='get'`, `<ping xmlns='urn:example:ping'/>`), 'unknown payload'],
    [iq(`type='get'`, `<pong xmlns='urn:xmpp:ping'/>`), 'unknown payload'],
    [iq(`type='get'`, `<query xmlns='jabber:iq:version'/>`), 'wrong target'],
  ];
  for (const [xml, outcome] of table) t.equal(new FakeUser().ask(xml).outcome, outcome, xml);
});

t.test('a route without a name takes any, after those with one', async (t) => {
  const got: string[] = [];
  const route = (name: string | undefined, mark: string) => ({
    ns: 'urn:example',
    ...(name === undefined ? {} : { name }),
    types: ['get'] as const,
    targets: ['server'] as const,
    handle: () => void got.push(mark),
  });
  const spec = { id: 'X', title: 'x', url: 'u' };
  const user = new FakeUser({ more: [{ spec, iq: [route(undefined, 'any'), route('a', 'a')] }] });
  user.ask(iq(`type='get' to='montague.lit'`, `<a xmlns='urn:example'/>`));
  user.ask(iq(`type='get' to='montague.lit'`, `<b xmlns='urn:example'/>`));
  t.strictSame(got, ['a', 'any']);
});

t.test('two modules cannot claim the same payload', async (t) => {
  const module: XmppModule = {
    spec: { id: 'XEP-0000', title: 'x', url: 'u' },
    iq: [{ ns: 'urn:example', name: 'a', types: ['get'], targets: ['server'], handle: () => {} }],
  };
  t.throws(() => buildIqTable([module, module]), /XEP-0000 claims urn:example a get server/);
});
