import t from 'tap';
import { startTestNode } from '../harness/node.ts';
import { getItems, Interested, PRIVATE, publish } from '../harness/pubsub.ts';

const node = await startTestNode(t);
const MDS = 'urn:xmpp:mds:displayed:0';
const displayed = (id: string): string =>
  `<displayed xmlns='${MDS}'><stanza-id xmlns='urn:xmpp:sid:0' by='nurse@localhost' id='${id}'/></displayed>`;

t.test('a chat read on one device is read on the others', async (t) => {
  const phone = await node.online('nurse', 'phone');
  const laptop = new Interested(await node.login('nurse', 'laptop'), [MDS], 'web');
  await laptop.available();
  await node.settle(laptop.client);
  for (const [chat, id] of [
    ['romeo@localhost', '1'],
    ['peter@localhost', '5'],
    ['romeo@localhost', '9'],
  ] as const) {
    await publish(phone, MDS, { id: chat, payload: displayed(id), options: PRIVATE });
    const item = (await laptop.event(MDS)).getChild('event')?.getChild('items')?.getChild('item');
    t.equal(item?.getChild('displayed')?.getChild('stanza-id')?.attrs['id'], id);
  }
  const all = (await getItems(laptop.client, MDS)).getChild('pubsub')?.getChild('items')?.getChildren('item');
  t.same(
    all?.map(({ attrs }) => attrs['id']),
    ['peter@localhost', 'romeo@localhost'],
    'one item a chat, the newest last',
  );
});
