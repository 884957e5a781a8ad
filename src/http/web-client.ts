import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { ClientAddress } from './client-address.ts';
import type { Reply, Route } from './reply.ts';
import { matches, StaticFiles } from './static-files.ts';
import { clientScript, contentSecurityPolicy, FAVICON, indexPage, type PageOptions } from './web-client-page.ts';
import { type WebSocketUrlOptions, webSocketUrl } from './websocket-url.ts';

export interface WebClientOptions extends WebSocketUrlOptions {
  /** whether the page shows the way to register to this client */
  readonly registration: (client: ClientAddress) => boolean;
  /** origins where uploaded files are put and shown */
  readonly fileOrigins: () => readonly string[];
}

/** All of Converse's files and their gzip are about 9 MB; a page needs 3. */
const CACHE_BYTES_MAX = 16 * 1024 * 1024;

/** Files of the package that no page needs: source maps, the unminified build, the project's own web site. */
const isSkipped = (name: string) => /\.map$|^website\.|^converse\.(js|css)$|^manifest\.json$/.test(name);

/** File names stay the same between releases, so the release is in the path, and files may be kept for good. */
const FOR_GOOD = 'public, max-age=31536000, immutable';

/** The routes of the web client: `/`, its script and icon, and Converse's files out of its npm package. */
export function webClientRoutes(options: WebClientOptions): Record<string, Route> {
  const folder = dirname(createRequire(import.meta.url).resolve('converse.js/dist/converse.min.js'));
  const { version } = JSON.parse(readFileSync(join(folder, '..', 'package.json'), 'utf8')) as { version: string };
  const assetsPath = `/converse/${version}`;
  const files = new StaticFiles({ folder, cacheBytesMax: CACHE_BYTES_MAX, skip: isSkipped });
  const page = (client: ClientAddress): PageOptions => ({
    domain: options.domain,
    assetsPath,
    webSocket: options.publicWebSocketUrl === '' ? options.path : options.publicWebSocketUrl,
    registration: options.registration(client),
    fileHosts: options.fileOrigins().map((origin) => new URL(origin).hostname),
  });
  return {
    '/': ({ client, headers }) =>
      checked(headers['if-none-match'], 'text/html; charset=utf-8', indexPage(page(client)), {
        'content-security-policy': contentSecurityPolicy(
          new URL(webSocketUrl(client, options)).origin,
          options.fileOrigins(),
        ),
      }),
    '/client.js': ({ client, headers }) =>
      checked(headers['if-none-match'], 'text/javascript; charset=utf-8', clientScript(page(client))),
    '/favicon.svg': ({ headers }) => checked(headers['if-none-match'], 'image/svg+xml', FAVICON),
    [`${assetsPath}/`]: (request) => files.reply(request.path.slice(assetsPath.length + 1), request, FOR_GOOD),
  };
}

/** Small and changing with the configuration: asked for each time, sent only when it differs. */
function checked(
  ifNoneMatch: string | undefined,
  type: string,
  body: string,
  more: Record<string, string> = {},
): Reply {
  const etag = `W/"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  const headers = { 'content-type': type, 'cache-control': 'no-cache', etag, ...more };
  return matches(ifNoneMatch, etag) ? { status: 304, headers, body: '' } : { status: 200, headers, body };
}
