import t from 'tap';
import { FakeUser, JULIET } from './extensions.fixture.ts';
import { idsIn, NOTE, options, outcome, publish, pubsub } from './pep.fixture.ts';

const PRIVATE = options({ persist_items: 'true', access_model: 'whitelist' });

t.test('the options of section 3 make a node that nobody else reads', async (t) => {
  const user = new FakeUser();
  user.contact(JULIET, 'both');
  t.equal(outcome(publish(user, 'urn:example:private', '1', NOTE, PRIVATE)), 'result');
  t.same(idsIn(pubsub(user, 'get', `<items node='urn:example:private'/>`).body), ['1']);
  t.equal(
    outcome(pubsub(user, 'get', `<items node='urn:example:private'/>`, `${JULIET}/balcony`)),
    'not-allowed closed-node',
  );
  t.same(user.told, [], 'nor hears of it');
});

t.test('what is meant to be private is not published to a node that is not (section 6)', async (t) => {
  const user = new FakeUser();
  publish(user, 'urn:example:private', '1');
  t.equal(outcome(publish(user, 'urn:example:private', '2', NOTE, PRIVATE)), 'conflict precondition-not-met');
  t.same(idsIn(pubsub(user, 'get', `<items node='urn:example:private'/>`).body), ['1']);
});
