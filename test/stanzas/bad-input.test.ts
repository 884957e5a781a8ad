import type { Element } from 'ltx';
import t from 'tap';
import { type Client, conditionOf } from '../harness/client.ts';
import { PASSWORD, startTestNode } from '../harness/node.ts';
import { base64 } from '../harness/sasl.ts';

const node = await startTestNode(t, { limits: { depthMax: 40 } });
const FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing';
const NS = `xmlns='jabber:client'`;

const PHASES: Readonly<Record<string, () => Promise<Client>>> = {
  'before open': () => node.connect(),
  'before login': async () => {
    const client = await node.connect();
    await client.open();
    return client;
  },
  'before bind': () => node.authenticated('romeo'),
  'when bound': () => node.login('romeo'),
};

const nested = (depth: number): string =>
  `<message ${NS} to='juliet@localhost'>${'<x>'.repeat(depth - 1)}${'</x>'.repeat(depth - 1)}</message>`;
const attributes = (count: number): string =>
  `<message ${NS} ${Array.from({ length: count }, (_, i) => `a${i}=''`).join(' ')}/>`;
const LOL = `<!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]><message ${NS}>&b;</message>`;

const FAULTS: readonly [what: string, frame: string | Buffer, condition: string | undefined, code: number][] = [
  ['a stanza over the limit', `<message ${NS}><body>${'x'.repeat(262_144)}</body></message>`, 'policy-violation', 1009],
  ['a stanza far over the limit', `<message ${NS}>${'x'.repeat(600_000)}</message>`, undefined, 1009],
  ['an element that does not end', '<message>', 'not-well-formed', 1007],
  ['tags that do not match', '<a><b></a></b>', 'not-well-formed', 1007],
  ['text', 'hello', 'not-well-formed', 1007],
  ['nothing', '', 'not-well-formed', 1007],
  ['two elements', '<a/><b/>', 'not-well-formed', 1007],
  ['a lone ampersand', '<a>&</a>', 'not-well-formed', 1007],
  ['a doubled attribute', `<a b='1' b='2'/>`, 'not-well-formed', 1007],
  ['an unbound prefix', '<a:b/>', 'not-well-formed', 1007],
  ['a control character', '<a>\u0001</a>', 'not-well-formed', 1007],
  ['a reference to one', '<a>&#1;</a>', 'not-well-formed', 1007],
  ['half a surrogate pair', '<a>&#xd800;</a>', 'not-well-formed', 1007],
  ['a DTD', `<!DOCTYPE a><a/>`, 'restricted-xml', 1007],
  ['entities that multiply', LOL, 'restricted-xml', 1007],
  ['an entity', '<a>&lol;</a>', 'restricted-xml', 1007],
  ['a comment', '<a><!-- x --></a>', 'restricted-xml', 1007],
  ['a processing instruction', '<a><?php x ?></a>', 'restricted-xml', 1007],
  ['another encoding', `<?xml version='1.0' encoding='latin1'?><a/>`, 'unsupported-encoding', 1007],
  ['deep nesting', nested(41), 'policy-violation', 1008],
  ['very deep nesting', nested(10_000), 'policy-violation', 1008],
  ['ten thousand attributes', attributes(10_000), 'policy-violation', 1008],
  ['more elements than allowed', `<a>${'<b/>'.repeat(10_001)}</a>`, 'policy-violation', 1008],
  ['a binary frame', Buffer.from(`<presence ${NS}/>`), 'bad-format', 1003],
];

for (const [phase, begin] of Object.entries(PHASES)) {
  t.test(`${phase}: every fault of framing and XML is answered and ends the stream`, async (t) => {
    for (const [what, frame, condition, code] of FAULTS) {
      const client = await begin();
      if (typeof frame === 'string') client.send(frame);
      else client.ws.send(frame, { binary: true });
      if (condition === undefined) await client.closed;
      else await client.expectStreamError(condition);
      const tooLong = /before (?:open|login)/.test(phase) && frame.length > 16_384;
      t.equal((await client.closed).code, tooLong ? 1009 : code, what);
      if (phase !== 'before open') continue;
      const opens = client.pending('<open').map(({ el }) => el.attrs);
      t.equal(opens.length, condition === undefined ? 0 : 1, 'open goes first');
      for (const open of opens) t.match(open, { from: 'localhost', id: /^.{8,}$/, version: '1.0' }, what);
    }
    const invalid = await begin();
    invalid.ws.send(Buffer.from([0x3c, 0x61, 0x3e, 0xff, 0xfe, 0x3c, 0x2f, 0x61, 0x3e]), { binary: false });
    t.equal((await invalid.closed).code, 1007, 'invalid UTF-8');
  });
}

t.test('every fault of the first frame has its condition', async (t) => {
  const open = (attrs: string, ns = FRAMING): string => `<open xmlns='${ns}' ${attrs}/>`;
  const cases: readonly [what: string, frame: string, condition: string][] = [
    ['a stanza before open', `<message ${NS} to='juliet@localhost'><body>x</body></message>`, 'invalid-namespace'],
    [
      'the stream tag of TCP',
      `<stream:stream xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'/>`,
      'invalid-namespace',
    ],
    ['open in another namespace', open(`to='localhost' version='1.0'`, 'jabber:client'), 'invalid-namespace'],
    ['another element of framing', `<begin xmlns='${FRAMING}'/>`, 'bad-format'],
    ['no version', open(`to='localhost'`), 'unsupported-version'],
    ['an old version', open(`to='localhost' version='0.9'`), 'unsupported-version'],
    ['no to', open(`version='1.0'`), 'improper-addressing'],
    ['another domain', open(`to='example.org' version='1.0'`), 'host-unknown'],
    ['a subdomain', open(`to='chat.localhost' version='1.0'`), 'host-unknown'],
    ['a user as to', open(`to='romeo@localhost' version='1.0'`), 'host-unknown'],
    ['an overlong to', open(`to='${'x'.repeat(2000)}' version='1.0'`), 'host-unknown'],
    ['a from that is none', open(`to='localhost' version='1.0' from='a@b@c'`), 'invalid-from'],
  ];
  for (const [what, frame, condition] of cases) {
    const client = await node.connect();
    client.send(frame);
    await t.resolves(client.expectStreamError(condition), what);
  }
});

t.test('a second open, out of its turn, ends the stream', async (t) => {
  for (const [phase, condition] of [
    ['before login', 'not-authorized'],
    ['when bound', 'bad-format'],
  ] as const) {
    const client = (await PHASES[phase]?.()) as Client;
    client.send(`<open xmlns='${FRAMING}' to='localhost' version='1.0'/>`);
    await t.resolves(client.expectStreamError(condition), phase);
  }
});

t.test('stanzas before login or bind end the stream and reach nobody', async (t) => {
  const juliet = await node.online('juliet', 'balcony');
  const stanzas = [
    `<message ${NS} to='juliet@localhost'><body>early</body></message>`,
    `<presence ${NS} to='juliet@localhost'><status>early</status></presence>`,
    `<iq ${NS} type='get' id='1' to='juliet@localhost'><ping xmlns='urn:xmpp:ping'/></iq>`,
    `<iq ${NS} type='set' id='1'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>`,
    `<iq ${NS} type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='a@localhost'/></query></iq>`,
  ];
  for (const phase of ['before login', 'before bind'] as const) {
    for (const stanza of stanzas) {
      const client = (await PHASES[phase]?.()) as Client;
      client.send(stanza);
      await t.resolves(client.expectStreamError('not-authorized'), `${phase}: ${stanza.slice(0, 60)}`);
    }
  }
  await node.settle(juliet);
  t.equal(juliet.pending('early').length, 0);
  await juliet.close();
});

t.test('what is no stanza ends a bound stream', async (t) => {
  const cases: readonly [what: string, frame: string, condition: RegExp][] = [
    ['an unknown element', `<stanza ${NS}/>`, /unsupported-stanza-type/],
    [
      'a stanza of servers',
      `<message xmlns='jabber:server' to='juliet@localhost'/>`,
      /unsupported-stanza-type|invalid-namespace/,
    ],
    ['no namespace', `<message to='juliet@localhost'/>`, /unsupported-stanza-type|invalid-namespace/],
    [
      'an unknown element of stream management',
      `<z xmlns='urn:xmpp:sm:3'/>`,
      /policy-violation|unsupported-stanza-type/,
    ],
    ['a login', `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>=</auth>`, /unsupported-stanza-type/],
  ];
  for (const [what, frame, condition] of cases) {
    const client = await node.login('romeo');
    client.send(frame);
    t.match(await client.expectXml('<stream:error'), condition, what);
    await client.closed;
  }
});

t.test('addresses that are none are jid-malformed, in every kind of stanza, and the stream goes on', async (t) => {
  const romeo = await node.online('romeo');
  const bad = [
    '@localhost',
    'a@b@c',
    'a@localhost/',
    `${'x'.repeat(1024)}@localhost`,
    `a@${'x'.repeat(1024)}`,
    `a@localhost/${'x'.repeat(1024)}`,
    'a b@localhost',
    'a&quot;b@localhost',
    'a&apos;b@localhost',
    'a&amp;b@localhost',
    'a\u00adb@localhost',
    'a@local host',
    'a@localhost/\u0000'.replace('\u0000', '\u2028'),
    '\u202eevil@localhost',
    '',
  ];
  for (const [at, jid] of bad.entries()) {
    const stanzas = [
      `<message ${NS} id='j' to='${jid}'><body>x</body></message>`,
      `<presence ${NS} id='j' to='${jid}'/>`,
      `<iq ${NS} id='j' type='get' to='${jid}'><ping xmlns='urn:xmpp:ping'/></iq>`,
    ];
    for (const stanza of stanzas) {
      romeo.send(stanza);
      const answer: Element = await romeo.expect((el) => el.attrs['id'] === 'j');
      t.equal(conditionOf(answer), 'jid-malformed', `${at}: ${stanza.slice(1, 9)}`);
    }
  }
  await romeo.close();
});

t.test('stanzas at the limits pass, whatever side reads them again', async (t) => {
  const romeo = await node.online('romeo', 'limits');
  const juliet = await node.online('juliet', 'limits');
  const deep = `${'<x>'.repeat(35)}${'</x>'.repeat(35)}`;
  const wide = `<x ${Array.from({ length: 60 }, (_, i) => `a${i}='1'`).join(' ')}/>`;
  for (const inner of [deep, wide]) {
    romeo.send(`<message ${NS} to='juliet@localhost' type='chat'><body>deep</body>${inner}</message>`);
    await juliet.expect('<body>deep</body>');
    t.equal(conditionOf(await romeo.iq('get', `<q xmlns='urn:x'>${inner}</q>`, juliet.bare)), 'service-unavailable');
    t.equal(conditionOf(await romeo.iq('get', `<q xmlns='urn:x'>${inner}</q>`, juliet.jid)), 'service-unavailable');
    juliet.send(`<presence ${NS} to='${romeo.jid}'/>`, `<inactive xmlns='urn:xmpp:csi:0'/>`);
    await romeo.expect((el) => el.attrs['from'] === juliet.jid);
    romeo.send(
      `<message ${NS} to='${juliet.jid}' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/>${inner}</message>`,
    );
    romeo.send(`<iq ${NS} type='get' id='deep' to='${juliet.jid}'><q xmlns='urn:x'>${inner}</q></iq>`);
    await juliet.expect((el) => el.attrs['id'] === 'deep' && el.name === 'iq');
    juliet.send(`<active xmlns='urn:xmpp:csi:0'/>`, `<presence ${NS} to='${romeo.jid}' type='unavailable'/>`);
    await node.settle(romeo, juliet);
  }
  const long = `<message ${NS} to='juliet@localhost' type='chat' id='long'><body>${'\u00e9'.repeat(131_000)}</body></message>`;
  romeo.send(long);
  t.equal((await juliet.expect((el) => el.attrs['id'] === 'long')).getChildText('body')?.length, 131_000);
  t.equal(node.node.runtime.stats().actors.crashes, 0);
  await romeo.close();
  await juliet.close();
});

t.test('a client that waits for no answer is served in order', async (t) => {
  const juliet = await node.online('juliet', 'fast');
  await node.users('mercutio');
  const client = await node.connect();
  const open = `<open xmlns='${FRAMING}' to='localhost' version='1.0'/>`;
  client.send(
    open,
    `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${base64(`\0mercutio\0${PASSWORD}`)}</auth>`,
    open,
    `<iq ${NS} type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>`,
    `<enable xmlns='urn:xmpp:sm:3'/>`,
    ...Array.from(
      { length: 20 },
      (_, i) => `<message ${NS} to='juliet@localhost' type='chat'><body>f${i}</body></message>`,
    ),
    `<r xmlns='urn:xmpp:sm:3'/>`,
  );
  t.equal((await client.expect((el) => el.name === 'a')).attrs['h'], '20');
  t.match(
    client.inbox.map(({ el }) => el.name),
    ['open', 'stream:features', 'success', 'open', 'stream:features', 'iq', 'enabled'],
  );
  for (let i = 0; i < 20; i++) await juliet.expect(`<body>f${i}</body>`);
  await client.close();
  await juliet.close();
});

t.test('a client that sends on and on while an answer is pending is cut off', async (t) => {
  const client = await node.connect();
  await client.open();
  const auth = `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${base64(`\0romeo\0${PASSWORD}`)}</auth>`;
  client.send(auth, ...Array.from({ length: 100 }, () => `<presence ${NS}/>`));
  await client.expectStreamError('policy-violation');
  t.equal(client.pending('<success').length, 0);
});

t.test('who has not logged in is read little of', async (t) => {
  const bytes = 16_384;
  const sasl = 'urn:ietf:params:xml:ns:xmpp-sasl';
  const stranger = await node.connect();
  await stranger.open();
  stranger.send(`<iq ${NS} type='get' id='r'><query xmlns='jabber:iq:register'/>${' '.repeat(bytes)}</iq>`);
  t.match(await stranger.expectStreamError('policy-violation'), `a stanza may have ${bytes} bytes`);
  t.equal((await stranger.closed).code, 1009);

  const hasty = await node.connect();
  await hasty.open();
  const response = `<response xmlns='${sasl}'>${'A'.repeat(bytes / 2)}</response>`;
  hasty.send(`<auth xmlns='${sasl}' mechanism='PLAIN'>${base64('\0nobody\0x')}</auth>`, response, response, response);
  t.match(await hasty.expectStreamError('policy-violation'), 'wait for answers');

  const romeo = await node.login('romeo');
  romeo.send(`<message ${NS} to='romeo@localhost'><body>${'x'.repeat(bytes * 2)}</body></message>`);
  await romeo.sync();
});
