import t from 'tap';
import { FakeUser, fakeStream, JULIET } from './extensions.fixture.ts';
import { idsIn, publish, pubsub } from './pep.fixture.ts';
import { NS_AVATAR_DATA, NS_AVATAR_METADATA } from './xep0084-avatar.ts';

const SHA1 = '111f4b3c50d7b0df729d299bc6f8e9ef9066971f';

t.test('an image of 100 KB is kept, and its metadata is what contacts hear of', async (t) => {
  const user = new FakeUser();
  user.contact(JULIET, 'from');
  const image = 'iVBORw0K'.repeat(17_000);
  t.equal(publish(user, NS_AVATAR_DATA, SHA1, `<data xmlns='${NS_AVATAR_DATA}'>${image}</data>`).outcome, 'result');
  const info = `<info bytes='102000' id='${SHA1}' height='64' type='image/png' width='64'/>`;
  publish(user, NS_AVATAR_METADATA, SHA1, `<metadata xmlns='${NS_AVATAR_METADATA}'>${info}</metadata>`);
  const events = user.told.flatMap(({ msg }) => (msg.t === 'event' ? [msg] : []));
  t.same(
    events.map(({ node }) => node),
    [NS_AVATAR_DATA, NS_AVATAR_METADATA],
  );
  t.ok((events[0]?.xml.length ?? Infinity) < 1000, 'without the image');
  t.match(events[1]?.xml, `bytes="102000"`);
  const got = pubsub(user, 'get', `<items node='${NS_AVATAR_DATA}'><item id='${SHA1}'/></items>`, `${JULIET}/balcony`);
  t.match(got.body, `>${image}</data>`);
});

t.test('a device that comes gets the metadata, and no image unasked', async (t) => {
  const user = new FakeUser();
  publish(user, NS_AVATAR_DATA, 'data', `<data xmlns='${NS_AVATAR_DATA}'>AA==</data>`);
  publish(user, NS_AVATAR_METADATA, 'metadata', `<metadata xmlns='${NS_AVATAR_METADATA}'/>`);
  const stream = fakeStream('new');
  stream.presence = { priority: 0, show: '', xml: '', since: 0 };
  user.contact(JULIET, 'both');
  user.told.length = 0;
  const nodes = [NS_AVATAR_DATA, NS_AVATAR_METADATA];
  user.protocol.pep.onPeer(user, { t: 'wants', from: `${JULIET}/balcony`, to: user.user, nodes });
  t.same(
    user.told.flatMap(({ msg }) => (msg.t === 'event' ? idsIn(msg.xml) : [])),
    ['metadata'],
  );
});
