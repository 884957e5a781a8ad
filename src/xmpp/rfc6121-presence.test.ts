import t from 'tap';
import { DOMAIN, el, type FakeStream, World } from './rfc6121.fixture.ts';
import { ROSTER_LIMITS, type RosterLimits } from './rfc6121-limits.ts';
import { readPriority, sharesPresence } from './rfc6121-presence.ts';

const ROMEO = `romeo@${DOMAIN}`;
const JULIET = `juliet@${DOMAIN}`;

const NOTHING: string[] = [];

/** Romeo and Juliet see each other; nobody is online. */
function friends(limits?: RosterLimits) {
  const world = new World(limits);
  const [romeo, juliet] = [world.user('romeo'), world.user('juliet')];
  const [r, j] = [romeo.connect('setup'), juliet.connect('setup')];
  for (const [stream, to] of [
    [r, JULIET],
    [j, ROMEO],
  ] as const) {
    stream.presenceOf({ to, type: 'subscribed' });
    stream.presenceOf({ to, type: 'subscribe' });
  }
  world.settle();
  r.gone();
  j.gone();
  world.settle();
  return { world, romeo, juliet };
}

const priority = (value: string) => el('priority', {}, value);
const types = (stream: FakeStream) => stream.take().map((xml) => /type="([^"]*)"/.exec(xml)?.[1] ?? 'available');

t.test('the priority is one xs:byte', async (t) => {
  const cases: [string | undefined, number | undefined][] = [
    [undefined, 0],
    ['0', 0],
    ['-128', -128],
    ['127', 127],
    [' +5\n', 5],
    ['007', 7],
    ['128', undefined],
    ['-129', undefined],
    ['', undefined],
    ['1.5', undefined],
    ['0x10', undefined],
    ['five', undefined],
    ['1 2', undefined],
  ];
  for (const [text, expected] of cases) {
    const stanza = el('presence', { xmlns: 'jabber:client' }, ...(text === undefined ? [] : [priority(text)]));
    t.equal(readPriority(stanza), expected, JSON.stringify(text));
  }
  t.equal(readPriority(el('presence', { xmlns: 'jabber:client' }, priority('1'), priority('1'))), undefined);
  const foreign = el('presence', { xmlns: 'jabber:client' }, el('priority', { xmlns: 'urn:x' }, 'five'));
  t.equal(readPriority(foreign), 0, 'another namespace is not ours');
});

t.test('a presence that is not right is refused and changes nothing', async (t) => {
  const { world, juliet } = friends();
  const j = juliet.connect('balcony');
  const refused = (attrs: Record<string, string>, condition: string, ...children: ReturnType<typeof el>[]) => {
    t.same(j.presenceOf({ id: 'p1', ...attrs }, ...children), { t: 'refused', condition }, condition);
    const [error, ...more] = j.take();
    t.match(error, new RegExp(`^<presence .*to="juliet@example.org/balcony" id="p1" type="error".*<${condition} `));
    t.same(more, []);
  };
  refused({}, 'bad-request', priority('128'));
  refused({ type: 'available' }, 'bad-request');
  refused({ type: 'subscribe' }, 'bad-request');
  refused({ type: 'probe' }, 'bad-request');
  refused({ to: '@@', type: 'subscribe' }, 'jid-malformed');
  refused({ to: '@@' }, 'jid-malformed');
  refused({ to: 'x@elsewhere.net' }, 'remote-server-not-found');
  refused({ to: 'x@elsewhere.net', type: 'subscribe' }, 'remote-server-not-found');
  t.equal(j.presence, undefined);
  t.notOk(j.directed?.size);
  t.same(world.queue, []);
});

t.test('what needs no answer gets none', async (t) => {
  const { world, juliet } = friends();
  const j = juliet.connect('balcony');
  t.same(j.presenceOf({ type: 'error', to: ROMEO }), { t: 'ignored', reason: 'error-presence' });
  t.same(j.presenceOf({ type: 'subscribe', to: JULIET }), { t: 'ignored', reason: 'own-account' });
  t.same(j.presenceOf({ to: DOMAIN }), { t: 'ignored', reason: 'server' });
  t.same(j.presenceOf({ to: DOMAIN, type: 'subscribe' }), { t: 'ignored', reason: 'server' });
  t.same(j.presenceOf({ to: 'x@elsewhere.net', type: 'unavailable' }), { t: 'ignored', reason: 'foreign-domain' });
  t.same(j.presenceOf({ type: 'unavailable' }), { t: 'unavailable' });
  t.same(j.take(), NOTHING);
  t.same(world.queue, []);
});

t.test('initial presence reaches the contacts, the own resources, and is answered with theirs', async (t) => {
  const { world, romeo, juliet } = friends();
  const r = romeo.connect('orchard', 3);
  world.settle();
  r.take();
  const silent = romeo.connect('silent');
  const chamber = juliet.connect('chamber', 0);
  world.settle();
  r.take();
  chamber.take();

  const j = juliet.connect('balcony');
  const outcome = j.presenceOf(
    { id: 'x1', 'xml:lang': 'it' },
    el('show', {}, 'away'),
    el('status', {}, 'ciao'),
    priority('5'),
  );
  t.same(outcome, { t: 'initial', priority: 5, flush: true });
  t.match(j.presence, { priority: 5, show: 'away', since: world.now });
  world.settle();
  const stanza =
    'from="juliet@example.org/balcony" id="x1" xml:lang="it">' +
    '<show>away</show><status>ciao</status><priority>5</priority></presence>';
  const [toRomeo, ...more] = r.take();
  t.equal(toRomeo, `<presence to="romeo@example.org" xmlns="jabber:client" ${stanza}`);
  t.same(more, []);
  t.same(silent.take(), NOTHING, 'a resource without presence gets none');
  t.same(chamber.take(), [`<presence to="juliet@example.org" xmlns="jabber:client" ${stanza}`]);
  const seen = j.take();
  t.equal(seen.length, 3, 'its own, that of the other resource, that of the contact');
  t.match(seen[1], /from="juliet@example.org\/chamber"/);
  t.match(seen[2], /^<presence to="juliet@example.org\/balcony" .*from="romeo@example.org\/orchard"/);
});

t.test('a later presence is broadcast, and tells when messages can flow', async (t) => {
  const { world, romeo, juliet } = friends();
  const r = romeo.connect('orchard', 0);
  world.settle();
  const j = juliet.connect('balcony');
  t.same(j.presenceOf({}, priority('-1')), { t: 'initial', priority: -1, flush: false });
  const { since } = j.presence!;
  world.now += 1000;
  t.same(j.presenceOf({}, priority('-5')), { t: 'update', priority: -5, flush: false });
  t.same(j.presenceOf({}, priority('0')), { t: 'update', priority: 0, flush: true });
  t.same(j.presenceOf({}, priority('9')), { t: 'update', priority: 9, flush: false });
  t.equal(j.presence!.since, since);
  world.settle();
  t.equal(r.take().filter((xml) => xml.includes('balcony') && !xml.includes('type=')).length, 4);
  t.equal(j.take().filter((xml) => xml.includes('from="juliet@example.org/balcony"')).length, 4, 'its own, each time');
});

t.test('unavailable reaches everyone who saw the resource, with its status', async (t) => {
  const { world, romeo, juliet } = friends();
  const r = romeo.connect('orchard', 0);
  const j = juliet.connect('balcony', 0);
  const chamber = juliet.connect('chamber', 0);
  world.settle();
  for (const stream of [r, j, chamber]) stream.take();
  t.same(j.presenceOf({ type: 'unavailable' }, el('status', {}, 'bye')), { t: 'unavailable' });
  world.settle();
  const bye = /from="juliet@example.org\/balcony" type="unavailable"><status>bye<\/status>/;
  t.match(r.take(), [bye]);
  t.match(chamber.take(), [bye]);
  t.match(j.take(), [bye]);
  t.equal(j.presence, undefined);
  j.presenceOf({ type: 'unavailable' });
  world.settle();
  t.same(r.take(), NOTHING, 'once');
});

t.test('a stream that is gone becomes unavailable for everyone, once', async (t) => {
  const { world, romeo, juliet } = friends();
  const r = romeo.connect('orchard', 0);
  const j = juliet.connect('balcony', 0);
  const chamber = juliet.connect('chamber', 0);
  world.settle();
  for (const stream of [r, j, chamber]) stream.take();
  j.gone();
  world.settle();
  t.match(r.take(), [/from="juliet@example.org\/balcony" type="unavailable"\/>/]);
  t.match(chamber.take(), [/from="juliet@example.org\/balcony" type="unavailable"\/>/]);
  t.same(j.take(), NOTHING);
});

t.test('directed presence reaches one entity, which hears of the end too', async (t) => {
  const world = new World();
  const [romeo, juliet] = [world.user('romeo'), world.user('juliet')];
  const r = romeo.connect('orchard', 0);
  const r2 = romeo.connect('tomb');
  const cases: [string, (j: FakeStream) => void, string[]][] = [
    ['the stream is gone', (j) => j.gone(), ['unavailable']],
    ['it becomes unavailable', (j) => j.presenceOf({ type: 'unavailable' }), ['unavailable']],
    ['it says so to that entity', (j) => j.presenceOf({ type: 'unavailable', to: `${ROMEO}/tomb` }), ['unavailable']],
  ];
  for (const [name, end, expected] of cases) {
    for (const available of [true, false]) {
      const j = juliet.connect('balcony', available ? 0 : undefined);
      t.same(j.presenceOf({ to: `${ROMEO}/tomb` }, el('show', {}, 'dnd')), { t: 'directed', available: true });
      world.settle();
      t.match(r2.take(), [/^<presence to="romeo@example.org\/tomb" .*from="juliet@example.org\/balcony"><show>dnd/]);
      t.equal(j.directed?.size, 1);
      t.ok(sharesPresence(juliet, j, `${ROMEO}/tomb`));
      t.notOk(sharesPresence(juliet, j, ROMEO));
      if (available) j.presenceOf({}, el('show', {}, 'away'));
      world.settle();
      t.same(r2.take(), NOTHING, 'no broadcast');
      end(j);
      world.settle();
      t.same(types(r2), expected, name);
      t.notOk(j.directed?.size);
      if (juliet.live.includes(j)) j.gone();
      world.settle();
      t.same(r2.take(), NOTHING, 'once');
    }
  }
  t.same(
    r.take().filter((xml) => xml.includes('juliet')),
    NOTHING,
  );
});

t.test('a contact who sees the presence anyway is owed nothing more', async (t) => {
  const { world, romeo, juliet } = friends();
  const r = romeo.connect('orchard', 0);
  const early = juliet.connect('early');
  early.presenceOf({ to: ROMEO });
  t.equal(early.directed?.size, 1, 'not available: as for a stranger');
  early.presenceOf({});
  const j = juliet.connect('balcony', 0);
  j.presenceOf({ to: ROMEO }, el('show', {}, 'dnd'));
  t.notOk(j.directed?.size);
  world.settle();
  r.take();
  early.gone();
  j.gone();
  world.settle();
  t.same(types(r), ['unavailable', 'unavailable'], 'one for each resource');
});

t.test('directed presence is bounded', async (t) => {
  const world = new World({ ...ROSTER_LIMITS, directedMax: 2 });
  const j = world.user('juliet').connect('balcony', 0);
  for (const name of ['a', 'b', 'b']) t.equal(j.presenceOf({ to: `${name}@${DOMAIN}` }).t, 'directed');
  t.same(j.presenceOf({ to: `c@${DOMAIN}` }), { t: 'refused', condition: 'resource-constraint' });
  j.presenceOf({ to: `a@${DOMAIN}`, type: 'unavailable' });
  t.equal(j.presenceOf({ to: `c@${DOMAIN}` }).t, 'directed');
});

t.test('presence to a resource that is not there is ignored', async (t) => {
  const { world, romeo, juliet } = friends();
  const r = romeo.connect('orchard', 0);
  const j = juliet.connect('balcony', 0);
  world.settle();
  r.take();
  j.presenceOf({ to: `${ROMEO}/elsewhere` });
  t.same(world.settle(), ['nobody']);
  t.same(r.take(), NOTHING);
});

t.test('a probe is answered to those who may see, and to nobody else', async (t) => {
  const { world, romeo, juliet } = friends();
  const stranger = world.user('tybalt').connect('street', 0);
  const j = juliet.connect('balcony');
  const r = romeo.connect('orchard', 0);
  world.settle();
  const answers = (stream: FakeStream, to: string): string[] => {
    stream.take();
    stream.presenceOf({ type: 'probe', to });
    world.settle();
    return stream.take();
  };
  t.match(answers(r, JULIET), [/from="juliet@example.org" type="unavailable"\/>$/], 'no resource is available');
  t.match(answers(r, `${JULIET}/balcony`), [/from="juliet@example.org\/balcony" type="unavailable"\/>$/]);
  j.presenceOf({}, el('show', {}, 'away'));
  juliet.connect('chamber', 0);
  world.settle();
  t.match(answers(r, JULIET), [/balcony"><show>away<\/show>/, /chamber"/], 'the full stanza of each');
  t.match(answers(r, `${JULIET}/balcony`), [/from="juliet@example.org\/balcony"\/>$/], 'the mere fact');
  t.match(answers(r, `${JULIET}/gone`), [/gone" type="unavailable"\/>$/]);
  t.match(answers(r, `${ROMEO}/orchard`), [/from="romeo@example.org\/orchard"\/>$/], 'oneself');

  t.same(answers(stranger, JULIET), NOTHING);
  t.match(world.posted.at(-1), { to: `tybalt@${DOMAIN}`, message: { type: 'unsubscribed', from: JULIET } });
  j.presenceOf({ to: `tybalt@${DOMAIN}/street` });
  world.settle();
  t.match(answers(stranger, `${JULIET}/balcony`), [/from="juliet@example.org\/balcony"\/>$/], 'directed presence');
  const posted = world.posted.length;
  t.same(answers(stranger, `${JULIET}/chamber`), NOTHING, 'of that resource only');
  t.equal(world.posted.length, posted + 1);
});

t.test('a probe does not cancel the request that waits for an answer', async (t) => {
  const world = new World();
  const [romeo, juliet] = [world.user('romeo'), world.user('juliet')];
  const r = romeo.connect('orchard', 0);
  r.presenceOf({ to: JULIET, type: 'subscribe' });
  world.settle();
  r.presenceOf({ to: JULIET, type: 'probe' });
  t.same(world.settle(), ['probe-pending']);
  t.equal(juliet.posts, 0);
});

t.test('the probe of a contact that has forgotten us ends our side of the subscription', async (t) => {
  const { world, romeo, juliet } = friends();
  juliet.rows.clear();
  romeo.connect('orchard', 0);
  world.settle();
  t.match(romeo.rows.get(`r/${JULIET}`), { subscription: 'from' });
});

t.test('an account that does not exist answers probes and requests, and nothing else', async (t) => {
  const world = new World();
  const romeo = world.user('romeo');
  const r = romeo.connect('orchard', 0);
  for (const type of ['probe', 'unsubscribe', 'unsubscribed', 'unavailable']) {
    r.presenceOf({ to: `ghost@${DOMAIN}`, type });
  }
  r.presenceOf({ to: `ghost@${DOMAIN}` });
  t.same(world.settle(), ['no-change'], 'the answer to the probe');
});

t.test('presence writes nothing to disk', async (t) => {
  const { world, romeo, juliet } = friends();
  const writes = romeo.writes + juliet.writes;
  const [r, j] = [romeo.connect('orchard', 0), juliet.connect('balcony', 0)];
  world.settle();
  r.presenceOf({}, el('show', {}, 'away'));
  j.presenceOf({ type: 'unavailable' });
  r.gone();
  world.settle();
  t.equal(romeo.writes + juliet.writes, writes);
});
