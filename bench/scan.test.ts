import t from 'tap';
import { attr, element, escapeXml, tagName, text, texts } from './scan.ts';

t.test('the name of the first tag is found without its prefix', async (t) => {
  for (const [xml, name] of [
    ["<message to='a'/>", 'message'],
    ['<stream:features xmlns:stream="x"/>', 'features'],
    ['<a/>', 'a'],
    ['no tag', ''],
  ] as const) {
    t.equal(tagName(xml), name, xml);
  }
});

t.test('an attribute of the first tag is read in either quote, and never one of an inner tag', async (t) => {
  for (const [xml, name, value] of [
    [`<iq id="x1" type='result'/>`, 'id', 'x1'],
    [`<iq id="x1" type='result'/>`, 'type', 'result'],
    [`<iq stanza-id='no' id='yes'/>`, 'id', 'yes'],
    [`<iq type='result'><query id='inner'/></iq>`, 'id', undefined],
    [`<a h='5' xmlns='urn:xmpp:sm:3'/>`, 'h', '5'],
    [`<iq from='a&amp;b&#33;'/>`, 'from', 'a&b!'],
    [`<iq from='id' id='z'/>`, 'id', 'z'],
    ['<iq', 'id', undefined],
  ] as const) {
    t.equal(attr(xml, name), value, xml);
  }
});

t.test('elements and their texts are found by local name', async (t) => {
  const set = '<fin><set xmlns="r"><first index="0">a1</first><rsm:last>b&lt;2</rsm:last><count/></set></fin>';
  t.equal(text(set, 'first'), 'a1');
  t.equal(text(set, 'last'), 'b<2');
  t.equal(text(set, 'count'), '');
  t.equal(text(set, 'max'), undefined);
  t.equal(element(set, 'count'), '<count/>');
  t.strictSame(texts('<m><mechanism>PLAIN</mechanism><mechanism>X</mechanism></m>', 'mechanism'), ['PLAIN', 'X']);
});

t.test('escaped text comes back through an attribute', async (t) => {
  t.equal(attr(`<a x='${escapeXml(`<&'">`)}'/>`, 'x'), `<&'">`);
});
