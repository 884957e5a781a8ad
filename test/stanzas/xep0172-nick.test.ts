import t from 'tap';
import { startTestNode } from '../harness/node.ts';
import { befriend, Interested, itemsOf, publish } from '../harness/pubsub.ts';

const node = await startTestNode(t);
const NICK = 'http://jabber.org/protocol/nick';
const nick = (name: string): string => `<nick xmlns='${NICK}'>${name}</nick>`;

t.test('contacts hear of a new nickname, and a request to subscribe carries one', async (t) => {
  const ishmael = await node.online('narrator', 'one');
  const starbuck = new Interested(await node.login('starbuck', 'one'), [NICK]);
  await starbuck.available();
  await node.settle(starbuck.client);
  const ahab = await node.online('ahab', 'one');
  ahab.send(`<presence xmlns='jabber:client' to='starbuck@localhost' type='subscribe'>${nick('Captain')}</presence>`);
  const request = await starbuck.client.expect('type="subscribe"');
  t.equal(request.getChildText('nick', NICK), 'Captain');
  await befriend(starbuck.client, ishmael);
  await publish(ishmael, NICK, { id: 'current', payload: nick('CallMeIshmael') });
  t.same(itemsOf(await starbuck.event(NICK)), ['current=CallMeIshmael']);
});
