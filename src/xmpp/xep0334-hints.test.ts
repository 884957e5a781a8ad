import t from 'tap';
import { parse } from './extensions.fixture.ts';
import { chatState } from './xep0085-chat-states.ts';
import { receipt } from './xep0184-receipts.ts';
import { marker } from './xep0333-markers.ts';
import { storeDecision } from './xep0334-hints.ts';

const BODY = '<body>V unir avtug f pybnx</body>';
const hint = (name: string) => `<${name} xmlns='urn:xmpp:hints'/>`;
const state = (name: string) => `<${name} xmlns='http://jabber.org/protocol/chatstates'/>`;
const message = (inner: string) => parse(`<message to='juliet@capulet.lit'>${inner}</message>`);

t.test('a message is kept for what it carries, and by its hints', async (t) => {
  const table: [string, string, string, string][] = [
    // type, inner, what becomes of it, reason
    ['chat', BODY, 'stored', 'body'],
    ['normal', BODY, 'stored', 'body'],
    ['chat', `${BODY}${state('active')}<request xmlns='urn:xmpp:receipts'/>`, 'stored', 'body'],
    ['chat', '<subject>s</subject>', 'stored quiet', 'subject'],
    ['headline', BODY, 'not', 'headline'],
    ['groupchat', BODY, 'stored', 'body'],
    ['groupchat', state('composing'), 'not quiet', 'passing'],
    ['error', BODY, 'not', 'error'],
    ['chat', '', 'not quiet', 'empty'],
    ['chat', state('composing'), 'not quiet', 'passing'],
    ['chat', `${state('paused')}<thread>act2</thread>${hint('no-copy')}`, 'not quiet', 'passing'],
    ['chat', `<origin-id xmlns='urn:xmpp:sid:0' id='1'/>`, 'not quiet', 'passing'],
    ['normal', `<event xmlns='http://jabber.org/protocol/pubsub#event'/>`, 'not quiet', 'passing'],
    ['chat', BODY + hint('no-store'), 'not', 'hint no-store'],
    ['chat', BODY + hint('no-store') + hint('store'), 'not', 'hint no-store'],
    ['chat', BODY + hint('no-permanent-store'), 'stored hidden', 'hint no-permanent-store'],
    ['chat', BODY + hint('no-permanent-store') + hint('store'), 'stored hidden', 'hint no-permanent-store'],
    ['chat', state('composing') + hint('no-permanent-store'), 'not quiet', 'passing'],
    ['chat', state('gone') + hint('store'), 'stored quiet', 'hint store'],
    ['chat', BODY + hint('no-copy'), 'stored', 'body'],
    ['chat', `<received xmlns='urn:xmpp:receipts' id='1'/>`, 'stored quiet', 'receipt'],
    ['chat', `<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>`, 'stored quiet', 'marker'],
    ['chat', `<encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:omemo:2'/>`, 'stored', 'encrypted'],
    ['normal', `<x xmlns='jabber:x:conference' jid='a@b'/>`, 'stored quiet', 'invite'],
    ['chat', `<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>`, 'stored quiet', 'call'],
    ['chat', `<reactions xmlns='urn:xmpp:reactions:0' id='1'/>`, 'stored quiet', 'reaction'],
    ['chat', `<data xmlns='urn:example:sensor'/>`, 'stored quiet', 'payload'],
    ['chat', `<body xmlns='http://www.w3.org/1999/xhtml'>x</body>`, 'stored quiet', 'payload'],
  ];
  for (const [type, inner, expected, reason] of table) {
    const decision = storeDecision(message(inner), type);
    const told = `${decision.store ? 'stored' : 'not'}${decision.hidden ? ' hidden' : ''}${decision.quiet ? ' quiet' : ''}`;
    t.equal(told, expected, `${type} ${inner}`);
    t.equal(decision.reason, reason, `${type} ${inner}`);
  }
});

t.test('chat states, receipts and markers are read by namespace', async (t) => {
  t.equal(chatState(message(BODY + state('composing'))), 'composing');
  t.equal(chatState(message(state('dancing'))), undefined);
  t.equal(chatState(message(`<active xmlns='urn:other'/>`)), undefined);
  t.strictSame(receipt(message(`<request xmlns='urn:xmpp:receipts'/>`)), { t: 'request' });
  t.strictSame(receipt(message(`<received xmlns='urn:xmpp:receipts' id='richard2-4.1.247'/>`)), {
    t: 'received',
    id: 'richard2-4.1.247',
  });
  t.equal(receipt(message(`<received xmlns='urn:xmpp:receipts'/>`)), undefined, 'a receipt names its message');
  t.equal(receipt(message(BODY)), undefined);
  t.strictSame(marker(message(`<displayed xmlns='urn:xmpp:chat-markers:0' id='message-1'/>`)), {
    t: 'displayed',
    id: 'message-1',
  });
  t.equal(marker(message(`${BODY}<markable xmlns='urn:xmpp:chat-markers:0'/>`)), undefined);
  t.equal(marker(message(`<displayed xmlns='urn:xmpp:chat-markers:0'/>`)), undefined);
});
