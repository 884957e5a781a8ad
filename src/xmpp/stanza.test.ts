import t from 'tap';
import {
  childElements,
  childInNs,
  childOf,
  childText,
  element,
  escapeAttr,
  escapeText,
  firstChild,
  langOf,
  openTag,
  splice,
  stanza,
  withTo,
  xmlOf,
} from './stanza.ts';
import { parseFrame } from './xml.ts';

t.test('escaped text and values come back as they were from the parser', async (t) => {
  const hard = `a<b>&"c" 'd' ]]> \t\n\r\r\n \u00e9 \u{1f600} &amp; <![CDATA[`;
  const { el } = parseFrame(`<a v="${escapeAttr(hard)}" w='${escapeAttr(hard)}'>${escapeText(hard)}</a>`);
  t.equal(el.attrs['v'], hard);
  t.equal(el.attrs['w'], hard);
  t.equal(el.getText(), hard);
  t.equal(escapeText('plain'), 'plain');
});

t.test('what XML cannot carry becomes U+FFFD', async (t) => {
  t.equal(escapeText('a\u0000b\ud800c\uffff'), 'a\ufffdb\ufffdc\ufffd');
  t.equal(escapeAttr('a\u0000b\udc00c\ufffe'), 'a\ufffdb\ufffdc\ufffd');
  t.equal(escapeText('\u{1f600}'), '\u{1f600}');
});

t.test('tags leave undefined attributes out', async (t) => {
  t.equal(openTag('a', { b: 'c', d: undefined }), '<a b="c">');
  t.equal(element('a', { b: '"' }), '<a b="&quot;"/>');
  t.equal(element('a', {}, '<b/>'), '<a><b/></a>');
  t.equal(stanza('iq', { id: '1', type: 'result' }), '<iq xmlns="jabber:client" id="1" type="result"/>');
});

t.test('a spliced stanza keeps id, type, language and its inner XML to the letter', async (t) => {
  const inner = "<body>a &amp; b</body><x xmlns='urn:x'  y = '1'/>";
  const xml = `<message xmlns='jabber:client' id='i' type='chat' xml:lang='de' to='b@x' evil='1'>${inner}</message>`;
  const { el, inner: raw } = parseFrame(xml);
  t.equal(
    splice(el, raw, 'a@x/r', 'b@x'),
    `<message xmlns="jabber:client" from="a@x/r" to="b@x" id="i" type="chat" xml:lang="de">${inner}</message>`,
  );
  t.match(splice(el, raw, 'a@x/r', undefined, { id: 'other' }), / from="a@x\/r" id="other" type="chat" xml:lang="de">/);
});

t.test('one serialised stanza is addressed to many', async (t) => {
  const xml = stanza('presence', { from: 'a@x/r' }, '<show>away</show>');
  const { el } = parseFrame(withTo(xml, "b'@x"));
  t.same({ ...el.attrs }, { xmlns: 'jabber:client', to: "b'@x", from: 'a@x/r' });
});

t.test('children are found by name and namespace, prefixed or not', async (t) => {
  const { el } = parseFrame(
    "<message xmlns='jabber:client' xml:lang='en'>x<body>hi</body><p:y xmlns:p='urn:y'/><body xmlns=''>no</body></message>",
  );
  t.equal(childText(el, 'body', 'jabber:client'), 'hi');
  t.equal(childText(el, 'subject', 'jabber:client'), undefined);
  t.equal(childOf(el, 'y', 'urn:y')?.name, 'p:y');
  t.equal(childInNs(el, 'urn:y')?.name, 'p:y');
  t.equal(childInNs(el, 'urn:z'), undefined);
  t.equal(firstChild(el)?.name, 'body');
  t.equal(childElements(el).length, 3);
  t.equal(langOf(firstChild(el)!), 'en');
});

t.test('an element written alone keeps the namespaces it had', async (t) => {
  const table: [frame: string, alone: string][] = [
    [
      "<iq xmlns='jabber:client'><q xmlns='urn:q'><i a='1'>t&lt;</i></q></iq>",
      '<q xmlns="urn:q"><i a="1">t&lt;</i></q>',
    ],
    ["<iq xmlns='jabber:client' xmlns:p='urn:p'><p:q p:a='1'/></iq>", '<p:q p:a="1" xmlns:p="urn:p"/>'],
    ["<iq xmlns='jabber:client'><q xmlns=''><i/></q></iq>", '<q xmlns=""><i/></q>'],
    ["<a xmlns='urn:a'><q><i/></q></a>", '<q xmlns="urn:a"><i/></q>'],
    ["<a xmlns='urn:a' xmlns:p='urn:p'><p:q><i/></p:q></a>", '<p:q xmlns:p="urn:p"><i xmlns="urn:a"/></p:q>'],
    ["<iq xmlns='jabber:client'><q/></iq>", '<q/>'],
  ];
  for (const [frame, alone] of table) t.equal(xmlOf(firstChild(parseFrame(frame).el)!), alone);
});
