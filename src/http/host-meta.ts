import { json, type Route } from './reply.ts';
import { type WebSocketUrlOptions, webSocketUrl } from './websocket-url.ts';

/**
 * XEP-0156: Discovering Alternative XMPP Connection Methods, version 1.4.0.
 * https://xmpp.org/extensions/xep-0156.html
 */
const REL = 'urn:xmpp:alt-connections:websocket';

/** Web clients of any origin look here (XEP-0156 3.1). */
const HEADERS = { 'access-control-allow-origin': '*', 'cache-control': 'max-age=300', vary: 'Host' };

/** GET /.well-known/host-meta (RFC 6415 2). */
export function hostMeta(options: WebSocketUrlOptions): Route {
  return ({ client }) => ({
    status: 200,
    headers: { ...HEADERS, 'content-type': 'application/xrd+xml; charset=utf-8' },
    body: `<?xml version='1.0' encoding='utf-8'?>
<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>
  <Link rel='${REL}' href='${escapeAttribute(webSocketUrl(client, options))}'/>
</XRD>
`,
  });
}

/** GET /.well-known/host-meta.json (RFC 6415 3). */
export function hostMetaJson(options: WebSocketUrlOptions): Route {
  return ({ client }) => json(200, { links: [{ rel: REL, href: webSocketUrl(client, options) }] }, HEADERS);
}

function escapeAttribute(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll("'", '&apos;');
}
