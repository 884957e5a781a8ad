import t from 'tap';
import { parse } from './extensions.fixture.ts';
import { HeldStanzas, messageHoldKey, parseCsi, presenceHoldKey } from './xep0352-csi.ts';

const FROM = 'juliet@capulet.lit/balcony';

t.test('a client indicates active and inactive', async (t) => {
  t.equal(parseCsi(parse(`<active xmlns='urn:xmpp:csi:0'/>`)), 'active');
  t.equal(parseCsi(parse(`<inactive xmlns='urn:xmpp:csi:0'/>`)), 'inactive');
  t.equal(parseCsi(parse(`<asleep xmlns='urn:xmpp:csi:0'/>`)), undefined);
  t.equal(parseCsi(parse(`<active xmlns='http://jabber.org/protocol/chatstates'/>`)), undefined);
});

t.test('presence and bare chat states may wait, nothing else', async (t) => {
  const state = `<composing xmlns='http://jabber.org/protocol/chatstates'/>`;
  const messages: [string, boolean][] = [
    [state, true],
    [`${state}<thread>x</thread><no-store xmlns='urn:xmpp:hints'/>`, true],
    [`${state}<body>x</body>`, false],
    ['<body>x</body>', false],
    [`<no-store xmlns='urn:xmpp:hints'/>`, false],
    [`<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>`, false],
    ['', false],
  ];
  for (const [inner, waits] of messages) {
    t.equal(messageHoldKey(FROM, parse(`<message>${inner}</message>`)) !== undefined, waits, inner);
  }
  const muc = `<x xmlns='http://jabber.org/protocol/muc#user'>`;
  const presences: [string | undefined, string, boolean][] = [
    [undefined, '<presence/>', true],
    ['unavailable', `<presence type='unavailable'/>`, true],
    ['subscribe', `<presence type='subscribe'/>`, false],
    ['error', `<presence type='error'/>`, false],
    [undefined, `<presence>${muc}<item/></x></presence>`, true],
    [undefined, `<presence>${muc}<item/><status code='110'/></x></presence>`, false],
  ];
  for (const [type, xml, waits] of presences) t.equal(presenceHoldKey(FROM, type, xml) !== undefined, waits, xml);
});

t.test('of each sender the latest waits, and all goes out before what cannot wait', async (t) => {
  const held = new HeldStanzas();
  t.strictSame(held.offer('p juliet', 'away'), []);
  t.strictSame(held.offer('p nurse', 'here'), []);
  t.strictSame(held.offer('s juliet', 'composing'), []);
  t.strictSame(held.offer('p juliet', 'back'), []);
  t.equal(held.length, 3);
  t.strictSame(held.offer(undefined, 'message'), ['here', 'composing', 'back', 'message']);
  t.equal(held.length, 0);
  t.strictSame(held.offer(undefined, 'another'), ['another']);
  held.offer('p juliet', 'gone');
  t.strictSame(held.flush(), ['gone']);
  t.strictSame(held.flush(), []);
});

t.test('a full queue goes out whole', async (t) => {
  const held = new HeldStanzas(3);
  t.strictSame(held.offer('a', '1'), []);
  t.strictSame(held.offer('b', '2'), []);
  t.strictSame(held.offer('b', '3'), [], 'the same sender takes no more room');
  t.strictSame(held.offer('c', '4'), ['1', '3', '4']);
  t.equal(held.length, 0);
});

t.test('so does one of large stanzas, of which the latest of each sender counts', async (t) => {
  const held = new HeldStanzas(100, 10);
  t.strictSame(held.offer('a', '12345678'), []);
  t.strictSame(held.offer('a', '1234'), []);
  t.strictSame(held.offer('b', '12345'), []);
  t.strictSame(held.offer('c', '1'), ['1234', '12345', '1']);
  t.strictSame(held.offer('c', '12345678'), [], 'it is empty again');
});
