import type { SessionPort } from './module.ts';

/**
 * XML that a user keeps on the server and seldom asks for: vCard, private XML. The elements are stored where a session
 * does not load them (`putStored`); in memory is a row for each that says how large it is.
 */
interface SizeRow {
  readonly v: 1;
  /** of UTF-8 */
  readonly bytes: number;
}

interface StoredXml {
  readonly v: 1;
  readonly xml: string;
}

const SIZES = 'd/';

/** Bytes of each stored element whose key begins with `prefix`. */
export function storedSizes(session: SessionPort, prefix: string): ReadonlyMap<string, number> {
  const rows = session.entries<SizeRow>(SIZES + prefix);
  return new Map(rows.map(([key, { bytes }]) => [key.slice(SIZES.length), bytes]));
}

export function storeXml(session: SessionPort, key: string, xml: string): void {
  session.put(SIZES + key, { v: 1, bytes: Buffer.byteLength(xml) } satisfies SizeRow);
  session.putStored(key, { v: 1, xml } satisfies StoredXml);
}

export function dropXml(session: SessionPort, key: string): void {
  if (session.get(SIZES + key) === undefined) return;
  session.del(SIZES + key);
  session.putStored(key, undefined);
}

/** @param done gets undefined when nothing is stored by that key; runs at once then, else in a later turn */
export function readXml(session: SessionPort, key: string, done: (xml: string | undefined) => void): void {
  if (session.get(SIZES + key) === undefined) return done(undefined);
  session.readStored(key, (value) => done((value as StoredXml | undefined)?.xml));
}

/** Only for an account that goes: every stored element. */
export function dropAllXml(session: SessionPort): void {
  for (const key of storedSizes(session, '').keys()) dropXml(session, key);
}
