import t from 'tap';
import { StreamTap } from './stream-tap.ts';

t.test('acknowledgements are told apart over presence, resumption and a new stream', async (t) => {
  const tap = new StreamTap();
  const say = (body: string) => tap.sent(`<message to='x'><body>${body}</body></message>`);
  say('before stream management');
  tap.sent("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
  tap.received("<enabled xmlns='urn:xmpp:sm:3' id='p' resume='true'/>");
  tap.sent('<presence/>');
  say('one');
  say('two');
  tap.received("<a xmlns='urn:xmpp:sm:3' h='2'/>");
  t.same(tap.acked, ['one']);
  say('three');
  tap.received("<resumed xmlns='urn:xmpp:sm:3' h='3' previd='p'/>");
  t.same(tap.acked, ['one', 'two']);
  say('three');
  tap.received("<a xmlns='urn:xmpp:sm:3' h='4'/>");
  t.same(tap.acked, ['one', 'two', 'three']);
  tap.sent("<enable xmlns='urn:xmpp:sm:3'/>");
  t.equal(tap.sessions, 2);
  say('four');
  tap.received("<a xmlns='urn:xmpp:sm:3' h='1'/>");
  t.same(tap.acked, ['one', 'two', 'three', 'four']);
});

t.test('messages are heard in the order in which they came first', async (t) => {
  const tap = new StreamTap();
  const comes = (body: string, around = '') =>
    tap.received(`<message from='x'>${around}<body>${body}</body></message>`);
  comes('1');
  comes('3');
  comes('0', "<result xmlns='urn:xmpp:mam:2'><forwarded xmlns='urn:xmpp:forward:0'>");
  comes('2');
  comes('1');
  t.same(tap.heard, ['1', '3', '2']);
});
