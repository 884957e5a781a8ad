import t from 'tap';
import { FakeUser, JULIET } from './extensions.fixture.ts';
import { publish, pubsub, setting } from './pep.fixture.ts';
import { NS_NICK } from './xep0172-nick.ts';

t.test('the nickname is the one item of its node, for contacts', async (t) => {
  const user = new FakeUser();
  user.contact(JULIET, 'from');
  for (const name of ['Ishmael', 'CallMeIshmael'])
    publish(user, NS_NICK, name, `<nick xmlns='${NS_NICK}'>${name}</nick>`);
  const { body } = pubsub(user, 'get', `<items node='${NS_NICK}'/>`, `${JULIET}/balcony`);
  t.match(body, `<nick xmlns="${NS_NICK}">CallMeIshmael</nick>`);
  t.notMatch(body, '>Ishmael<');
  t.equal(setting(user, NS_NICK, 'access_model'), 'presence');
});
