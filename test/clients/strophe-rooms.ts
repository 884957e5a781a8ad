/** The stock library `strophe.js` in a room (XEP-0045). Its package has no part for rooms: the stanzas are built with it. */
import { $iq, $msg, $pres } from 'strophe.js';
import type { Test } from 'tap';
import type { Scenario, Site } from './site.ts';
import { ask, type Device, device, type El, first, people } from './strophe.ts';
import { until } from './until.ts';

const NS_MUC = 'http://jabber.org/protocol/muc';
const NS_INFO = 'http://jabber.org/protocol/disco#info';
const NS_ITEMS = 'http://jabber.org/protocol/disco#items';
const NS_MAM = 'urn:xmpp:mam:2';
const NS_SID = 'urn:xmpp:sid:0';

const named = (el: El, name: string): El[] => Array.from(el.getElementsByTagName(name));
const values = (el: El, name: string, attr: string) => named(el, name).map((one) => one.getAttribute(attr));
/** What was said to the room, as this device heard it. */
const heard = (one: Device) =>
  one.messages
    .filter((el) => el.getAttribute('type') === 'groupchat')
    .flatMap((el) => first(el, 'body')?.textContent ?? []);

/** Status codes of the room's word about the device itself, once it is there. */
async function self(one: Device, occupant: string, type: string | null = null): Promise<(string | null)[]> {
  const codes = (el: El) => values(el, 'status', 'code');
  const is = (el: El) =>
    el.getAttribute('from') === occupant && el.getAttribute('type') === type && codes(el).includes('110');
  await until(`the room's word about ${occupant}`, () => one.presences.some(is));
  return one.presences.filter(is).flatMap(codes);
}

function enter(one: Device, occupant: string, password?: string): Promise<(string | null)[]> {
  const presence = $pres({ to: occupant }).c('x', { xmlns: NS_MUC });
  if (password !== undefined) presence.c('password').t(password).up();
  one.connection.send(presence);
  return self(one, occupant);
}

function configure(one: Device, room: string, fields: Readonly<Record<string, string>>): Promise<El> {
  const iq = $iq({ type: 'set', to: room }).c('query', { xmlns: `${NS_MUC}#owner` });
  iq.c('x', { xmlns: 'jabber:x:data', type: 'submit' });
  for (const [name, value] of Object.entries(fields))
    iq.c('field', { var: `muc#roomconfig_${name}` })
      .c('value')
      .t(value)
      .up()
      .up();
  return ask(one, iq);
}

function groupchat(to: string, id: string) {
  return $msg({ to, id, type: 'groupchat' }).c('body').t(id).up().c('origin-id', { xmlns: NS_SID, id });
}

const administer = (one: Device, room: string, item: Readonly<Record<string, string>>) =>
  ask(
    one,
    $iq({ type: 'set', to: room })
      .c('query', { xmlns: `${NS_MUC}#admin` })
      .c('item', item),
  );

const query = (one: Device, to: string, xmlns: string) => ask(one, $iq({ type: 'get', to }).c('query', { xmlns }));

/** Bodies of the room's archive. */
async function archive(one: Device, room: string): Promise<string[]> {
  const before = one.messages.length;
  await ask(one, $iq({ type: 'set', to: room }).c('query', { xmlns: NS_MAM }));
  const results = one.messages.splice(before).filter((el) => first(el, 'result') !== undefined);
  return results.flatMap((el) => first(el, 'body')?.textContent ?? []);
}

async function room(t: Test, site: Site): Promise<void> {
  const [, hers] = await people(site);
  const romeo = await device(t, site.url(1), site.user('romeo'), 'orchard');
  const juliet = await device(t, site.hop.url, site.user('juliet'), 'balcony');
  const room = `${site.user('heath')}@conference.localhost`;
  const nick = { romeo: `${room}/Romeo`, juliet: `${room}/Juliet` };

  t.ok(values(await query(romeo, 'localhost', NS_ITEMS), 'item', 'jid').includes('conference.localhost'));
  t.same(await enter(romeo, nick.romeo), ['110', '170', '201'], 'a room is made by entering it');
  await configure(romeo, room, { roomname: 'The Heath', passwordprotectedroom: '1', roomsecret: 'rosemary' });
  juliet.connection.send($pres({ to: nick.juliet }).c('x', { xmlns: NS_MUC }));
  const refusal = (list: readonly El[]) => list.find((el) => el.getAttribute('type') === 'error');
  await until('the refusal', () => refusal(juliet.presences) !== undefined);
  t.ok(first(refusal(juliet.presences) as El, 'not-authorized'), 'not without the password');
  t.same(await enter(juliet, nick.juliet, 'rosemary'), ['110', '170']);

  romeo.connection.send(groupchat(room, 'r1'));
  await until('his words', () => heard(juliet).length === 1);
  juliet.connection.send(groupchat(room, 'j1'));
  await until('her words', () => heard(romeo).length === 2 && heard(juliet).length === 2);
  t.same(
    [heard(romeo), heard(juliet)],
    [
      ['r1', 'j1'],
      ['r1', 'j1'],
    ],
    'both hear both, in one order',
  );
  romeo.connection.send($msg({ to: room, type: 'groupchat' }).c('subject').t('Rosemary'));
  const isSubject = (el: El) => first(el, 'subject')?.textContent === 'Rosemary';
  await until('the subject', () => juliet.messages.some(isSubject));
  // The service keeps its list for a moment.
  const list = () => query(romeo, 'conference.localhost', NS_ITEMS);
  await until('the service to list it', async () => values(await list(), 'item', 'jid').includes(room));
  const info = await query(juliet, room, NS_INFO);
  t.equal(first(info, 'identity')?.getAttribute('name'), 'The Heath');
  t.ok(values(info, 'feature', 'var').includes('muc_passwordprotected'));

  for (let round = 1; round <= 3; round++) {
    site.hop.cut();
    romeo.connection.send(groupchat(room, `r2.${round}`));
    juliet.connection.send(groupchat(room, `j2.${round}`));
    site.hop.mend();
    await until('the resumption', () => juliet.online.resumed === round);
    const both = (one: Device) => ['r', 'j'].every((who) => heard(one).includes(`${who}2.${round}`));
    await until('what was said meanwhile', () => both(romeo) && both(juliet));
  }
  t.same(heard(romeo), heard(juliet), 'nobody left, nothing is missing or doubled');
  t.equal(heard(romeo).length, 8);
  t.same(await archive(romeo, room), heard(romeo), 'the archive of the room tells the same');

  await administer(romeo, room, { nick: 'Juliet', role: 'none' });
  t.same(await self(juliet, nick.juliet, 'unavailable'), ['110', '307'], 'she is shown the door');
  juliet.connection.send(groupchat(room, 'j3'));
  await until('the refusal', () => refusal(juliet.messages) !== undefined);
  t.ok(first(refusal(juliet.messages) as El, 'not-acceptable'));

  await administer(romeo, room, { jid: hers, affiliation: 'member' });
  juliet.leave();
  romeo.connection.send(groupchat(room, 'r3'));
  await until('his own words', () => heard(romeo).includes('r3'));
  const tablet = await device(t, site.url(2), site.user('juliet'), 'tablet');
  t.equal((await archive(tablet, room)).at(-1), 'r3', 'a member who was away has it in the archive');
  romeo.connection.send($pres({ to: nick.romeo, type: 'unavailable' }));
  t.same(await self(romeo, nick.romeo, 'unavailable'), ['110'], 'he leaves');
}

export const stropheRooms: readonly Scenario[] = [
  {
    name: 'Strophe makes a room, chats, goes through tunnels, kicks, adds a member and leaves',
    timeoutMs: 60_000,
    run: room,
  },
];
