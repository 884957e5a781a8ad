import t from 'tap';
import { FakeUser, JULIET } from './extensions.fixture.ts';
import { idsIn, NOTE, options, outcome, publish, pubsub } from './pep.fixture.ts';

t.test('the options of section 3 make a node that keeps its items for everybody', async (t) => {
  const user = new FakeUser();
  const all = options({
    persist_items: 'true',
    access_model: 'open',
    max_items: 'max',
    send_last_published_item: 'never',
  });
  for (const id of ['1', '2']) t.equal(outcome(publish(user, 'urn:example:public', id, NOTE, all)), 'result');
  const answer = pubsub(user, 'get', `<items node='urn:example:public'/>`, `${JULIET}/balcony`);
  t.same(idsIn(answer.body), ['1', '2']);
});
