import t from 'tap';
import { FakeUser, fakeStream, JULIET } from './extensions.fixture.ts';
import { idsIn, NOTE, options, outcome, publish, pubsub } from './pep.fixture.ts';
import { NS_BOOKMARKS } from './xep0402-bookmarks.ts';

const ROOM = 'theplay@conference.shakespeare.lit';

t.test('bookmarks are private and many, whether the client says so or not', async (t) => {
  const user = new FakeUser();
  user.contact(JULIET, 'both');
  const { pep } = user.protocol;
  t.same(pep.publish(user, NS_BOOKMARKS, { id: ROOM, xml: NOTE }), { id: ROOM }, 'by the server');
  const said = options({
    persist_items: 'true',
    max_items: 'max',
    send_last_published_item: 'never',
    access_model: 'whitelist',
  });
  t.equal(
    outcome(publish(user, NS_BOOKMARKS, 'orchard@conference.shakespeare.lit', NOTE, said)),
    'result',
    'by a client',
  );
  t.same(idsIn(pubsub(user, 'get', `<items node='${NS_BOOKMARKS}'/>`).body), [
    ROOM,
    'orchard@conference.shakespeare.lit',
  ]);
  t.equal(outcome(pubsub(user, 'get', `<items node='${NS_BOOKMARKS}'/>`, `${JULIET}/b`)), 'not-allowed closed-node');
  t.same(user.told, []);
});

t.test('the user’s other devices hear of a room that is left', async (t) => {
  const user = new FakeUser();
  const other = fakeStream('other');
  other.presence = { priority: 0, show: '', xml: '', since: 0 };
  other.caps = { key: 'k', wants: new Set([NS_BOOKMARKS]) };
  user.live.push(other);
  publish(user, NS_BOOKMARKS, ROOM);
  pubsub(user, 'set', `<retract node='${NS_BOOKMARKS}' notify='true'><item id='${ROOM}'/></retract>`);
  t.match(user.out.at(-1), `<items node="${NS_BOOKMARKS}"><retract id="${ROOM}"/></items>`);
});
