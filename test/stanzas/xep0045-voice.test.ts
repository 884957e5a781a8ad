import type { Element } from 'ltx';
import t from 'tap';
import { conditionOf } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';
import { archiveOf, create, enter, isMessage, itemOf, roomJid, say } from '../harness/rooms.ts';

/** XEP-0045 7.13, 8.6: a visitor asks for voice. */

const node = await startTestNode(t);
const alice = await node.online('alice', 'a');
const bob = await node.online('bob', 'b');
const room = roomJid('hall');
await create(alice, room, 'al', { 'muc#roomconfig_moderatedroom': '1' });
await enter(bob, room, 'bo');

const NS = 'http://jabber.org/protocol/muc#request';
const field = (name: string, value: string): string => `<field var='${name}'><value>${value}</value></field>`;
const submit = (fields: string): string =>
  `<message xmlns='jabber:client' to='${room}' id='f'><x xmlns='jabber:x:data' type='submit'>${fields}</x></message>`;
const REQUEST = submit(field('FORM_TYPE', NS) + field('muc#role', 'participant'));
const isForm = (el: Element): boolean => el.name === 'message' && el.getChild('x', 'jabber:x:data') !== undefined;
const isRefused = (el: Element): boolean => el.name === 'message' && el.attrs['type'] === 'error';

t.test('a visitor asks, a moderator sends the form back, and the visitor speaks', async (t) => {
  const info = await bob.iq('get', `<query xmlns='http://jabber.org/protocol/disco#info'/>`, room);
  const features = info.getChild('query')?.getChildren('feature') ?? [];
  t.ok(features.some(({ attrs }) => attrs['var'] === NS));
  bob.send(`<message xmlns='jabber:client' to='${room}' type='groupchat' id='no'><body>too soon</body></message>`);
  t.equal(conditionOf(await bob.expect(isRefused)), 'forbidden');

  bob.send(REQUEST);
  const asked = await alice.expect(isForm);
  t.match(asked.attrs, { from: room, to: alice.jid });
  const fields = asked.getChild('x', 'jabber:x:data')?.getChildren('field') ?? [];
  const values = Object.fromEntries(fields.map((one) => [one.attrs['var'], one.getChildText('value')]));
  t.match(values, { 'muc#role': 'participant', 'muc#jid': bob.jid, 'muc#roomnick': 'bo', 'muc#request_allow': '0' });

  const back = Object.entries({ ...values, 'muc#request_allow': '1' }).map(([name, value]) =>
    field(name, String(value)),
  );
  bob.send(submit(back.join('')));
  t.equal(conditionOf(await bob.expect(isRefused)), 'forbidden', 'visitors do not let themselves in');
  alice.send(submit(back.join('')));
  const now = await bob.expect((el) => el.name === 'presence' && itemOf(el)['role'] === 'participant');
  t.equal(now.attrs['from'], `${room}/bo`);
  await say(bob, room, 'at last');
  await alice.expect(isMessage('at last'));
  t.same((await archiveOf(alice, room)).bodies, ['at last'], 'none of the forms is kept');
  bob.send(REQUEST);
  t.equal(conditionOf(await bob.expect(isRefused)), 'unexpected-request');
});
