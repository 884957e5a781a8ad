/** The page at `/`: Converse.js, its settings, and nothing from elsewhere. */
export interface PageOptions {
  readonly domain: string;
  /** where Converse's files are served, without a trailing slash */
  readonly assetsPath: string;
  /** path of the WebSocket on this host, or a whole ws(s):// URL */
  readonly webSocket: string;
  readonly registration: boolean;
  /** hosts of uploaded files; pictures, sound and film from there, and from nowhere else, are shown in messages */
  readonly fileHosts: readonly string[];
}

/** The page itself has no script and no style of its own in it, so that the content security policy can be strict. */
export function indexPage({ domain, assetsPath }: PageOptions): string {
  const title = `${escapeHtml(domain)} · chat`;
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${title}</title>
    <meta name="description" content="Chat on ${escapeHtml(domain)}, served by Rookery">
    <link rel="icon" type="image/svg+xml" href="/favicon.svg">
    <link rel="stylesheet" href="${assetsPath}/converse.min.css">
    <script type="module" src="${assetsPath}/converse.min.js"></script>
    <script type="module" src="/client.js"></script>
  </head>
  <body class="converse-fullscreen">
    <noscript>This chat needs JavaScript. Any XMPP client with WebSocket support can connect too.</noscript>
    <div id="conversejs-bg"></div>
  </body>
</html>
`;
}

/**
 * The script that starts Converse. Everything that Converse would fetch from other hosts by default (provider lists,
 * room search, players, pictures in messages that were not uploaded here) is off; its footer, which shows pictures from its own site, is
 * replaced by one line of credit (Converse keeps an element that is already defined). With a registration domain set,
 * Converse 14 answers a failed connection by connecting again at once, a hundred times a second: that is slowed down.
 * Loaded again, it would resume its stream and then speak under a resource that it has just made up, which ends the
 * stream (invalid-from) and may leave its groups hidden: it is told the resource that this tab had. It asks
 * localStorage, which all tabs share, so that is changed for that one question only.
 */
export function clientScript({ domain, assetsPath, webSocket, registration, fileHosts }: PageOptions): string {
  const settings = {
    view_mode: 'fullscreen',
    show_background: true,
    assets_path: assetsPath,
    sounds_path: `${assetsPath}/sounds/`,
    notification_icon: '/favicon.svg',
    authentication: 'login',
    locked_domain: domain,
    domain_placeholder: domain,
    allow_registration: registration,
    registration_domain: domain,
    discover_connection_methods: false,
    allow_url_history_change: false,
    auto_reconnect: true,
    enable_smacks: true,
    message_archiving: 'always',
    xmpp_providers_url: '',
    autocomplete_providers_url: '',
    providers_link: '',
    // Without one its dialog has no field for a room's address (Converse 14); this server answers that it does not search.
    muc_search_service: domain,
    render_media: fileHosts.length > 0,
    allowed_audio_domains: fileHosts,
    allowed_image_domains: fileHosts,
    allowed_video_domains: fileHosts,
    embed_3rd_party_media_players: false,
    fetch_url_headers: false,
    // They need libsignal, which Converse does not bring along; without it they only log errors.
    blacklisted_plugins: ['converse-omemo', 'converse-omemo-views'],
    whitelisted_plugins: ['rookery-reload'],
    loglevel: 'warn',
  };
  return `const settings = ${JSON.stringify(settings, undefined, 2)};
const socket = new URL(${JSON.stringify(webSocket)}, location.href);
socket.protocol = socket.protocol.replace('http', 'ws');

class Footer extends HTMLElement {
  connectedCallback() {
    const link = document.createElement('a');
    Object.assign(link, { href: 'https://conversejs.org', target: '_blank', rel: 'noopener', textContent: 'Converse' });
    this.style.cssText = 'display: block; text-align: center; padding: 1em; opacity: 0.7';
    this.replaceChildren('Web client: ', link, ', free software · Server: Rookery');
  }
}
customElements.define('converse-footer', Footer);

customElements.whenDefined('converse-registration-form').then((Form) => {
  const fetchForm = Form.prototype.fetchRegistrationForm;
  let lastMs = -Infinity;
  let delayMs = 1000;
  let waiting;
  Form.prototype.fetchRegistrationForm = function (...args) {
    const nowMs = performance.now();
    clearTimeout(waiting);
    if (nowMs - lastMs > delayMs + 5000) delayMs = 1000;
    const waitMs = Math.max(0, lastMs + delayMs * (0.5 + Math.random()) - nowMs);
    waiting = setTimeout(() => {
      if (!this.isConnected) return;
      lastMs = performance.now();
      delayMs = Math.min(30000, delayMs * 2);
      fetchForm.apply(this, args);
    }, waitMs);
    return false;
  };
});

const ACCOUNT = 'conversejs-session-jid';
let kept = (() => {
  const account = localStorage.getItem(ACCOUNT);
  for (const value of account ? Object.values(sessionStorage) : []) {
    try {
      const session = JSON.parse(value);
      if (session?.smacks_stream_id && session.bare_jid === account && !session.active) return session.jid;
    } catch {
      continue;
    }
  }
  return undefined;
})();
window.converse.plugins.add('rookery-reload', {
  initialize() {
    this._converse.api.listen.on('beforeAttemptNonPreboundSession', (_, login) => {
      const account = localStorage.getItem(ACCOUNT);
      if (kept && account && kept.startsWith(account + '/') && !login.credentials) {
        localStorage.setItem(ACCOUNT, kept);
        kept = undefined;
        setTimeout(() => localStorage.setItem(ACCOUNT, account));
      }
      return login;
    });
  },
});

window.converse.initialize({ ...settings, websocket_url: socket.href });
`;
}

/** A rook's nest: three eggs under a rook's crown of battlements. Drawn for this project. */
export const FAVICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">
<rect width="64" height="64" rx="14" fill="#26364a"/>
<path d="M16 14h8v6h4v-6h8v6h4v-6h8v14l-5 5v13h-22v-13l-5-5z" fill="#f2c14e"/>
<path d="M13 50h38v5a3 3 0 0 1-3 3H16a3 3 0 0 1-3-3z" fill="#e8e6df"/>
</svg>
`;

/**
 * What the page may load and connect to: this host only. `wasm-unsafe-eval` is for the end-to-end encryption's
 * WebAssembly; inline styles are how Converse sizes its views; data: and blob: pictures are avatars and previews.
 * @param webSocketOrigin ws(s)://host, spelt out because older browsers do not count it as 'self'
 * @param fileOrigins where uploaded files are put and shown, besides this host
 */
export function contentSecurityPolicy(webSocketOrigin: string, fileOrigins: readonly string[]): string {
  const files = fileOrigins.map((origin) => ` ${origin}`).join('');
  return [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self' 'unsafe-inline'",
    `img-src 'self' data: blob:${files}`,
    `media-src 'self' data: blob:${files}`,
    "font-src 'self' data:",
    `connect-src 'self' ${webSocketOrigin}${files}`,
    "worker-src 'self' blob:",
    "manifest-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

function escapeHtml(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
