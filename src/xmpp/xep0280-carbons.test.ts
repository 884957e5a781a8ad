import t from 'tap';
import { FakeUser, JULIET, parse, ROMEO } from './extensions.fixture.ts';
import { carbonDecision, carbonEligible, wrapCarbon } from './xep0280-carbons.ts';

const BODY = '<body>But soft</body>';
const MUC = 'http://jabber.org/protocol/muc#user';
const message = (inner: string) => parse(`<message>${inner}</message>`);

t.test('enable and disable switch the asking stream, again and again', async (t) => {
  const user = new FakeUser();
  const ask = (name: string, attrs = '') =>
    user.ask(`<iq type='set' id='c' ${attrs}><${name} xmlns='urn:xmpp:carbons:2'/></iq>`);
  for (const [name, on] of [
    ['enable', true],
    ['enable', true],
    ['disable', false],
    ['disable', false],
  ] as const) {
    t.strictSame(ask(name), { outcome: 'result', body: '' });
    t.equal(user.live[0]?.carbons, on);
  }
  t.equal(ask('enable', `to='${ROMEO}' from='${JULIET}/x'`).outcome, 'not for others');
  t.equal(user.live[0]?.carbons, false);
});

t.test('messages are eligible by the rules of section 6.1', async (t) => {
  const table: ['sent' | 'received', string, string, boolean, string][] = [
    ['sent', 'chat', BODY, true, 'chat'],
    ['received', 'chat', '', true, 'chat'],
    ['sent', 'normal', BODY, true, 'body'],
    ['sent', 'normal', '<subject>s</subject>', false, 'normal'],
    ['sent', 'normal', `<received xmlns='urn:xmpp:receipts' id='1'/>`, true, 'im payload'],
    ['sent', 'normal', `<composing xmlns='http://jabber.org/protocol/chatstates'/>`, true, 'im payload'],
    ['sent', 'normal', `<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>`, true, 'im payload'],
    ['sent', 'headline', BODY, false, 'headline'],
    ['sent', 'groupchat', BODY, false, 'groupchat'],
    ['sent', 'chat', `${BODY}<private xmlns='urn:xmpp:carbons:2'/>`, false, 'private'],
    ['sent', 'chat', `${BODY}<no-copy xmlns='urn:xmpp:hints'/>`, false, 'hint no-copy'],
    ['sent', 'chat', `${BODY}<x xmlns='${MUC}'/>`, true, 'chat'],
    ['received', 'chat', `${BODY}<x xmlns='${MUC}'/>`, false, 'private message of a room'],
    ['received', 'normal', `<x xmlns='${MUC}'><invite from='a@b'/></x>`, true, 'mediated invite'],
    ['received', 'normal', `<x xmlns='jabber:x:conference' jid='a@b'/>`, true, 'direct invite'],
    ['received', 'error', '', true, 'bounce'],
  ];
  for (const [direction, type, inner, eligible, reason] of table) {
    t.strictSame(
      carbonDecision(message(inner), type, direction),
      { eligible, reason },
      `${direction} ${type} ${inner}`,
    );
    t.equal(carbonEligible(message(inner), type, direction), eligible);
  }
  t.match(carbonDecision(message(''), 'error', 'received', false), { eligible: false });
});

t.test('a copy is wrapped as a forwarded stanza of the same type', async (t) => {
  const original = `<message xmlns='jabber:client' from='${ROMEO}/home' to='${JULIET}/balcony' type='chat'>${BODY}</message>`;
  const xml = wrapCarbon('sent', ROMEO, `${ROMEO}/gar'den`, original, 'chat');
  t.equal(
    xml,
    `<message xmlns='jabber:client' from='${ROMEO}' to='${ROMEO}/gar&apos;den' type='chat'>` +
      `<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>${original}</forwarded></sent></message>`,
  );
  t.ok(parse(xml));
  t.match(wrapCarbon('received', ROMEO, `${ROMEO}/x`, original, 'normal'), /type='normal'><received /);
});
