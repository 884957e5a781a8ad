import t from 'tap';
import type { RoomConfig } from '../xmpp/muc-config.ts';
import { ALICE, BOB, room, send, told, turnOf } from './group.fixture.ts';

const A1 = `${ALICE}/a`;
const B1 = `${BOB}/b`;

/** What an occupant hears of a configuration that is submitted. */
function heard(config: Partial<RoomConfig>, fields: Readonly<Record<string, string>>): string[] {
  const group = room({ config, occupants: { [A1]: 'al', [B1]: 'bo' } });
  group.askedAt = 1000;
  const form = Object.entries(fields).map(([name, value]) => {
    return `<field var='muc#roomconfig_${name}'><value>${value}</value></field>`;
  });
  const inner =
    `<query xmlns='http://jabber.org/protocol/muc#owner'>` +
    `<x xmlns='jabber:x:data' type='submit'>${form.join('')}</x></query>`;
  const turn = turnOf(group, [send(A1, inner, { kind: 'iq', type: 'set' })]);
  const rooms = told(turn).flatMap(({ to, msg }) => (msg.t === 'room' && to === BOB ? [msg.xml] : []));
  return rooms.flatMap((xml) => [...xml.matchAll(/code='(\d+)'/g)].map(([, code]) => String(code)));
}

t.test('occupants are told what kind of change it was', async (t) => {
  t.same(heard({}, { roomname: 'coven' }), ['104']);
  t.same(heard({ whois: 'moderators' }, { whois: 'anyone' }), ['172']);
  t.same(heard({ whois: 'anyone' }, { whois: 'moderators' }), ['173']);
  t.same(heard({}, { whois: 'anyone', roomname: 'coven' }), ['104', '172']);
  t.same(heard({}, { presencebroadcast: 'moderator' }), ['104']);
  t.same(heard({ name: 'coven' }, { roomname: 'coven' }), [], 'nothing changed');
});
