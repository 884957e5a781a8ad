import fc from 'fast-check';
import type { Element } from 'ltx';
import { SaxesParser } from 'saxes';
import t from 'tap';
import { FRAME_LIMITS, FrameError, parseFrame } from './xml.ts';

/** name, namespace, attributes and children, for comparing trees of two parsers */
type Tree = [name: string, ns: string, attrs: Record<string, string>, children: (Tree | string)[]];

function ours(el: Element): Tree {
  const children = el.children.map((child) => (typeof child === 'string' ? child : ours(child)));
  return [el.name, el.getNS() ?? '', { ...el.attrs } as Record<string, string>, children];
}

/** The tree saxes sees. It throws at the first fault, namespace faults included. */
function theirs(xml: string): Tree {
  const parser = new SaxesParser({ xmlns: true });
  const open: Tree[] = [];
  let root: Tree | undefined;
  const addText = (text: string) => {
    const children = open.at(-1)?.[3];
    if (children === undefined || text === '') return;
    const last = children.at(-1);
    if (typeof last === 'string') children[children.length - 1] = last + text;
    else children.push(text);
  };
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.on('opentag', (tag) => {
    const attrs = Object.fromEntries(Object.entries(tag.attributes).map(([name, { value }]) => [name, value]));
    const tree: Tree = [tag.name, tag.uri, attrs, []];
    open.at(-1)?.[3].push(tree);
    open.push(tree);
    root ??= tree;
  });
  parser.on('closetag', () => open.pop());
  parser.write(xml).close();
  if (root === undefined) throw new Error('no root');
  return root;
}

const wrap = (inner: string) => `<message xmlns='jabber:client'>${inner}</message>`;

function conditionOf(xml: string, limits = FRAME_LIMITS): string {
  try {
    parseFrame(xml, limits);
    return 'accepted';
  } catch (error) {
    if (error instanceof FrameError) return error.condition;
    throw error;
  }
}

t.test('what is accepted has the tree that saxes sees, and an inner part that stands alone', async (t) => {
  const table: [xml: string, inner: string][] = [
    ['<a/>', ''],
    [' \r\n\t<a></a> \n', ''],
    ["<a b='1' c = \"2\"\n d='>'/>", ''],
    ["<message xmlns='jabber:client'><body>x</body></message>", '<body>x</body>'],
    ['<a>x > y ] ]] "\'</a>', 'x > y ] ]] "\''],
    ['<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x1F600;&#0000065;</a>', '&lt;&gt;&amp;&quot;&apos;&#65;&#x1F600;&#0000065;'],
    ["<a b='&lt;&#10;&#9;x\ty\r\nz\rw'/>", ''],
    ['<a>one\r\ntwo\rthree&#13;</a>', 'one\r\ntwo\rthree&#13;'],
    ['<a>x<![CDATA[<b>&amp;\r\n]] >]]>y<![CDATA[]]></a>', 'x<![CDATA[<b>&amp;\r\n]] >]]>y<![CDATA[]]>'],
    ["<a><b xmlns='urn:b'><c/></b><c/></a>", "<b xmlns='urn:b'><c/></b><c/>"],
    ["<a xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:lang='en'/>", ''],
    ["<a p:b='1' b='2' xmlns:p='urn:p'/>", ''],
    ["<a xmlns='urn:a' xmlns:p='urn:a' p:b='1' b='2'/>", ''],
    ["<a __proto__='1' constructor='2' toString='3'/>", ''],
    ['<\u00e9t\u00e9/>', ''],
    ['<a>\u{1f600}\u{1fffe}\u0085\u007f\ufffd</a>', '\u{1f600}\u{1fffe}\u0085\u007f\ufffd'],
    ['<a ></a >', ''],
    // prefixes of the root that are used inside are declared again, once for each child that needs them
    [
      "<a xmlns:p='urn:p'><p:b><p:c/></p:b><d p:e='1'/><f/></a>",
      '<p:b xmlns:p="urn:p"><p:c/></p:b><d xmlns:p="urn:p" p:e=\'1\'/><f/>',
    ],
    ["<a xmlns:p='urn:p?a&amp;b&apos;'><p:b/></a>", '<p:b xmlns:p="urn:p?a&amp;b\'"/>'],
    ["<a xmlns:p='urn:p'><b><p:c/></b></a>", '<b xmlns:p="urn:p"><p:c/></b>'],
    ["<a xmlns:p='urn:p'><p:b xmlns:p='urn:q'/></a>", "<p:b xmlns:p='urn:q'/>"],
    ["<a xmlns:p='urn:p' p:x='1'><b/></a>", '<b/>'],
    [
      "<c:message xmlns:c='jabber:client'><c:body/><x/></c:message>",
      '<c:body xmlns:c="jabber:client" xmlns=""/><x xmlns=""/>',
    ],
    ["<c:message xmlns:c='jabber:client' xmlns='urn:d'><x><y/></x></c:message>", '<x xmlns="urn:d"><y/></x>'],
    ["<c:message xmlns:c='jabber:client' xmlns='jabber:client'><x/></c:message>", '<x/>'],
  ];
  for (const [xml, inner] of table) {
    const frame = parseFrame(xml);
    t.same(ours(frame.el), theirs(xml), JSON.stringify(xml));
    t.equal(frame.inner, inner);
    theirs(wrap(inner));
  }
});

t.test('under a root in jabber:client, the inner part has the same tree when spliced', async (t) => {
  const strip = (tree: Tree | string): unknown =>
    typeof tree === 'string' ? tree : [tree[0], tree[1], tree[3].map(strip)];
  for (const xml of [
    "<c:message xmlns:c='jabber:client'><c:body>x</c:body><x/><c:y><z c:a='1'/></c:y></c:message>",
    "<message xmlns='jabber:client' xmlns:p='urn:p'><p:x><p:y/></p:x><body/></message>",
    "<message xmlns='jabber:client' xmlns:p='urn:p' xmlns:q='urn:q'><x p:a='1' q:a='2'/></message>",
  ]) {
    const { el, inner } = parseFrame(xml);
    t.same(theirs(wrap(inner))[3].map(strip), ours(el)[3].map(strip), xml);
  }
});

t.test('what a conforming parser refuses, or RFC 6120 11.1 forbids, is refused with its condition', async (t) => {
  const malformed = [
    '',
    ' ',
    'x',
    '<',
    '<a',
    '<a>',
    '<a/',
    '<a/ >',
    '</a>',
    '<a></b>',
    '<a></a',
    '<a></aa>',
    '<a><b></a></b>',
    '<a/><b/>',
    '<a/>x',
    'x<a/>',
    '\ufeff<a/>',
    '<a/></a>',
    '< a/>',
    '<a></ a>',
    '<1/>',
    '<-a/>',
    '<a b/>',
    '<a b=c/>',
    "<a b='c/>",
    "<a b='c'c='d'/>",
    "<a b='c' b='d'/>",
    "<a b='<'/>",
    "<a b='&'/>",
    '<a>&</a>',
    '<a>&;</a>',
    '<a>&lt</a>',
    '<a>& lt;</a>',
    '<a>&#;</a>',
    '<a>&#x;</a>',
    '<a>&#xg;</a>',
    '<a>&#X41;</a>',
    '<a>&#0;</a>',
    '<a>&#xD800;</a>',
    '<a>&#xFFFF;</a>',
    '<a>&#x110000;</a>',
    '<a>&#99999999999999999999;</a>',
    '<a>]]></a>',
    '<a>\u0000</a>',
    '<a>\u001f</a>',
    '<a>\ufffe</a>',
    '<a>\ud800</a>',
    '<a>\udc00\ud800</a>',
    "<a b='\u0001'/>",
    '<a><![CDATA[x</a>',
    '<a><![CDATA[\u0001]]></a>',
    '<![CDATA[x]]>',
    '<a><![cdata[x]]></a>',
    '<a><!x></a>',
    '<p:a/>',
    "<a p:b='1'/>",
    '<:a/>',
    "<a: xmlns:a='x'/>",
    "<a:b:c xmlns:a='x'/>",
    "<a xmlns:p=''/>",
    "<a xmlns:xmlns='x'/>",
    "<a xmlns:xml='x'/>",
    "<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
    "<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
    "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
    '<xmlns:a/>',
    "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
    "<a xmlns:p='u' xmlns:p='v'/>",
    "<a><b xmlns:p='u'/><p:c/></a>",
    "<a xmlns:1='u'/>",
    "<p:1 xmlns:p='u'/>",
    "<a xmlns:='u'/>",
    "<a xmlns='a b'/>",
    "<a xmlns:p='a&#10;b'/>",
    '<\u2c00/>',
    '<\u{10000}/>',
    '<a\u00d7/>',
    '<a\u0000/>',
    "<a\u00a0b='1'/>",
  ];
  for (const xml of malformed)
    t.equal(conditionOf(xml), 'not-well-formed', JSON.stringify(xml).replace(/[^ -~]/g, '?'));
  const restricted = [
    '<a><!-- x --></a>',
    '<!-- x --><a/>',
    '<a/><!-- x -->',
    '<a/><?x?>',
    '<a><?x y?></a>',
    '<?x?><a/>',
    '<!DOCTYPE a><a/>',
    '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    '<a>&b;</a>',
    "<a b='&nbsp;'/>",
    "<?xml version='1.0'?><a/>",
    "<?xml version='1.0' encoding='UTF-8'?><a/>",
    '<a><!ENTITY b "c"></a>',
  ];
  for (const xml of restricted) t.equal(conditionOf(xml), 'restricted-xml', xml);
  t.equal(conditionOf("<?xml version='1.0' encoding='latin1'?><a/>"), 'unsupported-encoding');
});

t.test('each limit holds at its figure and is refused one above', async (t) => {
  const nest = (n: number) => '<a>'.repeat(n) + '</a>'.repeat(n);
  const attrs = (n: number) => `<a ${Array.from({ length: n }, (_, i) => `a${i}=''`).join(' ')}/>`;
  const prefixes = (n: number) => `<a ${Array.from({ length: n }, (_, i) => `xmlns:p${i}='u'`).join(' ')}/>`;
  const many = (n: number) => `<a>${'<b/>'.repeat(n - 1)}</a>`;
  const name = (n: number) => `<${'n'.repeat(n)}/>`;
  const few = { ...FRAME_LIMITS, prefixesMax: 8 };
  t.equal(conditionOf(nest(32)), 'accepted');
  t.equal(conditionOf(nest(33)), 'policy-violation');
  t.equal(conditionOf(attrs(64)), 'accepted');
  t.equal(conditionOf(attrs(65)), 'policy-violation');
  t.equal(conditionOf(attrs(10_000)), 'policy-violation');
  t.equal(conditionOf(many(10_000)), 'accepted');
  t.equal(conditionOf(many(10_001)), 'policy-violation');
  t.equal(conditionOf(name(256)), 'accepted');
  t.equal(conditionOf(name(257)), 'policy-violation');
  t.equal(conditionOf(prefixes(8), few), 'accepted');
  t.equal(conditionOf(prefixes(9), few), 'policy-violation');
  t.equal(conditionOf(`<a>${prefixes(8).repeat(3)}</a>`, few), 'accepted');
  const inherited = `<a xmlns:p='u'>${attrs(64).replace('/>', '><p:b/></a>')}</a>`;
  t.equal(conditionOf(inherited), 'policy-violation');
  t.equal(conditionOf('<a>'.repeat(100_000)), 'policy-violation');
});

/** Well-formed documents: prefixes are declared where they are used or on the root. */
const NAME = fc.constantFrom('a', 'body', 'x-1', '_y', 'p:a', 'q:b', '\u00e9t\u00e9', 'message');
const TEXT = fc
  .array(
    fc.constantFrom(
      't',
      ' ',
      '\n',
      '\r',
      '\t',
      ']',
      '>',
      '&amp;',
      '&#65;',
      '&#xe9;',
      '\u00e9',
      '\u{1f600}',
      '<![CDATA[<&]]>',
    ),
    { maxLength: 6 },
  )
  .map((pieces) => pieces.join(''));
const VALUE = TEXT.map((text) => text.replaceAll('<![CDATA[<&]]>', ''));
const ATTRS = fc
  .uniqueArray(fc.tuple(fc.constantFrom('to', 'id', 'p:to', 'q:id', 'xml:lang'), VALUE), {
    selector: ([name]) => name,
    maxLength: 4,
  })
  .map((pairs) => pairs.map(([name, value]) => ` ${name}="${value}"`).join(''));
const XMLNS = fc.constantFrom(
  '',
  '',
  ' xmlns="urn:x"',
  ' xmlns=""',
  ' xmlns:p="urn:p2"',
  ' xmlns:q="urn:q2" xmlns="jabber:client"',
);
const { tree: XML } = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc
    .tuple(
      NAME,
      XMLNS,
      ATTRS,
      fc.array(fc.oneof({ depthSize: 'small', withCrossShrink: true }, TEXT, tie('tree')), { maxLength: 4 }),
    )
    .map(
      ([name, xmlns, attrs, inner]) =>
        `<${name}${xmlns}${attrs}>${inner.join('').replaceAll(']]>', ']] >').replaceAll('<&]] >', '<&]]>')}</${name}>`,
    ),
}));
const DOC = fc
  .tuple(
    fc.constantFrom('message', 'c:message', 'p:iq'),
    fc.constantFrom('jabber:client', 'urn:o', ''),
    ATTRS,
    fc.array(XML, { maxLength: 4 }),
  )
  .map(([name, ns, attrs, inner]) => {
    const bound = ` xmlns:c="jabber:client" xmlns:p="urn:p" xmlns:q="urn:q"`;
    return `<${name} xmlns="${ns}"${bound}${attrs}>${inner.join('')}</${name}>`;
  });

t.test('generated documents have the same tree for both parsers, and inner parts that stand alone', async (t) => {
  const strip = (tree: Tree | string): unknown =>
    typeof tree === 'string' ? tree : [tree[0], tree[1], tree[3].map(strip)];
  fc.assert(
    fc.property(DOC, (xml) => {
      const { el, inner } = parseFrame(xml);
      const spliced = theirs(wrap(inner));
      if (JSON.stringify(ours(el)) !== JSON.stringify(theirs(xml))) return false;
      if (el.getNS() !== 'jabber:client') return true;
      return JSON.stringify(spliced[3].map(strip)) === JSON.stringify(ours(el)[3].map(strip));
    }),
    { numRuns: 3_000, seed: 7395 },
  );
  t.pass('3,000 documents');
});

t.test('whatever is accepted of damaged documents, saxes accepts too, spliced as well', async (t) => {
  const crumb = fc.constantFrom(
    '<',
    '>',
    '/',
    '&',
    ';',
    "'",
    '"',
    '=',
    ' ',
    ':',
    'x',
    ']]>',
    '<!',
    '<?',
    '\u0000',
    '\ud800',
    '\u00d7',
    'xmlns',
  );
  const edit = fc.tuple(fc.nat(), fc.nat(6), fc.option(crumb, { nil: '' }));
  let accepted = 0;
  fc.assert(
    fc.property(DOC, fc.array(edit, { minLength: 1, maxLength: 3 }), (doc, edits) => {
      let xml = doc;
      for (const [at, cut, put] of edits) {
        const from = at % (xml.length + 1);
        xml = xml.slice(0, from) + put + xml.slice(from + cut);
      }
      if (conditionOf(xml) !== 'accepted') return;
      accepted += 1;
      const { el, inner } = parseFrame(xml);
      theirs(wrap(inner));
      if (JSON.stringify(ours(el)) !== JSON.stringify(theirs(xml))) throw new Error('trees differ');
    }),
    { numRuns: 10_000, seed: 6120 },
  );
  t.ok(accepted > 100, `${accepted} of 10,000 accepted`);
});
