import t from 'tap';
import { FakeUser, JULIET } from './extensions.fixture.ts';
import { idsIn, outcome, publish, pubsub, setting } from './pep.fixture.ts';
import { NS_MDS } from './xep0490-displayed-sync.ts';

const displayed = (id: string) =>
  `<displayed xmlns='${NS_MDS}'><stanza-id xmlns='urn:xmpp:sid:0' by='romeo@montague.lit' id='${id}'/></displayed>`;

t.test('there is one item a chat, for the user alone', async (t) => {
  const user = new FakeUser();
  user.contact(JULIET, 'both');
  for (const [chat, id] of [
    [JULIET, '1'],
    ['play@conference.shakespeare.lit', '7'],
    [JULIET, '2'],
  ] as const)
    publish(user, NS_MDS, chat, displayed(id));
  const { body } = pubsub(user, 'get', `<items node='${NS_MDS}'/>`);
  t.same(idsIn(body), ['play@conference.shakespeare.lit', JULIET]);
  t.match(body, 'id="2"');
  t.notMatch(body, 'id="1"');
  t.equal(outcome(pubsub(user, 'get', `<items node='${NS_MDS}'/>`, `${JULIET}/b`)), 'not-allowed closed-node');
  t.equal(setting(user, NS_MDS, 'send_last_published_item'), 'never');
  t.same(user.told, []);
});
