import t from 'tap';
import { originId, stripStanzaIds } from './xep0359-stanza-ids.ts';
import { parseFrame } from './xml.ts';

const DOMAIN = 'capulet.lit';
const sid = (by: string, id = 'x') => `<stanza-id xmlns='urn:xmpp:sid:0' by='${by}' id='${id}'/>`;

function strip(inner: string): string {
  const { el, inner: raw } = parseFrame(`<message xmlns='jabber:client' to='juliet@capulet.lit'>${inner}</message>`);
  return stripStanzaIds(el, raw, DOMAIN);
}

t.test('an id that claims to be of this server is taken out, the rest stays byte for byte', async (t) => {
  const body = `<body>a &lt; b  &#38; c</body>`;
  const other = `<x xmlns='urn:x' a="1>2" b='/x>'><y><z/></y> t </x>`;
  const cdata = `<body><![CDATA[<stanza-id xmlns='urn:xmpp:sid:0' by='capulet.lit'/> ]] > ]]></body>`;
  const table: [string, string][] = [
    [body, body],
    [body + sid('juliet@capulet.lit'), body],
    [sid('juliet@capulet.lit') + body, body],
    [sid('Juliet@CAPULET.lit') + body, body],
    [sid('capulet.lit') + body, body],
    [sid('nurse@capulet.lit/x') + body, body],
    [sid('romeo@montague.lit') + body, sid('romeo@montague.lit') + body],
    [sid('rooms.capulet.lit') + body, sid('rooms.capulet.lit') + body],
    [`${sid('capulet.lit')} ${other}\n${sid('capulet.lit', '2')}${body}`, ` ${other}\n${body}`],
    [other + sid('capulet.lit') + cdata, other + cdata],
    [`${cdata}<stanza-id by='capulet.lit' xmlns='urn:xmpp:sid:0' id="a'>b"></stanza-id >${body}`, cdata + body],
    [`<s:stanza-id xmlns:s='urn:xmpp:sid:0' by='capulet.lit' id='1'/>${body}`, body],
    [
      `<forwarded xmlns='urn:xmpp:forward:0'>${sid('capulet.lit')}</forwarded>`,
      `<forwarded xmlns='urn:xmpp:forward:0'>${sid('capulet.lit')}</forwarded>`,
    ],
    [`<stanza-id xmlns='urn:other' by='capulet.lit'/>`, `<stanza-id xmlns='urn:other' by='capulet.lit'/>`],
    [sid(''), sid('')],
    ['', ''],
    [sid('capulet.lit'), ''],
  ];
  for (const [inner, expected] of table) t.equal(strip(inner), expected, inner);
});

t.test('the origin-id is the first with an id', async (t) => {
  const read = (inner: string) => originId(parseFrame(`<message xmlns='jabber:client'>${inner}</message>`).el);
  t.equal(read(`<origin-id xmlns='urn:xmpp:sid:0' id='de305d54'/>`), 'de305d54');
  t.equal(read(`<origin-id xmlns='urn:xmpp:sid:0'/>`), undefined);
  t.equal(read(`<origin-id xmlns='urn:xmpp:sid:0' id=''/>`), undefined);
  t.equal(read(`<origin-id xmlns='urn:other' id='a'/>`), undefined);
  t.equal(read('<body>x</body>'), undefined);
});
