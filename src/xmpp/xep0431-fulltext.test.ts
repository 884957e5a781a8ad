import t from 'tap';
import { FakeUser, JULIET, parse, ROMEO } from './extensions.fixture.ts';
import {
  FULLTEXT_FIELD,
  fulltextWords,
  fulltextWordsOf,
  matchesFulltext,
  NS_FULLTEXT,
  parseFulltext,
} from './xep0431-fulltext.ts';

t.test('what is looked for: words, and phrases between quotes or without spaces', async (t) => {
  const table: [text: string, phrases: string[][]][] = [
    ['wherefore art', [['wherefore'], ['art']]],
    ['"Wherefore  art" Romeo', [['wherefore', 'art'], ['romeo']]],
    ['“o Romeo” „Romeo“', [['o', 'romeo'], ['romeo']]],
    ["don't", [['don', 't']]],
    ['mail@montague.lit', [['mail', 'montague', 'lit']]],
    ['"not closed', [['not'], ['closed']]],
    ['a "" b', [['a'], ['b']]],
    ['我们明天', [['我们', '明天']]],
    ['- Café! -', [['cafe']]],
  ];
  for (const [text, phrases] of table) t.match(parseFulltext(text), { phrases }, text);
  t.match(parseFulltext('a b A'), { hashes: { length: 2 } }, 'each word once');
});

t.test('what cannot be looked for', async (t) => {
  const table: [text: string, why: RegExp][] = [
    ['?!', /no word/],
    ['"', /no word/],
    ['a '.repeat(600), /1024 characters/],
    ['a '.repeat(40), /32 words/],
  ];
  for (const [text, why] of table) t.match(parseFulltext(text), why);
});

const words = (inner: string): number => fulltextWords(parse(`<message>${inner}</message>`), 100).length / 4;

t.test('which words of a message count', async (t) => {
  const table: [what: string, inner: string, count: number][] = [
    ['its body', '<body>O Romeo, Romeo!</body>', 3],
    ['bodies of all languages', `<body>yes</body><body xml:lang='fr'>oui</body>`, 2],
    ['none without a body', `<active xmlns='http://jabber.org/protocol/chatstates'/>`, 0],
    ['none of an empty one', '<body/>', 0],
    ['no other element', `<subject>one</subject><x xmlns='urn:x'><body>two</body></x>`, 0],
    ['nor a body of something else', `<body xmlns='http://www.w3.org/1999/xhtml'>one</body>`, 0],
    ['OMEMO', `<body>cannot be read</body><encrypted xmlns='eu.siacs.conversations.axolotl'/>`, 0],
    ['OMEMO 2', `<encrypted xmlns='urn:xmpp:omemo:2'/><body>cannot be read</body>`, 0],
    ['encrypted in any way', `<body>no</body><encryption xmlns='urn:xmpp:eme:0' namespace='urn:x'/>`, 0],
    ['a fallback', `<body>reacted</body><fallback xmlns='urn:xmpp:fallback:0' for='urn:x'/>`, 0],
    ['a fallback of the body', `<body>no</body><fallback xmlns='urn:xmpp:fallback:0'><body/></fallback>`, 0],
    ['of a part', `<body>one</body><fallback xmlns='urn:xmpp:fallback:0'><body start='0' end='1'/></fallback>`, 1],
    ['of the subject', `<body>one</body><fallback xmlns='urn:xmpp:fallback:0'><subject/></fallback>`, 1],
  ];
  for (const [what, inner, count] of table) t.equal(words(inner), count, what);
  t.equal(fulltextWords(parse('<message><body>a b c</body></message>'), 1).length, 8, 'the first so many');
  t.equal(fulltextWordsOf({ inner: '<body>a b</body>' }, 9).length, 8, 'of a logged one');
  t.equal(fulltextWordsOf({ inner: '<active/>' }, 9), '');
});

t.test('a message is found by all words, phrases as they stand', async (t) => {
  const inner = `<body>O Romeo, Romeo! wherefore art thou &amp; Rōmeo?</body><body xml:lang='it'>O Romeo, perché sei tu</body>`;
  const table: [text: string, found: boolean][] = [
    ['romeo', true],
    ['THOU wherefore', true],
    ['"romeo romeo wherefore"', true],
    ['"romeo wherefore"', true],
    ['"wherefore romeo"', false],
    ['"art thou romeo"', true],
    ['perche thou', true],
    ['"romeo perche"', true],
    ['"romeo o"', false],
    ['amp', false],
    ['Juliet romeo', false],
    ['wherefor', false],
  ];
  for (const [text, found] of table) {
    const looked = parseFulltext(text);
    if (typeof looked === 'string') throw new Error(looked);
    t.equal(matchesFulltext(looked, { inner }), found, text);
  }
});

const field = (name: string, value: string): string => `<field var='${name}'><value>${value}</value></field>`;

/** Bodies found, newest first as clients ask, or the condition. */
function search(user: FakeUser, text: string, more = ''): string {
  const form = field('FORM_TYPE', 'urn:xmpp:mam:2') + field(FULLTEXT_FIELD, text) + more;
  const x = `<x xmlns='jabber:x:data' type='submit'>${form}</x>`;
  const set = `<set xmlns='http://jabber.org/protocol/rsm'><before/><max>10</max></set>`;
  user.out.length = 0;
  const { outcome, body } = user.ask(`<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'>${x}${set}</query></iq>`);
  if (outcome !== 'result') return body;
  return user.out.map((xml) => /<body>(.*?)<\/body>/.exec(xml)?.[1]).join('|');
}

t.test('the field in an archive query', async (t) => {
  const user = new FakeUser();
  const add = (from: string, body: string, hidden = false): void =>
    user.archive.add({ from: `${from}/x`, to: ROMEO, ts: user.now, body, hidden });
  add(JULIET, 'Ay me');
  add('nurse@capulet.lit', 'Ay, Madam');
  add(JULIET, 'Ay, hidden', true);
  add(JULIET, 'O Romeo');
  t.equal(search(user, 'ay'), 'Ay me|Ay, Madam');
  t.equal(search(user, 'AY', field('with', JULIET)), 'Ay me');
  t.equal(search(user, 'salmon'), '');
  t.equal(search(user, ''), 'Ay me|Ay, Madam|O Romeo', 'left blank it is no search');
  t.equal(search(user, '?'), 'bad-request');
  t.equal(search(user, 'ay', field(FULLTEXT_FIELD, 'me')), 'bad-request', 'doubled');
  t.equal(search(user, 'ay', field('ids', '1')), 'bad-request');
  t.equal(search(user, 'ay', field('with', '@')), 'jid-malformed');
  t.equal(search(user, 'ay', field('before-id', '99')), 'item-not-found');
  t.ok(user.protocol.catalogue.account.features.includes(NS_FULLTEXT));
});

t.test('a chat out of reach is said', async (t) => {
  const user = new FakeUser();
  const { archive } = user;
  const away = new FakeUser({
    archive: {
      reader: () => archive,
      chatIdOf: (_user, jid) => jid,
      conversationOf: (_session, jid) => jid,
      fulltext: () => ({
        last: () => archive.last(),
        read: (range) => archive.read(range),
        first: 2,
        shows: () => true,
        spans: () => 0,
        rows: () => new Map(),
      }),
      inbox: () => user.inbox,
      whenCommitted: (session, run) => run(session),
      load: (session, _entries, done) => done(session, undefined),
    },
  });
  archive.add({ from: `${JULIET}/x`, to: ROMEO, ts: 1, body: 'one' });
  t.equal(search(away, 'one'), 'resource-constraint');
});
