import type { Element } from 'ltx';
import t from 'tap';
import { type Client, conditionOf } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';

const node = await startTestNode(t);

const from =
  (jid: string, type?: string) =>
  (el: Element): boolean =>
    el.name === 'presence' && el.attrs['from'] === jid && el.attrs['type'] === type;

/** Both see each other. */
async function befriend(one: Client, other: Client): Promise<void> {
  for (const [asker, asked] of [
    [one, other],
    [other, one],
  ] as const) {
    asker.send(`<presence xmlns='jabber:client' type='subscribe' to='${asked.bare}'/>`);
    await asked.expect(from(asker.bare, 'subscribe'));
    asked.send(`<presence xmlns='jabber:client' type='subscribed' to='${asker.bare}'/>`);
    await asker.expect(from(asked.jid));
  }
}

t.test('presence goes to contacts and to the own other devices, with what it carried', async (t) => {
  const romeo = await node.online('romeo', 'orchard');
  const juliet = await node.online('juliet', 'balcony');
  await befriend(romeo, juliet);
  const phone = await node.online('romeo', 'phone');
  await phone.expect(from(romeo.jid), 'the device that was there before');
  await phone.expect(from(juliet.jid), 'the probe is answered');
  await romeo.expect(from(phone.jid));
  await juliet.expect(from(phone.jid));

  phone.send(
    `<presence xmlns='jabber:client'><show>dnd</show><status>wooing</status><priority>7</priority>` +
      `<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/></presence>`,
  );
  for (const client of [romeo, juliet, phone]) {
    const update = await client.expect(from(phone.jid));
    t.strictSame(
      ['show', 'status', 'priority'].map((name) => update.getChildText(name)),
      ['dnd', 'wooing', '7'],
    );
    t.ok(update.getChild('c', 'http://jabber.org/protocol/caps'));
    t.equal(update.attrs['to'], client.bare);
  }
  phone.send(`<presence xmlns='jabber:client' type='unavailable'><status>to bed</status></presence>`);
  for (const client of [romeo, juliet]) {
    t.equal((await client.expect(from(phone.jid, 'unavailable'))).getChildText('status'), 'to bed');
  }
  await phone.close();
});

t.test('a socket that breaks, and a stream that is closed, make the resource unavailable', async (t) => {
  const juliet = await node.online('juliet', 'balcony');
  for (const [how, end] of [
    ['cut', (client: Client) => client.cut()],
    ['closed', (client: Client) => client.close()],
    ['ended for a fault', (client: Client) => client.sendLast('<a>')],
  ] as const) {
    const romeo = await node.online('romeo', how);
    await juliet.expect(from(romeo.jid));
    await end(romeo);
    await juliet.expect(from(romeo.jid, 'unavailable'), `unavailable after it was ${how}`);
  }
  t.pass('all three');
});

t.test('directed presence reaches a stranger, who hears of its end too', async (t) => {
  const romeo = await node.online('romeo', 'street');
  const tybalt = await node.online('tybalt', 'street');
  romeo.send(`<presence xmlns='jabber:client' to='${tybalt.jid}'><status>peace</status></presence>`);
  t.equal((await tybalt.expect(from(romeo.jid))).attrs['to'], tybalt.jid);
  romeo.send(`<presence xmlns='jabber:client'><show>away</show></presence>`);
  await node.settle(romeo, tybalt);
  t.strictSame(tybalt.pending(from(romeo.jid)), [], 'updates are for contacts');
  await romeo.cut();
  await tybalt.expect(from(romeo.jid, 'unavailable'));
});

t.test('a stranger sees nothing without it', async (t) => {
  const romeo = await node.online('romeo', 'street');
  const tybalt = await node.online('tybalt', 'square');
  tybalt.send(`<presence xmlns='jabber:client' type='probe' to='romeo@localhost'/>`);
  await node.settle(tybalt, romeo, tybalt);
  t.strictSame(tybalt.pending(/<presence[^>]* from=.romeo@/), []);
});

t.test('a device that is only connected gets no presence until it says that it is there', async (t) => {
  const juliet = await node.login('juliet', 'silent');
  const romeo = await node.online('romeo', 'garden');
  await node.settle(romeo, juliet);
  t.strictSame(juliet.pending('<presence'), []);
});

t.test('faults in presence are answered with an error presence', async (t) => {
  const romeo = await node.online('romeo', 'faults');
  const cases: readonly [what: string, attrs: string, inner: string, condition: string][] = [
    ['a priority out of range', '', '<priority>128</priority>', 'bad-request'],
    ['a priority that is no number', '', '<priority>high</priority>', 'bad-request'],
    ['an unknown type', `type='perhaps'`, '', 'bad-request'],
    ['a subscription without to', `type='subscribe'`, '', 'bad-request'],
    ['a malformed to', `to='@'`, '', 'jid-malformed'],
    ['a to elsewhere', `to='x@example.org'`, '', 'remote-server-not-found'],
  ];
  for (const [what, attrs, inner, condition] of cases) {
    romeo.send(`<presence xmlns='jabber:client' id='f' ${attrs}>${inner}</presence>`);
    const answer = await romeo.expect((el) => el.attrs['id'] === 'f');
    t.strictSame([answer.attrs['type'], conditionOf(answer)], ['error', condition], what);
  }
});

t.test('a resource is unavailable to its contacts the moment a stream without resumption is replaced', async (t) => {
  const juliet = await node.online('juliet', 'balcony');
  const romeo = await node.online('romeo', 'twice');
  await juliet.expect(from(romeo.jid));
  const again = await node.login('romeo', 'twice');
  await juliet.expect(from(romeo.jid, 'unavailable'));
  await again.available();
  await juliet.expect(from(romeo.jid));
  t.pass('gone and back');
});
