import t from 'tap';
import { ERROR_TYPES, errorInner, errorReply, readError } from './stanza-error.ts';
import { parseFrame } from './xml.ts';

const NS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

t.test('every condition makes a well-formed error of its own type, which is read back', async (t) => {
  for (const [condition, type] of Object.entries(ERROR_TYPES)) {
    const { el } = parseFrame(`<iq xmlns='jabber:client' type='error'>${errorInner(condition as 'gone')}</iq>`);
    t.same(readError(el), { condition, type });
  }
  t.equal(Object.keys(ERROR_TYPES).length, 22);
});

t.test('details are escaped and in the order of RFC 6120 8.3.2', async (t) => {
  const details = { type: 'cancel', text: 'a < b', by: 'x&y', appCondition: '<z xmlns="urn:z"/>' } as const;
  t.equal(
    errorInner('resource-constraint', details),
    `<error type="cancel" by="x&amp;y"><resource-constraint xmlns="${NS}"/>` +
      `<text xmlns="${NS}" xml:lang="en">a &lt; b</text><z xmlns="urn:z"/></error>`,
  );
  t.match(errorInner('gone', { uri: 'xmpp:a@b?x&y' }), '>xmpp:a@b?x&amp;y</gone>');
});

t.test('an error reply swaps the addresses and keeps the id', async (t) => {
  const { el, inner } = parseFrame(
    "<iq xmlns='jabber:client' from='a@x/r' to='b@x' id='7' type='get'><q xmlns='urn:q'/></iq>",
  );
  t.equal(
    errorReply(el, 'item-not-found'),
    `<iq xmlns="jabber:client" from="b@x" to="a@x/r" id="7" type="error">${errorInner('item-not-found')}</iq>`,
  );
  const echoed = parseFrame(errorReply(el, 'forbidden', { from: 'x', to: 'c@x', echo: inner }) ?? '').el;
  t.same({ ...echoed.attrs }, { xmlns: 'jabber:client', from: 'x', to: 'c@x', id: '7', type: 'error' });
  t.same(
    echoed.getChildElements().map((child) => child.name),
    ['q', 'error'],
  );
});

t.test('a stanza without addresses and id gets a reply without', async (t) => {
  const { el } = parseFrame("<message xmlns='jabber:client'/>");
  t.equal(
    errorReply(el, 'conflict'),
    `<message xmlns="jabber:client" type="error">${errorInner('conflict')}</message>`,
  );
});

t.test('errors, iq results and what is no stanza get no error', async (t) => {
  const silent = [
    "<message type='error'/>",
    "<presence type='error'/>",
    "<iq type='error'/>",
    "<iq type='result'/>",
    '<r/>',
  ];
  for (const xml of silent) t.equal(errorReply(parseFrame(xml).el, 'bad-request'), undefined, xml);
});

t.test('an error without a known condition reads as none', async (t) => {
  for (const xml of ['<iq/>', '<iq><error/></iq>', `<iq><error><odd xmlns='${NS}'/></error></iq>`]) {
    t.equal(readError(parseFrame(xml).el), undefined);
  }
});
