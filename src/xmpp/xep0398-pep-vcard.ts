import { createHash } from 'node:crypto';
import type { Element } from 'ltx';
import { decodeBase64 } from './base64.ts';
import type { SessionPort, XmppModule } from './module.ts';
import { refusedAccess } from './pubsub-access.ts';
import { getNode, type NodeRow, type PepParts } from './pubsub-nodes.ts';
import { publishItem } from './pubsub-publish.ts';
import { isFault, type PubsubFault, type StoredItem } from './pubsub-types.ts';
import { renewPresence } from './rfc6121-presence.ts';
import { element, escapeText, splice, xmlOf } from './stanza.ts';
import { NS_VCARD } from './xep0054-vcard.ts';
import { NS_AVATAR_DATA, NS_AVATAR_METADATA } from './xep0084-avatar.ts';
import { saysNoPhoto, withPhotoHash } from './xep0153-vcard-avatars.ts';
import { parseChecked } from './xml.ts';

/**
 * One avatar, seen as nodes of the account (XEP-0084) and as the photo of its vCard. It is kept once, in the nodes: a
 * photo that a client puts into the vCard is published and taken out of it, and who reads the vCard gets what of the
 * nodes is open to it. A photo that the nodes do not take (without a type, or with no room for it) stays where it was.
 */

const FEATURE = 'urn:xmpp:pep-vcard-conversion:0';

/** What is known of the avatar without reading items. */
const KEY = 'photo';
interface PhotoRow {
  readonly v: 1;
  /** number of the metadata node, and of its item that says this: when another is the last one, this is out of date */
  readonly no: number;
  readonly seq: number;
  /** SHA-1 in hex; '' when the avatar was switched off */
  readonly hash: string;
}

const SHA1 = /^[0-9a-f]{40}$/;
const IMAGE = /^image\/[\w.+-]{1,60}$/;

/** What vCards need of avatars. */
export interface Photos {
  /** The vCard as `reader` (bare JID) may see it, in a later turn where items are read. @param done undefined: there is none */
  show(session: SessionPort, reader: string, card: string | undefined, done: (xml: string | undefined) => void): void;
  /** Publishes the photo of a vCard that its owner sets. @returns what is to be stored as the vCard */
  take(session: SessionPort, card: Element): string;
}

export function createPhotos(parts: PepParts): Photos {
  return {
    show: (session, reader, card, done) =>
      readImage(parts, session, reader, (image) => done(image === undefined ? card : withPhoto(card, image))),
    take: (session, card) => takePhoto(parts, session, card),
  };
}

/** A device published that item: of the avatar's metadata, all who see the user's presence hear of the new hash. */
export function onAvatarPublished(session: SessionPort, node: string, item: Pick<StoredItem, 'xml'>): void {
  if (node !== NS_AVATAR_METADATA) return;
  const row = getNode(session, node);
  if (row === undefined || row.last === 0) return;
  const hash = infoOf(item.xml)?.id ?? '';
  // As it was told last, whatever has become of that item.
  const before = session.get<PhotoRow>(KEY)?.hash;
  session.put(KEY, { v: 1, no: row.no, seq: row.last, hash } satisfies PhotoRow);
  if (before === hash || (before === undefined && hash === '')) return;
  renewPresence(session, ({ xml, noPhoto }) => {
    if (noPhoto === true) return undefined;
    const { el } = parseChecked(xml);
    return splice(el, withPhotoHash(el, hash), el.attrs['from'], undefined);
  });
}

/**
 * A device has come, and nothing is known of the avatar that is there: it was published before the server looked, or is
 * the newest again since a later one was taken back.
 */
export function catchUpPhoto({ port }: Pick<PepParts, 'port'>, session: SessionPort): void {
  const node = getNode(session, NS_AVATAR_METADATA);
  if (node === undefined || node.last === 0 || photoHash(session) !== undefined) return;
  port.load(session, node.no, [node.last], ([item]) => {
    const isLast = getNode(session, NS_AVATAR_METADATA)?.last === node.last;
    if (item !== undefined && isLast) onAvatarPublished(session, NS_AVATAR_METADATA, item);
  });
}

/** undefined: nothing is known. */
function photoHash(session: SessionPort): string | undefined {
  const row = session.get<PhotoRow>(KEY);
  const node = getNode(session, NS_AVATAR_METADATA);
  return row !== undefined && node?.no === row.no && node.last === row.seq ? row.hash : undefined;
}

/**
 * Children of an available presence as others get it (4): with the avatar's hash, unless its client says that it shows
 * none. Those who need not be contacts hear of an avatar that all may see.
 * @param inner the children as they came
 */
export function presenceWithHash(session: SessionPort, presence: Element, inner: string): string {
  const hash = photoHash(session);
  if (hash === undefined || hash === '' || saysNoPhoto(presence)) return inner;
  const directed = presence.attrs['to'] !== undefined;
  return directed && !mayRead(session, undefined) ? inner : withPhotoHash(presence, hash);
}

/** @param reader bare JID; undefined: anybody */
function mayRead(session: SessionPort, reader: string | undefined): boolean {
  const may = (row: NodeRow | undefined): boolean =>
    row !== undefined &&
    (reader === undefined ? row.config.access === 'open' : refusedAccess(session, row, reader) === undefined);
  return may(getNode(session, NS_AVATAR_DATA)) && may(getNode(session, NS_AVATAR_METADATA));
}

interface Image {
  readonly type: string;
  readonly hash: string;
  readonly bytes: Buffer;
}

/** The metadata's image that is among the data, not somewhere in the web. */
function infoOf(metadata: string): { readonly id: string; readonly type: string } | undefined {
  for (const { attrs } of parseChecked(metadata).el.getChildren('info', NS_AVATAR_METADATA)) {
    const { url, id, type } = attrs as Record<string, string | undefined>;
    if (url === undefined && id !== undefined && SHA1.test(id)) return { id, type: type ?? 'image/png' };
  }
  return undefined;
}

function readImage(
  { port }: PepParts,
  session: SessionPort,
  reader: string,
  done: (image: Image | undefined) => void,
): void {
  const metadata = getNode(session, NS_AVATAR_METADATA);
  if (metadata === undefined || metadata.last === 0 || !mayRead(session, reader)) return done(undefined);
  port.load(session, metadata.no, [metadata.last], ([item]) => {
    const info = item && infoOf(item.xml);
    const data = getNode(session, NS_AVATAR_DATA);
    const place = info && data && port.index(session, data.no).get(info.id);
    if (info === undefined || data === undefined || place === undefined) return done(undefined);
    port.load(session, data.no, [place.seq], ([found]) => {
      const bytes = found && imageBytes(parseChecked(found.xml).el.getText());
      if (bytes === undefined || sha1(bytes) !== info.id) return done(undefined);
      done({ type: info.type, hash: info.id, bytes });
    });
  });
}

/** An image as a vCard or an avatar has it; undefined when it is none. */
export function imageBytes(base64: string): Buffer | undefined {
  const bytes = decodeBase64(base64.replace(/\s+/g, ''));
  return bytes === undefined || bytes.length === 0 ? undefined : bytes;
}

/** By which an image is known (XEP-0084 4.2, XEP-0153 3.1), in hex. */
export function sha1(bytes: Buffer): string {
  return createHash('sha1').update(bytes).digest('hex');
}

function withPhoto(card: string | undefined, { type, bytes }: Image): string {
  const inner = element('TYPE', {}, escapeText(type)) + element('BINVAL', {}, bytes.toString('base64'));
  const photo = element('PHOTO', { xmlns: NS_VCARD }, inner);
  if (card === undefined) return element('vCard', { xmlns: NS_VCARD }, photo);
  const { el } = parseChecked(card);
  dropPhotos(el);
  el.cnode(parseChecked(photo).el);
  return xmlOf(el);
}

function dropPhotos(card: Element): void {
  const photos: readonly unknown[] = card.getChildren('PHOTO', NS_VCARD);
  card.children = card.children.filter((child) => !photos.includes(child));
}

function takePhoto(parts: PepParts, session: SessionPort, card: Element): string {
  const [photo] = card.getChildren('PHOTO', NS_VCARD);
  const has = (name: string): boolean => (photo?.getChildText(name, NS_VCARD) ?? '').trim() !== '';
  const known = photoHash(session);
  if (!has('BINVAL') && !has('EXTVAL')) {
    // A vCard is always set as a whole, so one without a photo means that there is none.
    if (known !== undefined && known !== '') publishAs(parts, session, NS_AVATAR_METADATA, undefined, '');
    return xmlOf(card);
  }
  const image = imageOf(photo);
  if (image === undefined || (image.hash !== known && !publishImage(parts, session, image))) return xmlOf(card);
  dropPhotos(card);
  return xmlOf(card);
}

function imageOf(photo: Element | undefined): Image | undefined {
  const type = photo?.getChildText('TYPE', NS_VCARD)?.trim() ?? '';
  const bytes = imageBytes(photo?.getChildText('BINVAL', NS_VCARD) ?? '');
  return bytes !== undefined && IMAGE.test(type) ? { type, bytes, hash: sha1(bytes) } : undefined;
}

/** XEP-0398 3.2. @returns false when the nodes do not take it */
function publishImage(parts: PepParts, session: SessionPort, { type, bytes, hash }: Image): boolean {
  const info = element('info', { bytes: String(bytes.length), id: hash, type });
  return (
    !isFault(publishAs(parts, session, NS_AVATAR_DATA, hash, bytes.toString('base64'))) &&
    !isFault(publishAs(parts, session, NS_AVATAR_METADATA, hash, info))
  );
}

/** A node that is made for it is as open as the vCard was. */
function publishAs(
  parts: PepParts,
  session: SessionPort,
  node: typeof NS_AVATAR_DATA | typeof NS_AVATAR_METADATA,
  id: string | undefined,
  inner: string,
): { readonly id: string } | PubsubFault {
  const open = getNode(session, node) === undefined ? new Map([['pubsub#access_model', ['open']]]) : undefined;
  const xml = element(node === NS_AVATAR_DATA ? 'data' : 'metadata', { xmlns: node }, inner);
  const done = publishItem(parts, session, node, { id, xml }, open);
  if (!isFault(done)) onAvatarPublished(session, node, { xml });
  return done;
}

export const pepVcardModule: XmppModule = {
  spec: {
    id: 'XEP-0398',
    title: 'User Avatar to vCard-Based Avatars Conversion',
    version: '1.0.0',
    url: 'https://xmpp.org/extensions/xep-0398.html',
    note: 'both ways; the hash goes with every available presence, and anew to those who see the user when it changes',
  },
  accountFeatures: [FEATURE],
};
