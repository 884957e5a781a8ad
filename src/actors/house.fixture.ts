import { GROUP_OPTIONS, type TestClient, TestNode, type TestNodeOptions } from './runtime.fixture.ts';

/** A room on a node, for tests of sessions and groups together. */

export const ROOM = `room@${GROUP_OPTIONS.roomDomain}`;
export const NS_MUC = 'http://jabber.org/protocol/muc';

/** @param x in `<x/>`: which of the past it wants */
export const enter = (nick: string, x = '', room = ROOM): string =>
  `<presence xmlns='jabber:client' to='${room}/${nick}'><x xmlns='${NS_MUC}'>${x}</x></presence>`;
export const leave = (nick: string): string =>
  `<presence xmlns='jabber:client' to='${ROOM}/${nick}' type='unavailable'/>`;
export const says = (body: string, to = ROOM, type = 'groupchat'): string =>
  `<message xmlns='jabber:client' to='${to}' type='${type}' id='${body}'><body>${body}</body></message>`;
export const owner = (inner: string): string =>
  `<iq xmlns='jabber:client' type='set' id='o' to='${ROOM}'><query xmlns='${NS_MUC}#owner'>${inner}</query></iq>`;
export const SUBMIT = owner(`<x xmlns='jabber:x:data' type='submit'/>`);

export interface House {
  readonly node: TestNode;
  readonly a: string;
  readonly b: string;
  readonly alice: TestClient;
  readonly bob: TestClient;
}

/** Alice's room, with her and Bob in it; he is no member. */
export async function house(options: TestNodeOptions = {}): Promise<House> {
  const node = await TestNode.start({ ...options, runtime: { groups: GROUP_OPTIONS, ...options.runtime } });
  const [a = '', b = ''] = await node.account('a', 'b');
  const alice = await node.bind(a, 'one');
  const bob = await node.bind(b, 'one');
  await alice.send(enter('al'), SUBMIT);
  await bob.send(enter('bo'));
  alice.conn.take();
  return { node, a, b, alice, bob };
}
