import t from 'tap';
import { type Client, nextId } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';

/** XEP-0334, 0085, 0184, 0333: what a message carries decides whether it is kept. */
const node = await startTestNode(t);
const HINTS = 'urn:xmpp:hints';
const STATES = 'http://jabber.org/protocol/chatstates';

const romeo = await node.online('romeo', 'orchard');
const juliet = await node.online('juliet', 'balcony');

const message = (id: string, inner: string, type = 'chat'): string =>
  `<message xmlns='jabber:client' to='juliet@localhost' type='${type}' id='${id}'>${inner}</message>`;

async function archived(client: Client, id: string): Promise<boolean> {
  const query = `<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>20</max><before/></set></query>`;
  await client.iq('set', query);
  const found =
    client.pending((el, xml) => el.getChild('result') !== undefined && xml.includes(`id='${id}'`)).length > 0;
  client.forget();
  return found;
}

const cases: readonly [what: string, inner: string, type: string, kept: boolean][] = [
  ['a body', '<body>x</body>', 'chat', true],
  ['a normal message', '<body>x</body>', 'normal', true],
  ['a subject', '<subject>x</subject>', 'normal', true],
  ['a headline', '<body>x</body>', 'headline', false],
  ['a chat state', `<composing xmlns='${STATES}'/>`, 'chat', false],
  ['a chat state with a thread', `<paused xmlns='${STATES}'/><thread>t</thread>`, 'chat', false],
  ['a body with a chat state', `<body>x</body><active xmlns='${STATES}'/>`, 'chat', true],
  ['a receipt', `<received xmlns='urn:xmpp:receipts' id='m0'/>`, 'chat', true],
  ['a marker', `<displayed xmlns='urn:xmpp:chat-markers:0' id='m0'/>`, 'chat', true],
  ['a body with no-store', `<body>x</body><no-store xmlns='${HINTS}'/>`, 'chat', false],
  [
    'a body with no-store and store',
    `<body>x</body><no-store xmlns='${HINTS}'/><store xmlns='${HINTS}'/>`,
    'chat',
    false,
  ],
  ['a chat state with store', `<gone xmlns='${STATES}'/><store xmlns='${HINTS}'/>`, 'chat', true],
  ['a body with no-permanent-store', `<body>x</body><no-permanent-store xmlns='${HINTS}'/>`, 'chat', false],
  [
    'an encrypted one',
    `<encrypted xmlns='eu.siacs.conversations.axolotl'/><encryption xmlns='urn:xmpp:eme:0'/>`,
    'chat',
    true,
  ],
  ['an unknown payload', `<x xmlns='urn:example:x'/>`, 'chat', true],
  ['a reaction', `<reactions xmlns='urn:xmpp:reactions:0' id='m0'/>`, 'chat', true],
];
for (const [what, inner, type, kept] of cases) {
  t.test(`${what} is delivered, and ${kept ? 'archived on both sides' : 'not archived'}`, async (t) => {
    const id = nextId('payload');
    romeo.send(message(id, inner, type));
    await juliet.expect((el) => el.name === 'message' && el.attrs['id'] === id);
    await node.settle(romeo);
    t.strictSame([await archived(juliet, id), await archived(romeo, id)], [kept, kept]);
  });
}

t.test('who is away gets afterwards what is kept for delivery, and nothing that was of a moment', async (t) => {
  await juliet.close();
  romeo.send(
    message('aw1', `<body>kept</body>`),
    message('aw2', `<composing xmlns='${STATES}'/>`),
    message('aw3', `<body>x</body><no-store xmlns='${HINTS}'/>`),
    message('aw4', `<body>waits</body><no-permanent-store xmlns='${HINTS}'/>`),
    message('aw5', `<received xmlns='urn:xmpp:receipts' id='m0'/>`),
    message('aw6', '<body>x</body>', 'headline'),
  );
  await node.settle(romeo);
  t.equal(romeo.pending('<error').length, 0, 'and nothing bounced');
  const back = await node.online('juliet', 'balcony');
  await node.settle(back);
  t.strictSame(
    back.pending((el) => el.name === 'message').map(({ el }) => el.attrs['id']),
    ['aw1', 'aw4', 'aw5'],
  );
});
