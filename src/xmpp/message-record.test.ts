import t from 'tap';
import { parse } from './extensions.fixture.ts';
import { type MessageRecord, renderMessage } from './message-record.ts';
import { delayElement } from './xep0203-delay.ts';

const record: MessageRecord = {
  v: 1,
  from: 'romeo@montague.lit/orchard',
  to: 'juliet@capulet.lit',
  type: 'chat',
  id: 'm1',
  oid: 'o1',
  ts: Date.UTC(2002, 8, 10, 23, 8, 25),
  lang: 'en',
  inner: `<body>O blessed, blessed night!</body><origin-id xmlns='urn:xmpp:sid:0' id='o1'/>`,
};

t.test('a record is spliced as it is', async (t) => {
  t.equal(
    renderMessage(record),
    `<message xmlns='jabber:client' from='romeo@montague.lit/orchard' to='juliet@capulet.lit' type='chat' id='m1' ` +
      `xml:lang='en'>${record.inner}</message>`,
  );
  const { id, lang, ...rest } = record;
  const plain = renderMessage(
    { ...rest, id: undefined, type: 'normal', inner: '' },
    { to: 'juliet@capulet.lit/balcony' },
  );
  t.equal(
    plain,
    `<message xmlns='jabber:client' from='romeo@montague.lit/orchard' to='juliet@capulet.lit/balcony'></message>`,
  );
  t.ok(id && lang);
});

t.test('the receiver gets its stanza-id, and the delay of what waited', async (t) => {
  const xml = renderMessage(record, {
    stanzaId: { by: 'juliet@capulet.lit', id: '7' },
    delay: { from: 'capulet.lit' },
  });
  t.ok(
    xml.endsWith(
      `<stanza-id xmlns='urn:xmpp:sid:0' by='juliet@capulet.lit' id='7'/>` +
        `<delay xmlns='urn:xmpp:delay' from='capulet.lit' stamp='2002-09-10T23:08:25.000Z'/></message>`,
    ),
  );
});

t.test('what a client chose for an id or a resource cannot leave its attribute', async (t) => {
  const xml = renderMessage({ ...record, id: `'/><x a="`, from: `romeo@montague.lit/'"<&>` });
  t.equal(parse(xml).attrs['id'], `'/><x a="`);
  t.equal(parse(xml).attrs['from'], `romeo@montague.lit/'"<&>`);
});

t.test('a delay says who, when and why', async (t) => {
  t.equal(delayElement(0), `<delay xmlns='urn:xmpp:delay' stamp='1970-01-01T00:00:00.000Z'/>`);
  t.equal(
    delayElement(0, 'capulet.com', 'Offline <storage>'),
    `<delay xmlns='urn:xmpp:delay' from='capulet.com' stamp='1970-01-01T00:00:00.000Z'>Offline &lt;storage&gt;</delay>`,
  );
});
