/** The stock library `@xmpp/client` in a room (XEP-0045), each occupant at another node where there are several. */
import type { Element } from 'ltx';
import type { Test } from 'tap';
import type { Scenario, Site } from './site.ts';
import { until } from './until.ts';
import { bodies, type Device, device, inner, killedInBurst, xml } from './xmpp-js.ts';

const NS = {
  muc: 'http://jabber.org/protocol/muc',
  user: 'http://jabber.org/protocol/muc#user',
  admin: 'http://jabber.org/protocol/muc#admin',
  owner: 'http://jabber.org/protocol/muc#owner',
  info: 'http://jabber.org/protocol/disco#info',
  items: 'http://jabber.org/protocol/disco#items',
  forms: 'jabber:x:data',
  mam: 'urn:xmpp:mam:2',
  rsm: 'http://jabber.org/protocol/rsm',
  sid: 'urn:xmpp:sid:0',
};

function codes(presence: Element): string[] {
  return (presence.getChild('x', NS.user)?.getChildren('status') ?? []).map(({ attrs }) => String(attrs['code']));
}

/** The room's presence of the device itself, once it is there. */
async function self(one: Device, occupant: string, type?: string): Promise<Element> {
  const is = (el: Element) => el.attrs['from'] === occupant && el.attrs['type'] === type && codes(el).includes('110');
  await until(`the room's word about ${occupant}`, () => one.presences.some(is));
  return one.presences.findLast(is) as Element;
}

async function enter(one: Device, room: string, nick: string): Promise<Element> {
  await one.xmpp.send(
    xml('presence', { to: `${room}/${nick}` }, xml('x', NS.muc, xml('history', { maxstanzas: '0' }))),
  );
  return self(one, `${room}/${nick}`);
}

async function configure(one: Device, room: string, fields: Readonly<Record<string, string>>): Promise<void> {
  const filled = Object.entries(fields).map(([name, value]) =>
    xml('field', { var: `muc#roomconfig_${name}` }, xml('value', {}, value)),
  );
  await one.xmpp.iqCaller.set(xml('query', NS.owner, xml('x', { xmlns: NS.forms, type: 'submit' }, ...filled)), room);
}

function groupchat(room: string, id: string) {
  return xml(
    'message',
    { type: 'groupchat', to: room, id },
    xml('body', {}, id),
    xml('origin-id', { xmlns: NS.sid, id }),
  );
}

const administer = (one: Device, room: string, item: Readonly<Record<string, string>>) =>
  one.xmpp.iqCaller.set(xml('query', NS.admin, xml('item', item)), room);

/** Bodies of the room's archive, which fits on a page. */
async function archive(one: Device, room: string): Promise<(string | null)[]> {
  const before = one.messages.length;
  const query = xml('query', NS.mam, xml('set', NS.rsm, xml('max', {}, '250')));
  const answer = await one.xmpp.iqCaller.request(xml('iq', { type: 'set', to: room }, query));
  if (answer.getChild('fin', NS.mam)?.attrs['complete'] !== 'true') throw new Error('more than one page');
  const results = one.messages.splice(before).flatMap((message) => message.getChildren('result', NS.mam));
  const said = results.map(inner).filter((message) => message?.getChild('body') !== undefined);
  return said.map((message) => message?.getChildText('body') ?? null);
}

const roomOf = (site: Site) => `${site.user('coven')}@conference.localhost`;

/** One of the two is on the way that breaks. */
async function twoPeople(t: Test, site: Site, onTheWay: 'romeo' | 'juliet'): Promise<[romeo: Device, juliet: Device]> {
  const url = (name: string) => (name === onTheWay ? site.hop.url : site.url(1));
  return [
    await device(t, url('romeo'), site.user('romeo'), 'orchard', true),
    await device(t, url('juliet'), site.user('juliet'), 'balcony', true),
  ];
}

async function room(t: Test, site: Site): Promise<void> {
  const [romeo, juliet] = await twoPeople(t, site, 'juliet');
  const room = roomOf(site);
  const nick = { romeo: `${room}/Romeo`, juliet: `${room}/Juliet` };

  const services = await romeo.xmpp.iqCaller.get(xml('query', NS.items), 'localhost');
  t.ok(services.getChildren('item').some(({ attrs }) => attrs['jid'] === 'conference.localhost'));
  t.same(codes(await enter(romeo, room, 'Romeo')), ['110', '170', '201'], 'a room is made by entering it');
  await configure(romeo, room, { roomname: 'Capulet’s orchard' });
  await enter(juliet, room, 'Juliet');
  t.ok(
    juliet.presences.findIndex(({ attrs }) => attrs['from'] === nick.romeo) <
      juliet.presences.findIndex(({ attrs }) => attrs['from'] === nick.juliet),
    'who is there comes first',
  );
  await until('her coming', () => romeo.presences.some(({ attrs }) => attrs['from'] === nick.juliet));

  await romeo.xmpp.send(groupchat(room, 'r1'));
  await until('his words', () => bodies(juliet).length === 1);
  await juliet.xmpp.send(groupchat(room, 'j1'));
  await until('her words', () => bodies(romeo).length === 2);
  await until('her own words', () => bodies(juliet).length === 2);
  t.same(
    [bodies(romeo), bodies(juliet)],
    [
      ['r1', 'j1'],
      ['r1', 'j1'],
    ],
    'both hear both, in one order',
  );

  await romeo.xmpp.send(xml('message', { type: 'groupchat', to: room }, xml('subject', {}, 'Roses')));
  const isSubject = (el: Element) => el.getChildText('subject') === 'Roses' && el.attrs['from'] === nick.romeo;
  await until('the subject', () => juliet.messages.some(isSubject));
  // The service keeps its list for a moment.
  const list = () => romeo.xmpp.iqCaller.get(xml('query', NS.items), 'conference.localhost');
  const isListed = ({ attrs }: Element) => attrs['jid'] === room && attrs['name'] === 'Capulet’s orchard';
  await until('the service to list it', async () => (await list()).getChildren('item').some(isListed));
  const info = await romeo.xmpp.iqCaller.get(xml('query', NS.info), room);
  t.ok(info.getChildren('feature').some(({ attrs }) => attrs['var'] === NS.mam));
  const occupants = await romeo.xmpp.iqCaller.get(xml('query', NS.items), room);
  t.same(
    occupants.getChildren('item').map(({ attrs }) => attrs['jid']),
    [nick.romeo, nick.juliet],
  );

  // She has asked nothing: the library does not count answers to its questions (XEP-0198 4), and gets as many stanzas twice.
  let resumed = 0;
  juliet.xmpp.streamManagement.on('resumed', () => resumed++);
  site.hop.cut();
  for (const id of ['r2', 'r3']) await romeo.xmpp.send(groupchat(room, id));
  site.hop.mend();
  await until('the resumption', () => resumed === 1);
  await juliet.xmpp.send(groupchat(room, 'j2'));
  await until('what was said meanwhile', () => bodies(juliet).includes('r3') && bodies(juliet).includes('j2'));
  await until('her words after it', () => bodies(romeo).includes('j2'));
  t.same(bodies(romeo), bodies(juliet), 'nobody left, nothing is missing or doubled');
  t.same(await archive(romeo, room), bodies(romeo), 'the archive of the room tells the same');

  await administer(romeo, room, { nick: 'Juliet', role: 'none' });
  t.same(codes(await self(juliet, nick.juliet, 'unavailable')), ['110', '307'], 'she is shown the door');
  const isRefusal = (el: Element) => el.attrs['type'] === 'error' && el.getChild('error') !== undefined;
  await juliet.xmpp.send(groupchat(room, 'j3'));
  await until('the refusal', () => juliet.messages.some(isRefusal));
  t.ok(juliet.messages.find(isRefusal)?.getChild('error')?.getChild('not-acceptable'));

  await administer(romeo, room, { jid: `${site.user('juliet')}@localhost`, affiliation: 'member' });
  await juliet.xmpp.stop();
  await romeo.xmpp.send(groupchat(room, 'r4'));
  await until('his own words', () => bodies(romeo).includes('r4'));
  const tablet = await device(t, site.url(2), site.user('juliet'), 'tablet');
  t.same((await archive(tablet, room)).at(-1), 'r4', 'a member who was away has it in the archive');
  t.same(codes(await enter(tablet, room, 'Juliet')), ['110', '170']);
}

async function killInBurst(t: Test, site: Site): Promise<void> {
  const [romeo, juliet] = await twoPeople(t, site, 'romeo');
  const room = roomOf(site);
  await enter(romeo, room, 'Romeo');
  await configure(romeo, room, { membersonly: '1' });
  await administer(romeo, room, { jid: `${site.user('juliet')}@localhost`, affiliation: 'member' });
  await enter(juliet, room, 'Juliet');
  const { said, again } = await killedInBurst(t, site, romeo, 40, (body) => groupchat(room, body));
  // With a new stream he is not in the room any more.
  romeo.presences.length = 0;
  await enter(romeo, room, 'Romeo');
  await again();
  const audit = await device(t, site.url(2), site.user('juliet'), 'audit');
  t.same(await archive(audit, room), said, 'the room has each once, in order');
  t.same(await archive(romeo, room), said, 'for its owner too');
}

export const xmppJsRooms: readonly Scenario[] = [
  { name: 'xmpp.js makes a room, chats, goes through a tunnel, kicks and adds a member', timeoutMs: 60_000, run: room },
  { name: 'xmpp.js loses nothing acknowledged by a room when a node is killed', timeoutMs: 60_000, run: killInBurst },
];
