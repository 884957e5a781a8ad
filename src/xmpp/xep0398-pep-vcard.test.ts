import { createHash } from 'node:crypto';
import t from 'tap';
import { FakeUser, JULIET, parse, ROMEO } from './extensions.fixture.ts';
import { options, outcome, owner, publish, pubsub, setting } from './pep.fixture.ts';
import { PEP_LIMITS } from './pubsub-types.ts';
import { presenceWithHash } from './xep0398-pep-vcard.ts';

const DATA = 'urn:xmpp:avatar:data';
const METADATA = 'urn:xmpp:avatar:metadata';
const IMAGE = Buffer.from('an image, say');
const BASE64 = IMAGE.toString('base64');
const HASH = createHash('sha1').update(IMAGE).digest('hex');
const PHOTO = `<PHOTO><TYPE>image/png</TYPE><BINVAL>${BASE64}</BINVAL></PHOTO>`;
const foreign = `from='${JULIET}/x' to='${ROMEO}'`;

const card = (photo: string): string => `<vCard xmlns='vcard-temp'><FN>Romeo</FN>${photo}</vCard>`;
const set = (user: FakeUser, photo: string) => user.ask(`<iq type='set' id='v'>${card(photo)}</iq>`);
const get = (user: FakeUser, attrs = ''): string => {
  const { body } = user.ask(`<iq type='get' id='v' ${attrs}><vCard xmlns='vcard-temp'/></iq>`);
  return `${/<TYPE>(.*)<\/TYPE>/.exec(body)?.[1] ?? 'no photo'} ${/<BINVAL>(.*)<\/BINVAL>/.exec(body)?.[1] ?? ''}`;
};
const info = (id = HASH, more = ''): string =>
  `<metadata xmlns='${METADATA}'>${more}<info bytes='13' id='${id}' type='image/gif'/></metadata>`;
const OPEN = options({ access_model: 'open' });

/** As a client of XEP-0084 does it. */
function publishAvatar(user: FakeUser, access = OPEN, id = HASH): void {
  publish(user, DATA, id, `<data xmlns='${DATA}'>${BASE64}</data>`, access);
  publish(user, METADATA, id, info(id), access);
}

/** What others see of a presence that the client says. */
const seen = (user: FakeUser, inner = '', attrs = ''): string =>
  presenceWithHash(user, parse(`<presence ${attrs}>${inner}</presence>`), inner);
const x = (photo: string): string => `<x xmlns="vcard-temp:x:update"><photo>${photo}</photo></x>`;
const IN_ROOM = `to='room@conference.montague.lit/romeo'`;

t.test('a photo in the vCard is an avatar that all may see, and is kept once', async (t) => {
  const user = new FakeUser();
  user.contact(JULIET, 'both');
  t.equal(set(user, PHOTO.replace(BASE64, `\n${BASE64.slice(0, 4)}\n ${BASE64.slice(4)}`)).outcome, 'result');
  t.match(
    pubsub(user, 'get', `<items node='${DATA}'/>`).body,
    `<item id="${HASH}"><data xmlns="${DATA}">${BASE64}</data>`,
  );
  t.match(
    pubsub(user, 'get', `<items node='${METADATA}'/>`).body,
    `<item id="${HASH}"><metadata xmlns="${METADATA}"><info bytes="13" id="${HASH}" type="image/png"/></metadata>`,
  );
  t.equal(setting(user, DATA, 'access_model'), 'open');
  t.ok(user.told.some(({ to, msg }) => to === JULIET && msg.t === 'event' && msg.node === METADATA));
  t.notMatch(JSON.stringify([...user.stored]), BASE64);
  t.equal(get(user), `image/png ${BASE64}`);
  t.equal(get(user, foreign), `image/png ${BASE64}`);
  const events = user.told.length;
  set(user, PHOTO);
  t.equal(user.told.length, events, 'the same photo again is no news');
});

t.test('an avatar is the photo of the vCard, of none as well, for those who may see it', async (t) => {
  const user = new FakeUser();
  publishAvatar(user);
  t.equal(get(user, foreign), `image/gif ${BASE64}`);
  const closed = new FakeUser();
  publishAvatar(closed, '');
  t.equal(get(closed), `image/gif ${BASE64}`);
  t.equal(get(closed, foreign), 'no photo ');
  closed.contact(JULIET, 'from');
  t.equal(get(closed, foreign), `image/gif ${BASE64}`);
  set(user, '');
  t.equal(get(user), 'no photo ', 'a vCard without one takes it away');
  t.equal(get(user, foreign), 'no photo ');
});

t.test('only an image that is what its hash says is shown', async (t) => {
  const other = 'f'.repeat(40);
  const user = new FakeUser();
  publishAvatar(user, OPEN, other);
  t.equal(get(user), 'no photo ');
  publish(user, METADATA, other, `<metadata xmlns='${METADATA}'><info id='${HASH}' url='http://x/y'/></metadata>`);
  publish(user, DATA, HASH, `<data xmlns='${DATA}'>${BASE64}</data>`);
  t.equal(get(user), 'no photo ', 'an image in the web is none here');
  publish(user, METADATA, HASH, info(HASH, `<info bytes='1' id='${other}' type='image/x' url='http://x/y'/>`));
  t.equal(get(user), `image/gif ${BASE64}`, 'that among the data is taken');
  owner(user, 'set', `<delete node='${DATA}'/>`);
  t.equal(get(user), 'no photo ');
});

t.test('what is no image of a known type, or has no room, stays in the vCard', async (t) => {
  const limits = { ...PEP_LIMITS, itemBytesMax: 10 };
  for (const [user, photo] of [
    [new FakeUser(), PHOTO.replace('image/png', 'text/html')],
    [new FakeUser(), PHOTO.replace('<TYPE>image/png</TYPE>', '')],
    [new FakeUser(), PHOTO.replace(BASE64, '***')],
    [new FakeUser(), '<PHOTO><EXTVAL>http://x/y</EXTVAL></PHOTO>'],
    [new FakeUser({ pepLimits: limits }), PHOTO],
  ] as const) {
    t.equal(set(user, photo).outcome, 'result');
    t.ok(user.ask(`<iq type='get' id='v'><vCard xmlns='vcard-temp'/></iq>`).body.includes(photo.slice(7, -8)), photo);
    t.equal(outcome(pubsub(user, 'get', `<items node='${METADATA}'/>`)), 'item-not-found');
  }
});

t.test('presence says the hash, unless its client shows none', async (t) => {
  const user = new FakeUser();
  const own = x('1'.repeat(40));
  t.equal(seen(user, own), own, 'of whose avatar nothing is known its clients speak for themselves');
  publishAvatar(user);
  t.equal(seen(user, '<show>away</show>'), `<show>away</show>${x(HASH)}`);
  t.equal(seen(user, own), x(HASH));
  t.equal(seen(user, `<x xmlns='vcard-temp:x:update'/>`), x(HASH));
  const none = `<x xmlns='vcard-temp:x:update'><photo/></x>`;
  t.equal(seen(user, none), none);
  t.equal(seen(user, '', IN_ROOM), x(HASH));
  owner(user, 'set', `<delete node='${METADATA}'/>`);
  t.equal(seen(user), '', 'nothing of what is not there any more');
  const closed = new FakeUser();
  publishAvatar(closed, '');
  t.equal(seen(closed), x(HASH));
  t.equal(seen(closed, '', IN_ROOM), '', 'nor in rooms of what nobody there may see');
});

t.test('those who see the user hear when the hash changes', async (t) => {
  const user = new FakeUser();
  user.contact(JULIET, 'both');
  const [stream] = user.live;
  const online = `<presence xmlns="jabber:client" from="${ROMEO}/orchard"><show>dnd</show></presence>`;
  const presence = { priority: 0, show: 'dnd', xml: online, since: 0 };
  if (stream !== undefined) stream.presence = presence;
  const heard = (): string[] =>
    user.told
      .splice(0)
      .flatMap(({ msg }) => (msg.t === 'presence' ? [msg.xml.replace(/^.*<\/show>|<\/presence>$/g, '')] : []));
  publishAvatar(user);
  t.same(heard(), [x(HASH)]);
  publishAvatar(user);
  t.same(heard(), [], 'the same again is no news');
  publish(user, METADATA, 'off', `<metadata xmlns='${METADATA}'/>`);
  t.same(heard(), [x('').replace('></photo>', '/>')]);
  set(user, PHOTO);
  t.same(heard(), [x(HASH)]);
  t.match(user.live[0]?.presence?.xml, x(HASH), 'who comes later sees it too');
  if (stream !== undefined) stream.presence = { ...presence, noPhoto: true };
  set(user, '');
  t.same(heard(), [], 'of a client that shows none nothing changes');
});

t.test('an avatar that the server knew nothing of is seen when a device comes', async (t) => {
  const user = new FakeUser();
  publishAvatar(user);
  user.rows.delete('photo');
  t.equal(seen(user), '');
  const [stream] = user.live;
  if (stream === undefined) throw new Error('romeo has no stream');
  user.protocol.pep.onAvailable(user, stream, parse('<presence/>'), true);
  t.equal(seen(user), x(HASH));
  t.equal((user.rows.get('photo') as { readonly hash?: string }).hash, HASH);
});
