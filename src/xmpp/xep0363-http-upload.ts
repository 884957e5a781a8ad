import type { Element } from 'ltx';
import type { IqHandler, SessionPort, XmppModule } from './module.ts';
import { escapeAttr } from './stanza.ts';
import { chargeQuota, type QuotaLimits, type QuotaRow } from './upload-quota.ts';
import { type DiscoItem, renderInfo } from './xep0030-disco.ts';
import { formatStamp } from './xep0082-datetime.ts';

const NS_UPLOAD = 'urn:xmpp:http:upload:0';
const NS_PURPOSE = 'urn:xmpp:http:upload:purpose:0';
const NS_INFO = 'http://jabber.org/protocol/disco#info';
const NS_ITEMS = 'http://jabber.org/protocol/disco#items';
const NS_DATA = 'jabber:x:data';

const SERVICE_NAME = 'HTTP File Upload';

/** The service among the server's disco items. @param domain served by the node */
export function uploadItem(domain: string): DiscoItem {
  return { jid: `upload.${domain}`, name: SERVICE_NAME };
}

/** A file that a client wants to upload. */
export interface UploadFile {
  /** one segment of a path: no separators, no control characters, never empty, `.` or `..` */
  readonly name: string;
  readonly bytes: number;
  /** media type as the client wrote it; undefined when it named none */
  readonly type: string | undefined;
}

/** Where to put it, and where it will be. Both URLs as they go into XML attributes, percent-encoded (RFC 3986). */
export interface SlotUrls {
  readonly put: string;
  readonly get: string;
}

/** What became of a request, as it is counted. */
export type SlotOutcome =
  | 'given'
  | 'bad-request'
  | 'too-large'
  | 'quota'
  | 'full'
  | 'unavailable'
  | 'purpose'
  | 'failed';

/** The files' side of the service; the session shell and the HTTP server implement it. */
export interface UploadPort {
  readonly maxBytes: number;
  readonly quota: QuotaLimits;
  /** Why no slot of so many bytes can be given to anyone now; undefined when it can. */
  refusal(bytes: number): 'full' | 'unavailable' | undefined;
  /** Makes a slot; `done` is called in a later turn, with undefined when the store could not make it. */
  slot(session: SessionPort, file: UploadFile, done: (urls: SlotUrls | undefined) => void): void;
  count(outcome: SlotOutcome): void;
}

/** Row of a session. */
const QUOTA_ROW = 'upload';

/** ms after which a client may ask again when the whole service has no room or is away */
const RETRY_MS = 600_000;

const NAME_BYTES_MAX = 200;
const EXTENSION_BYTES_MAX = 20;
/** RFC 9110 8.3.1: type/subtype and parameters, all of it ASCII; RFC 6838 4.2 bounds the names. */
const MEDIA_TYPE = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}(?:[ \t]*;[\x20-\x7e]{0,200})?$/;
/** Control characters, and those that turn the direction of text, so that a name cannot show another ending. */
const UNSEEN = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

/** The name as one segment of a URL, with its ending (XEP-0363 section 4). */
export function safeFileName(raw: string): string {
  const last = raw
    .replace(/^.*[/\\]/su, '')
    .replace(UNSEEN, '')
    .trim();
  if (last === '' || last === '.' || last === '..') return 'file';
  if (Buffer.byteLength(last) <= NAME_BYTES_MAX) return last;
  const dot = last.lastIndexOf('.');
  const ending = dot > 0 && Buffer.byteLength(last.slice(dot)) <= EXTENSION_BYTES_MAX ? last.slice(dot) : '';
  let stem = '';
  let room = NAME_BYTES_MAX - Buffer.byteLength(ending);
  // By code points: half a surrogate pair is no name.
  for (const char of last) {
    room -= Buffer.byteLength(char);
    if (room < 0) break;
    stem += char;
  }
  return stem + ending;
}

/** What a `<request/>` asks for; undefined when it is none by section 4. */
export function parseSlotRequest(request: Element): UploadFile | undefined {
  const { filename, size, 'content-type': type } = request.attrs;
  if (filename === undefined || filename === '') return undefined;
  if (size === undefined || !/^[1-9]\d{0,14}$/.test(size)) return undefined;
  if (type !== undefined && type !== '' && !MEDIA_TYPE.test(type)) return undefined;
  return { name: safeFileName(filename), bytes: Number(size), type: type === '' ? undefined : type };
}

export function renderSlot({ put, get }: SlotUrls): string {
  return `<slot xmlns='${NS_UPLOAD}'><put url='${escapeAttr(put)}'/><get url='${escapeAttr(get)}'/></slot>`;
}

function tooLarge(maxBytes: number): string {
  return `<file-too-large xmlns='${NS_UPLOAD}'><max-file-size>${maxBytes}</max-file-size></file-too-large>`;
}

function retry(atMs: number): string {
  return `<retry xmlns='${NS_UPLOAD}' stamp='${formatStamp(atMs)}'/>`;
}

/** XEP-0128 form of the service (section 3). */
function limitsForm(maxBytes: number): string {
  return (
    `<x xmlns='${NS_DATA}' type='result'><field var='FORM_TYPE' type='hidden'><value>${NS_UPLOAD}</value></field>` +
    `<field var='max-file-size'><value>${maxBytes}</value></field></x>`
  );
}

/** Section 5: another purpose asks for another time to keep the file, which this service does not offer. */
function isMessage(request: Element): boolean {
  return request.getChildElements().every((child) => child.getNS() !== NS_PURPOSE || child.getName() === 'message');
}

function slotHandler(port: UploadPort): IqHandler {
  return (session, request) => {
    const refuse = (outcome: SlotOutcome, ...error: Parameters<typeof request.error>): void => {
      port.count(outcome);
      request.error(...error);
    };
    const file = parseSlotRequest(request.payload);
    if (file === undefined)
      return refuse('bad-request', 'bad-request', 'filename, size or content-type cannot be used');
    if (!isMessage(request.payload)) return refuse('purpose', 'feature-not-implemented', 'only files of messages');
    const { maxBytes } = port;
    if (file.bytes > maxBytes)
      return refuse('too-large', 'not-acceptable', `A file may have ${maxBytes} bytes`, tooLarge(maxBytes));
    const why = port.refusal(file.bytes);
    if (why !== undefined) {
      const text = why === 'full' ? 'There is no room for more files' : 'The store of files cannot be reached';
      return refuse(why, 'resource-constraint', text, retry(session.now + RETRY_MS));
    }
    const quota = chargeQuota(session.get<QuotaRow>(QUOTA_ROW), file.bytes, session.now, port.quota);
    if (quota.t === 'over')
      return refuse('quota', 'resource-constraint', 'Your quota is reached', retry(quota.retryMs));
    session.put(QUOTA_ROW, quota.row);
    port.slot(session, file, (urls) => {
      if (urls === undefined) return refuse('failed', 'internal-server-error', 'The store of files did not answer');
      port.count('given');
      request.reply(renderSlot(urls));
    });
  };
}

/** @param port undefined: for the spec only */
export function httpUploadModule(port: UploadPort | undefined): XmppModule {
  const spec = {
    id: 'XEP-0363',
    title: 'HTTP File Upload',
    version: '1.2.0',
    url: 'https://xmpp.org/extensions/xep-0363.html',
    note: 'at upload.<domain>; files of messages only (section 5), kept for a time the operator sets',
  };
  if (port === undefined) return { spec };
  const info: IqHandler = (_session, request) => {
    if (request.payload.attrs['node'] !== undefined) return request.error('item-not-found', 'no such node');
    request.reply(
      renderInfo({
        identities: [{ category: 'store', type: 'file', name: SERVICE_NAME }],
        features: [NS_INFO, NS_ITEMS, NS_UPLOAD, `${NS_PURPOSE}#message`],
        form: limitsForm(port.maxBytes),
      }),
    );
  };
  const items: IqHandler = (_session, request) => {
    if (request.payload.attrs['node'] !== undefined) return request.error('item-not-found', 'no such node');
    request.reply(`<query xmlns='${NS_ITEMS}'/>`);
  };
  const get = { types: ['get'], targets: ['upload'] } as const;
  return {
    spec,
    iq: [
      { ...get, ns: NS_UPLOAD, name: 'request', handle: slotHandler(port) },
      { ...get, ns: NS_INFO, name: 'query', handle: info },
      { ...get, ns: NS_ITEMS, name: 'query', handle: items },
    ],
  };
}
