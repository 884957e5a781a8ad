import t from 'tap';
import { hostMeta, hostMetaJson } from './host-meta.ts';
import type { Reply } from './reply.ts';
import { requestTo } from './request.fixture.ts';

const options = { domain: 'chat.example.org', publicWebSocketUrl: '', path: '/xmpp-websocket' };

const ENTITIES: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&apos;': "'" };

const linkOf = (reply: Reply) => {
  const [, rel, href] = /<Link rel='([^'<]*)' href='([^'<]*)'\/>/.exec(String(reply.body)) ?? [];
  return { rel, href: href?.replace(/&\w+;/g, (entity) => ENTITIES[entity] ?? 'unknown entity') };
};

t.test('the announced URL has the host and the security of the request, or is the configured one', async (t) => {
  const table: [client: { host?: string; secure: boolean }, publicUrl: string, url: string][] = [
    [{ host: 'localhost:5280', secure: false }, '', 'ws://localhost:5280/xmpp-websocket'],
    [{ host: 'chat.example.org', secure: true }, '', 'wss://chat.example.org/xmpp-websocket'],
    [{ host: undefined, secure: true }, '', 'wss://chat.example.org/xmpp-websocket'],
    [{ host: 'inside', secure: false }, "wss://out.example/ws?a=1&b='", "wss://out.example/ws?a=1&b='"],
  ];
  for (const [client, publicWebSocketUrl, url] of table) {
    const request = requestTo('/.well-known/host-meta', client);
    const xml = await hostMeta({ ...options, publicWebSocketUrl })(request);
    t.same(linkOf(xml), { rel: 'urn:xmpp:alt-connections:websocket', href: url });
    const json = await hostMetaJson({ ...options, publicWebSocketUrl })(request);
    t.same(JSON.parse(String(json.body)), { links: [{ rel: 'urn:xmpp:alt-connections:websocket', href: url }] });
  }
});

t.test('web pages of any origin may read it, as its own type', async (t) => {
  const request = requestTo('/.well-known/host-meta');
  t.match((await hostMeta(options)(request)).headers, {
    'access-control-allow-origin': '*',
    'content-type': /^application\/xrd\+xml/,
  });
  t.match((await hostMetaJson(options)(request)).headers, {
    'access-control-allow-origin': '*',
    'content-type': 'application/json',
  });
});
