import type { Element } from 'ltx';
import t from 'tap';
import { conditionOf } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';
import { create, enter, roomJid } from '../harness/rooms.ts';

/** XEP-0045 16.4: iqs between occupants, who do not know each other's addresses. */

const node = await startTestNode(t, { groups: { iqTimeoutMs: 1000 } });
const alice = await node.online('alice', 'a');
const bob = await node.online('bob', 'b');
const room = roomJid('quiet');
await create(alice, room, 'al');
await enter(bob, room, 'bo');

const isRequest = (el: Element): boolean => el.name === 'iq' && el.attrs['type'] === 'get';
const VERSION = `<query xmlns='jabber:iq:version'/>`;
const VCARD = `<vCard xmlns='vcard-temp'/>`;

t.afterEach(() => {
  alice.forget();
  bob.forget();
});

t.test('a device of the other one is asked, and its answer comes from the nick', async (t) => {
  const answer = bob.iq('get', VERSION, `${room}/al`);
  const request = await alice.expect(isRequest);
  t.match(request.attrs, { from: `${room}/bo`, to: alice.jid });
  t.ok(request.getChild('query', 'jabber:iq:version'));
  alice.send(
    `<iq xmlns='jabber:client' type='result' id='${request.attrs['id']}' to='${room}/bo'>` +
      `<query xmlns='jabber:iq:version'><name>Test</name></query></iq>`,
  );
  const got = await answer;
  t.match(got.attrs, { type: 'result', from: `${room}/al`, to: bob.jid });
  t.equal(got.getChild('query')?.getChildText('name'), 'Test');
  t.notMatch(got.toString(), alice.bare);
  t.notMatch(request.toString(), bob.bare);
});

t.test('the vCard and the avatar of a nick come from the account', async (t) => {
  const vcard = `<vCard xmlns='vcard-temp'><FN>Alice</FN></vCard>`;
  t.equal((await bob.iq('get', VCARD, `${room}/al`)).attrs['type'], 'error', 'she has none');
  await alice.iq('set', vcard);
  const got = await bob.iq('get', VCARD, `${room}/al`);
  t.equal(got.attrs['from'], `${room}/al`);
  t.equal(got.getChild('vCard')?.getChildText('FN'), 'Alice');
  const own = await alice.iq('get', VCARD, `${room}/al`);
  t.equal(own.getChild('vCard')?.getChildText('FN'), 'Alice', 'of one’s own nick as well');

  const data = `<data xmlns='urn:xmpp:avatar:data'>AAAA</data>`;
  const publish = (access: string): string =>
    `<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:x:${access}'><item id='i'>${data}</item></publish>` +
    `<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>` +
    `<value>http://jabber.org/protocol/pubsub#publish-options</value></field>` +
    `<field var='pubsub#access_model'><value>${access}</value></field></x></publish-options></pubsub>`;
  const items = (node: string): string =>
    `<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:x:${node}'/></pubsub>`;
  for (const access of ['open', 'presence']) await alice.iq('set', publish(access));
  t.match((await bob.iq('get', items('open'), `${room}/al`)).toString(), /AAAA/);
  t.equal(conditionOf(await bob.iq('get', items('presence'), `${room}/al`)), 'not-authorized');
  t.equal(conditionOf(await bob.iq('set', vcard, `${room}/al`)), 'not-allowed');
});

t.test('who does not answer, leaves or blocks the room is no riddle', async (t) => {
  t.equal(conditionOf(await bob.iq('get', VERSION, `${room}/al`)), 'remote-server-timeout');
  await alice.expect(isRequest);
  const answer = bob.iq('get', VERSION, `${room}/al`);
  await alice.expect(isRequest);
  alice.send(`<presence xmlns='jabber:client' to='${room}/al' type='unavailable'/>`);
  t.equal(conditionOf(await answer), 'recipient-unavailable');
  t.equal(conditionOf(await bob.iq('get', VERSION, `${room}/al`)), 'item-not-found');
  await enter(alice, room, 'al');
  await alice.iq('set', `<block xmlns='urn:xmpp:blocking'><item jid='${room}'/></block>`);
  t.equal(conditionOf(await bob.iq('get', VCARD, `${room}/al`)), 'service-unavailable');
});
