import t from 'tap';
import { FakeUser, JULIET, parse, ROMEO } from './extensions.fixture.ts';
import { parseJid } from './jid.ts';
import { PAGE_DEFAULTS } from './mam-page.ts';
import { chatPointer, nextPointer, renderFin, renderResult } from './xep0313-mam.ts';

const AT = Date.UTC(2010, 6, 10, 23, 8, 25);

function veronese(deps: ConstructorParameters<typeof FakeUser>[0] = {}): FakeUser {
  const user = new FakeUser(deps);
  user.archive.add({ from: `${JULIET}/balcony`, to: ROMEO, ts: AT, body: 'What man art thou' });
  user.archive.add({ from: `${ROMEO}/orchard`, to: JULIET, ts: AT + 1000, body: 'Call me but love' });
  user.archive.add({ from: 'nurse@capulet.lit/house', to: ROMEO, ts: AT + 2000, body: 'Anon' });
  return user;
}

const query = (inner = '', attrs = '') =>
  `<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2' ${attrs}>${inner}</query></iq>`;
const set = (inner: string) => `<set xmlns='http://jabber.org/protocol/rsm'>${inner}</set>`;

t.test('a query sends the page, then the fin', async (t) => {
  const user = veronese();
  const answer = user.ask(query(set('<max>2</max>'), `queryid='f27'`));
  t.equal(user.out.length, 2);
  t.equal(
    user.out[0],
    `<message xmlns='jabber:client' from='romeo@montague.lit' to='romeo@montague.lit/orchard'>` +
      `<result xmlns='urn:xmpp:mam:2' queryid='f27' id='1'><forwarded xmlns='urn:xmpp:forward:0'>` +
      `<delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25.000Z'/>` +
      `<message xmlns='jabber:client' from='juliet@capulet.lit/balcony' to='romeo@montague.lit' type='chat' id='m1'>` +
      `<body>What man art thou</body></message></forwarded></result></message>`,
  );
  t.strictSame(answer, {
    outcome: 'result',
    body: `<fin xmlns='urn:xmpp:mam:2'>${set(`<first index='0'>1</first><last>2</last><count>3</count>`)}</fin>`,
  });
  const rest = user.ask(query(set('<max>2</max><after>2</after>')));
  t.match(rest.body, /^<fin xmlns='urn:xmpp:mam:2' complete='true'>/);
  t.match(user.out[2], ` id='3'>`);
  for (const xml of user.out) t.ok(parse(xml), 'a strict parser takes it');
});

t.test('a flipped page is the same page, newest first', async (t) => {
  const user = veronese();
  const answer = user.ask(query(`${set('<max>2</max><before/>')}<flip-page/>`));
  t.match(user.out[0], ` id='3'>`);
  t.match(user.out[1], ` id='2'>`);
  t.match(answer.body, `<first index='1'>2</first><last>3</last>`);
});

t.test('an empty page has neither first nor last', async (t) => {
  t.strictSame(new FakeUser().ask(query()), {
    outcome: 'result',
    body: `<fin xmlns='urn:xmpp:mam:2' complete='true'>${set('<count>0</count>')}</fin>`,
  });
});

t.test('faults of the query are answered with their condition and send nothing', async (t) => {
  const user = veronese();
  t.strictSame(user.ask(query(set('<after>77</after>'))), { outcome: 'error', body: 'item-not-found' });
  t.strictSame(user.ask(query('', `node='n'`)), { outcome: 'error', body: 'item-not-found' });
  t.strictSame(user.ask(query(set('<max>x</max>'))), { outcome: 'error', body: 'bad-request' });
  t.strictSame(user.out, []);
});

t.test('nobody else reads the archive, its ends or its preferences', async (t) => {
  const user = veronese();
  user.contact(JULIET, 'both');
  for (const from of [`${JULIET}/balcony`, JULIET, 'capulet.lit', 'eve@montague.lit/x']) {
    for (const payload of [`<query xmlns='urn:xmpp:mam:2'/>`, `<prefs xmlns='urn:xmpp:mam:2' default='never'/>`]) {
      const answer = user.ask(`<iq type='set' id='q' from='${from}' to='${ROMEO}'>${payload}</iq>`);
      t.strictSame(answer, { outcome: 'error', body: 'forbidden' });
    }
    const metadata = user.ask(
      `<iq type='get' id='q' from='${from}' to='${ROMEO}'><metadata xmlns='urn:xmpp:mam:2'/></iq>`,
    );
    t.strictSame(metadata, { outcome: 'error', body: 'forbidden' });
  }
  t.strictSame(user.out, []);
  t.equal(user.rows.has('mam-prefs'), false);
});

t.test('a message that is gone leaves its place and its time', async (t) => {
  const user = veronese();
  user.archive.messages.clear();
  user.ask(query(set('<max>1</max>')));
  t.match(user.out[0], /<delay [^>]*\/><\/forwarded><\/result>/);
});

t.test('a page whose messages cannot be fetched now is refused whole', async (t) => {
  const user = veronese();
  const archive = {
    reader: () => user.archive,
    chatIdOf: (_user: string, bareJid: string) => bareJid,
    load: (session: FakeUser, _entries: unknown, done: (session: FakeUser, messages: undefined) => void) =>
      done(session, undefined),
  };
  const cut = new FakeUser({ archive: archive as never });
  t.strictSame(cut.ask(query()), { outcome: 'error', body: 'resource-constraint' });
  t.strictSame(cut.out, []);
});

t.test('results over the size of a page go to the next one', async (t) => {
  const user = veronese({ archiveLimits: { ...PAGE_DEFAULTS, pageUnitsMax: 500 } });
  t.match(user.ask(query()).body, `<first index='0'>1</first><last>1</last><count>3</count>`);
  t.match(user.ask(query(set('<before/>'))).body, `<first index='2'>3</first><last>3</last><count>3</count>`);
  t.equal(user.out.length, 2);
});

t.test('metadata names the first and the last message', async (t) => {
  const ask = `<iq type='get' id='q'><metadata xmlns='urn:xmpp:mam:2'/></iq>`;
  t.equal(new FakeUser().ask(ask).body, `<metadata xmlns='urn:xmpp:mam:2'/>`);
  t.equal(
    veronese().ask(ask).body,
    `<metadata xmlns='urn:xmpp:mam:2'><start id='1' timestamp='2010-07-10T23:08:25.000Z'/>` +
      `<end id='3' timestamp='2010-07-10T23:08:27.000Z'/></metadata>`,
  );
});

t.test('an iq get is answered with the form', async (t) => {
  const answer = veronese().ask(`<iq type='get' id='form1'><query xmlns='urn:xmpp:mam:2'/></iq>`);
  t.match(answer.body, `var='before-id'`);
});

t.test('results and fin escape what clients choose', async (t) => {
  const entry = { seq: 5, chat: JULIET, chatSeq: 1, ts: AT };
  const to = `${ROMEO}/o'r&<`;
  const xml = renderResult({ entry, message: undefined, queryid: `a'b<&`, from: ROMEO, to });
  t.equal(parse(xml).attrs['to'], to);
  t.equal(parse(xml).getChild('result')?.attrs['queryid'], `a'b<&`);
  t.ok(parse(renderFin({ entries: [], complete: false })));
});

t.test('pointers keep times in order and count what is hidden', async (t) => {
  const first = nextPointer(undefined, { chat: 'a', chatSeq: 9, ts: 500, n: 1 });
  t.strictSame(first, { c: 'a', q: 9, ts: 500, n: 1 });
  const hidden = nextPointer(first, { chat: 'b', chatSeq: 1, ts: 400, n: undefined });
  t.strictSame(hidden, { c: 'b', q: 1, ts: 500, h: 1, s: 1 });
  const third = nextPointer(hidden, { chat: 'b', chatSeq: 2, ts: 600, n: 1 });
  t.strictSame(third, { c: 'b', q: 2, ts: 600, n: 1, s: 1 });
  const [juliet, romeo] = [parseJid(`${JULIET}/balcony`), parseJid(ROMEO)];
  t.strictSame(chatPointer(ROMEO, third, 3, juliet, romeo), { i: 3, q: 2, ts: 600, r: 'balcony' });
  t.strictSame(chatPointer(ROMEO, third, 3, parseJid(`${ROMEO}/x`), parseJid(JULIET)), { i: 3, q: 2, ts: 600 });
});
