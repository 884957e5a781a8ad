import type { Element } from 'ltx';
import t from 'tap';
import type { Client } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';

/** One cursor for what a user has read: markers (XEP-0333), read marks (XEP-0490) and the inbox (XEP-0430). */

const NS_MDS = 'urn:xmpp:mds:displayed:0';
const node = await startTestNode(t);
const romeo = await node.online('romeo', 'orchard');
const phone = await node.online('juliet', 'phone');
const laptop = await node.online('juliet', 'laptop');

async function unread(client: Client): Promise<string | undefined> {
  await client.iq('get', `<inbox xmlns='urn:xmpp:inbox:1' messages='false'/>`);
  const entry = await client.expect((el) => el.getChild('entry', 'urn:xmpp:inbox:1') !== undefined);
  return entry.getChild('entry')?.attrs['unread'];
}

async function tell(body: string): Promise<string> {
  romeo.send(
    `<message xmlns='jabber:client' to='juliet@localhost' type='chat' id='${body}'><body>${body}</body></message>`,
  );
  const got = await phone.expect((el: Element) => el.getChildText('body') === body);
  await node.settle(romeo, laptop);
  return got.getChild('stanza-id', 'urn:xmpp:sid:0')?.attrs['id'] ?? '';
}

t.test('a read mark of one device lowers what is unread for all', async (t) => {
  const first = await tell('one');
  await tell('two');
  t.equal(await unread(laptop), '2');
  const item = `<displayed xmlns='${NS_MDS}'><stanza-id xmlns='urn:xmpp:sid:0' by='juliet@localhost' id='${first}'/></displayed>`;
  const publish = `<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='${NS_MDS}'><item id='romeo@localhost'>${item}</item></publish></pubsub>`;
  t.equal((await phone.iq('set', publish)).attrs['type'], 'result');
  t.equal(await unread(laptop), '1');
});

t.test('a marker of one device is a read mark for the others', async (t) => {
  const last = await tell('three');
  phone.send(
    `<message xmlns='jabber:client' to='romeo@localhost' type='chat'><displayed xmlns='urn:xmpp:chat-markers:0' id='three'/></message>`,
  );
  await node.settle(phone);
  t.equal(await unread(laptop), '0');
  const items = `<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='${NS_MDS}'/></pubsub>`;
  t.match((await laptop.iq('get', items)).toString(), new RegExp(`by=.juliet@localhost. id=.${last}.`));
});
