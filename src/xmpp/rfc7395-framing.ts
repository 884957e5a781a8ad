/**
 * RFC 7395, An XMPP Subprotocol for WebSocket: `<open/>` and `<close/>` in place of the stream's tags, and with them
 * the stream header's rules (RFC 6120 4.7), stream features (4.3.2) and stream errors (4.9).
 * https://www.rfc-editor.org/rfc/rfc7395
 */
import type { Element } from 'ltx';
import { type Jid, tryJid } from './jid.ts';
import { escapeAttr, escapeText } from './stanza.ts';

export const FRAMING_NS = 'urn:ietf:params:xml:ns:xmpp-framing';
export const STREAM_NS = 'http://etherx.jabber.org/streams';
export const STREAMS_ERROR_NS = 'urn:ietf:params:xml:ns:xmpp-streams';
/** The WebSocket subprotocol both sides must name (RFC 7395 3.1). */
export const SUBPROTOCOL = 'xmpp';

/** RFC 6120 4.9.3 */
export const STREAM_CONDITIONS = [
  'bad-format',
  'bad-namespace-prefix',
  'conflict',
  'connection-timeout',
  'host-gone',
  'host-unknown',
  'improper-addressing',
  'internal-server-error',
  'invalid-from',
  'invalid-namespace',
  'invalid-xml',
  'not-authorized',
  'not-well-formed',
  'policy-violation',
  'remote-connection-failed',
  'reset',
  'resource-constraint',
  'restricted-xml',
  'see-other-host',
  'system-shutdown',
  'undefined-condition',
  'unsupported-encoding',
  'unsupported-feature',
  'unsupported-stanza-type',
  'unsupported-version',
] as const;
export type StreamCondition = (typeof STREAM_CONDITIONS)[number];

export type OpenDecision =
  | {
      readonly ok: true;
      /** the domain asked for, normalised */
      readonly to: string;
      /** who the client says it is; a hint only (RFC 6120 4.7.1) */
      readonly from: Jid | undefined;
      /** language tag for the stream's texts, undefined when none or no tag */
      readonly lang: string | undefined;
    }
  | { readonly ok: false; readonly condition: StreamCondition; readonly reason: string };

const VERSION = /^(\d{1,4})\.\d{1,4}$/;
/** The shape of a BCP 47 tag, no longer than the registry's longest. */
const LANG = /^[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,5}$/;

function refuse(condition: StreamCondition, reason: string): OpenDecision {
  return { ok: false, condition, reason };
}

/**
 * Judges the first frame of a stream. Whether `to` is served is the caller's question (host-unknown when it is not).
 * A version above 1.0 is taken, and answered with 1.0 (RFC 6120 4.7.5).
 */
export function readOpen(el: Element): OpenDecision {
  if (el.getNS() !== FRAMING_NS) return refuse('invalid-namespace', 'the first frame is not in the framing namespace');
  if (el.getName() !== 'open') return refuse('bad-format', 'the first frame is not open');
  const { to, from, version, 'xml:lang': lang } = el.attrs;
  const major = VERSION.exec(version ?? '')?.[1];
  if (major === undefined || Number(major) < 1) return refuse('unsupported-version', 'version 1.0 is needed');
  if (to === undefined) return refuse('improper-addressing', 'open has no to');
  const host = tryJid(to);
  if (host === undefined || host.full !== host.domain) return refuse('host-unknown', 'to is not a domain');
  const sender = from === undefined ? undefined : tryJid(from);
  if (from !== undefined && sender === undefined) return refuse('invalid-from', 'from is not an address');
  return { ok: true, to: host.domain, from: sender, lang: lang !== undefined && LANG.test(lang) ? lang : undefined };
}

/** True for `<open/>` in the framing namespace. */
export function isOpen(el: Element): boolean {
  return el.getNS() === FRAMING_NS && el.getName() === 'open';
}

/** True for `<close/>` in the framing namespace (RFC 7395 3.6). */
export function isClose(el: Element): boolean {
  return el.getNS() === FRAMING_NS && el.getName() === 'close';
}

/** The server's answer to open (RFC 7395 3.4). `id` must be unpredictable and unique (RFC 6120 4.7.3). */
export function openXml(open: { from: string; id: string; to?: string; lang?: string }): string {
  const to = open.to === undefined ? '' : ` to="${escapeAttr(open.to)}"`;
  const head = `<open xmlns="${FRAMING_NS}" from="${escapeAttr(open.from)}"${to} id="${escapeAttr(open.id)}"`;
  return `${head} version="1.0" xml:lang="${escapeAttr(open.lang ?? 'en')}"/>`;
}

/**
 * Ends the stream. With a URI it sends the client elsewhere (RFC 7395 3.6.1), which the client must not follow to a
 * weaker scheme: never give a ws: address to one that came by wss:.
 */
export function closeXml(seeOtherUri?: string): string {
  const uri = seeOtherUri === undefined ? '' : ` see-other-uri="${escapeAttr(seeOtherUri)}"`;
  return `<close xmlns="${FRAMING_NS}"${uri}/>`;
}

/** A stream error (RFC 6120 4.9.2); `<close/>` must follow it. `appCondition` is XML and goes in as it is. */
export function streamErrorXml(condition: StreamCondition, text?: string, appCondition = ''): string {
  const note = text === undefined ? '' : `<text xmlns="${STREAMS_ERROR_NS}" xml:lang="en">${escapeText(text)}</text>`;
  return (
    `<stream:error xmlns:stream="${STREAM_NS}">` +
    `<${condition} xmlns="${STREAMS_ERROR_NS}"/>${note}${appCondition}</stream:error>`
  );
}

/** Stream features (RFC 6120 4.3.2). Each feature is XML that declares its own namespace. */
export function featuresXml(features: readonly string[]): string {
  const head = `<stream:features xmlns:stream="${STREAM_NS}"`;
  return features.length === 0 ? `${head}/>` : `${head}>${features.join('')}</stream:features>`;
}
