import t from 'tap';
import { FakeUser } from './extensions.fixture.ts';

t.test('the server tells the time of the request, in UTC', async (t) => {
  const user = new FakeUser();
  const { outcome, body } = user.ask(`<iq type='get' id='t1' to='montague.lit'><time xmlns='urn:xmpp:time'/></iq>`);
  const utc = new Date(user.now).toISOString();
  t.equal(outcome, 'result');
  t.match(body, new RegExp(`^<time xmlns='urn:xmpp:time'><tzo>\\+00:00</tzo><utc>${utc.slice(0, 19)}`));
});
