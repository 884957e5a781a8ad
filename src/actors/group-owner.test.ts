import t from 'tap';
import type { RoomConfig } from '../xmpp/muc-config.ts';
import { ALICE, BOB, CAROL, room, said, send, told, turnOf } from './group.fixture.ts';

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

t.test('other roles are shown than before', async (t) => {
  const group = room({
    occupants: { [A1]: { v: 1, nick: 'al', role: 'moderator' }, [B1]: 'bo', [`${CAROL}/c`]: 'ca' },
  });
  group.askedAt = 1000;
  const shows = (...roles: string[]): string[] => {
    const values = roles.map((role) => `<value>${role}</value>`).join('');
    const form = `<x xmlns='jabber:x:data' type='submit'><field var='muc#roomconfig_presencebroadcast'>${values}</field></x>`;
    const inner = `<query xmlns='http://jabber.org/protocol/muc#owner'>${form}</query>`;
    const all = said(turnOf(group, [send(A1, inner, { kind: 'iq', type: 'set' })]));
    return all.filter((one) => !one.includes('message'));
  };
  t.same(shows('moderator'), ['alice: -bo to a', 'carol: -bo to c', 'alice: -ca to a', 'bob: -ca to b', 'alice: ok']);
  t.same(shows('moderator', 'participant').slice(0, 2), ['alice: +bo to a', 'carol: +bo to c']);
});

t.test('each occupant of a room that ends hears of itself alone', async (t) => {
  const group = room({ occupants: { [A1]: 'al', [B1]: 'bo' } });
  group.askedAt = 1000;
  const inner = `<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>`;
  const turn = turnOf(group, [send(A1, inner, { kind: 'iq', type: 'set' })]);
  t.same(said(turn), ['alice: -al to a (left)', 'bob: -bo to b (left)', 'alice: ok']);
});

t.test('occupants are told what kind of change it was', async (t) => {
  t.same(heard({}, { roomname: 'coven' }), ['104']);
  t.same(heard({ whois: 'moderators' }, { whois: 'anyone' }), ['172']);
  t.same(heard({ whois: 'anyone' }, { whois: 'moderators' }), ['173']);
  t.same(heard({}, { whois: 'anyone', roomname: 'coven' }), ['104', '172']);
  t.same(heard({}, { presencebroadcast: 'moderator' }), ['104']);
  t.same(heard({ name: 'coven' }, { roomname: 'coven' }), [], 'nothing changed');
});
