import t from 'tap';
import { blockedOf, blocklistOf, isBlocked, newBlocklist, saveBlocklist } from './blocklist.ts';
import { DOMAIN, type FakeSession, type FakeStream, World } from './rfc6121.fixture.ts';
import { onPeer } from './rfc6121-presence.ts';

const ROMEO = `romeo@${DOMAIN}`;
const JULIET = `juliet@${DOMAIN}`;

function setTo(session: FakeSession, ...jids: string[]): void {
  const before = blocklistOf(session);
  saveBlocklist(session, before, newBlocklist(before.ver + 1, jids));
}

/** Romeo and Juliet see each other; Juliet is online twice. */
function friends() {
  const world = new World();
  const [romeo, juliet] = [world.user('romeo'), world.user('juliet')];
  const [r, balcony, chamber] = [romeo.connect('orchard'), juliet.connect('balcony'), juliet.connect('chamber')];
  for (const [stream, to] of [
    [r, JULIET],
    [balcony, ROMEO],
  ] as const) {
    stream.presenceOf({ to, type: 'subscribed' });
    stream.presenceOf({ to, type: 'subscribe' });
  }
  for (const stream of [r, balcony, chamber]) stream.presenceOf();
  world.settle();
  for (const stream of [r, balcony, chamber]) stream.take();
  return { world, romeo, juliet, r, balcony, chamber };
}

/** Presence among what came, as `type from`, own resources left out. */
function seen(stream: FakeStream): string[] {
  const all = stream.take().map((xml) => {
    const type = / type="([^"]*)"/.exec(xml)?.[1] ?? 'available';
    return `${type} ${/ from="([^"]*)"/.exec(xml)?.[1] ?? ''}`;
  });
  return all.filter((one) => !one.includes(stream.jid.slice(0, stream.jid.indexOf('/'))));
}

t.test('an address is matched by itself, its account, its domain and those above', async (t) => {
  const { romeo } = friends();
  const table: [blocked: string, jid: string, expected: boolean][] = [
    ['a@x.example/r', 'a@x.example/r', true],
    ['a@x.example/r', 'a@x.example/s', false],
    ['a@x.example/r', 'a@x.example', false],
    ['a@x.example', 'a@x.example/r', true],
    ['a@x.example', 'a@x.example', true],
    ['a@x.example', 'b@x.example', false],
    ['x.example/r', 'x.example/r', true],
    ['x.example/r', 'x.example', false],
    ['x.example/r', 'a@x.example/r', false],
    ['x.example', 'x.example/r', true],
    ['x.example', 'a@x.example/r', true],
    ['x.example', 'a@room.x.example', true],
    ['x.example', 'a@yx.example', false],
    ['room.x.example', 'a@x.example', false],
    [DOMAIN, JULIET, true],
    [DOMAIN, `${ROMEO}/other`, false],
    [DOMAIN, DOMAIN, false],
    [ROMEO, `${ROMEO}/other`, false],
  ];
  for (const [blocked, jid, expected] of table) {
    setTo(romeo, blocked);
    t.equal(isBlocked(romeo, jid), expected, `${blocked} blocks ${jid}`);
  }
  setTo(romeo);
  t.equal(isBlocked(romeo, JULIET), false, 'nobody is');
});

t.test('what of an account is blocked', async (t) => {
  const { romeo } = friends();
  const table: [list: string[], expected: string | string[]][] = [
    [[], []],
    [['x.example'], []],
    [
      [`${JULIET}/balcony`, `${JULIET}/chamber`, `${JULIET}x/z`],
      ['balcony', 'chamber'],
    ],
    [[`${JULIET}/balcony`, JULIET], 'all'],
    [[DOMAIN], 'all'],
  ];
  for (const [list, expected] of table) {
    setTo(romeo, ...list);
    t.strictSame(blockedOf(romeo, JULIET), expected, list.join());
  }
  setTo(romeo, `${ROMEO}/orchard`);
  t.strictSame(blockedOf(romeo, ROMEO), [], 'nothing of the own account');
});

t.test('rows are those of the list, and what is read follows them', async (t) => {
  const { romeo } = friends();
  setTo(romeo, 'a@x.example', 'b@x.example');
  setTo(romeo, 'b@x.example', 'c@x.example');
  t.strictSame([...romeo.rows.keys()].filter((key) => key.startsWith('b/')).sort(), ['b/b@x.example', 'b/c@x.example']);
  t.match(blocklistOf(romeo), { ver: 2, jids: new Set(['b@x.example', 'c@x.example']) });
  t.equal(blocklistOf(romeo), blocklistOf(romeo), 'read once');
});

t.test('presence, probes and requests go neither way', async (t) => {
  const { world, romeo, juliet, r, balcony } = friends();
  setTo(juliet, ROMEO);
  balcony.presenceOf();
  world.settle();
  t.strictSame(seen(r), [], 'Juliet is not seen');
  r.presenceOf();
  world.settle();
  t.strictSame(seen(balcony), [], 'nor Romeo');
  const again = romeo.connect('again', 0);
  world.settle();
  t.strictSame(seen(again), [], 'a probe has no answer');
  for (const type of ['subscribe', 'unsubscribe', 'unsubscribed', 'probe']) again.presenceOf({ to: JULIET, type });
  const before = juliet.snapshot();
  t.ok(world.settle().every((reason) => reason === 'blocked'));
  t.strictSame(juliet.snapshot(), before, 'nothing comes of requests');
  t.strictSame([seen(balcony), seen(again)], [[], []]);
  const table: (string | undefined)[] = [undefined, 'unavailable', 'probe', 'subscribe', 'subscribed', 'unsubscribe'];
  for (const type of table) {
    t.match(balcony.presenceOf({ to: ROMEO, ...(type && { type }) }), { t: 'refused', condition: 'not-acceptable' });
    const [error = ''] = balcony.take();
    t.match(error, /<error type="cancel"><not-acceptable .*<blocked xmlns="urn:xmpp:blocking:errors"\/><\/error>/);
  }
  t.strictSame(world.queue, []);
});

t.test('a blocked resource alone sees nothing and is not seen', async (t) => {
  const { world, romeo, r, balcony, chamber } = friends();
  setTo(romeo, `${JULIET}/balcony`);
  r.presenceOf();
  world.settle();
  t.strictSame([seen(balcony), seen(chamber)], [[], [`available ${r.jid}`]]);
  balcony.presenceOf();
  chamber.presenceOf();
  world.settle();
  t.strictSame(seen(r), [`available ${chamber.jid}`]);
});

t.test('a request that waits is not shown while its sender is blocked', async (t) => {
  const world = new World();
  const [romeo, juliet] = [world.user('romeo'), world.user('juliet')];
  romeo.connect('orchard', 0).presenceOf({ to: JULIET, type: 'subscribe' });
  world.settle();
  setTo(juliet, ROMEO);
  t.strictSame(seen(juliet.connect('balcony', 0)), []);
  setTo(juliet);
  t.strictSame(seen(juliet.connect('chamber', 0)), [`subscribe ${ROMEO}`]);
  t.equal(onPeer(juliet, { t: 'probe', from: ROMEO, to: JULIET }, 0), 'probe-pending');
});
