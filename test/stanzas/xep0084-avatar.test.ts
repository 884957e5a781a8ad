import t from 'tap';
import { startTestNode } from '../harness/node.ts';
import { befriend, getItems, Interested, itemsOf, outcomeOf, publish } from '../harness/pubsub.ts';

const node = await startTestNode(t);
const DATA = 'urn:xmpp:avatar:data';
const METADATA = 'urn:xmpp:avatar:metadata';
const SHA1 = '357a8123a30844a3aa99861b6349264ba67a5694';

t.test('an avatar of 100 KB is published, heard of, fetched, and there after a restart', async (t) => {
  const juliet = await node.online('juliet', 'chamber');
  const friend = await node.online('romeo', 'plain');
  await befriend(juliet, friend);
  const romeo = new Interested(await node.login('romeo', 'orchard'), [METADATA]);
  await romeo.available();
  await node.settle(romeo.client);
  const image = Buffer.alloc(100 * 1024, 'avatar').toString('base64');
  const data = `<data xmlns='${DATA}'>${image}</data>`;
  t.equal(outcomeOf(await publish(juliet, DATA, { id: SHA1, payload: data })), 'result');
  const info = `<info bytes='102400' id='${SHA1}' height='64' type='image/png' width='64'/>`;
  await publish(juliet, METADATA, { id: SHA1, payload: `<metadata xmlns='${METADATA}'>${info}</metadata>` });
  const event = await romeo.event(METADATA);
  const item = event.getChild('event')?.getChild('items')?.getChild('item');
  t.equal(item?.getChild('metadata', METADATA)?.getChild('info')?.attrs['id'], SHA1);
  const fetched = await getItems(romeo.client, DATA, 'juliet@localhost', `<item id='${SHA1}'/>`);
  t.ok(itemsOf(fetched)[0] === `${SHA1}=${image}`, 'the image');

  await node.restart();
  const again = new Interested(await node.login('romeo', 'orchard'), [METADATA]);
  await again.available();
  t.match(itemsOf(await again.event(METADATA)), [`${SHA1}=`], 'who comes later hears of it too');
  t.ok(itemsOf(await getItems(again.client, DATA, 'juliet@localhost'))[0] === `${SHA1}=${image}`, 'and fetches it');
});
