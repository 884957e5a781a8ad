import type { Element } from 'ltx';
import t from 'tap';
import { type Client, conditionOf } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';

const node = await startTestNode(t);
const NS = 'urn:xmpp:carbons:2';

const romeo = await node.online('romeo', 'orchard');
const phone = await node.login('juliet', 'phone');
const laptop = await node.login('juliet', 'laptop');
const old = await node.login('juliet', 'old');
for (const [client, priority] of [
  [phone, 1],
  [laptop, 0],
  [old, 0],
] as const)
  await client.available(`<priority>${priority}</priority>`);
for (const client of [phone, laptop]) await client.iq('set', `<enable xmlns='${NS}'/>`);

type Asserts = Pick<typeof t, 'match' | 'strictSame'>;

/** The message inside a carbon, checked for what every carbon must be. */
async function carbon(t: Asserts, client: Client, kind: 'sent' | 'received', body: string): Promise<Element> {
  const copy = await client.expect(
    (el, xml) => el.name === 'message' && xml.includes(`<${kind}`) && xml.includes(body),
  );
  t.match(copy.attrs, { from: client.bare, to: client.jid, type: 'chat' });
  const inner = copy.getChild(kind, NS)?.getChild('forwarded', 'urn:xmpp:forward:0')?.getChild('message');
  if (inner === undefined) throw new Error(`no ${kind} carbon`);
  return inner;
}

const chat = (to: string, body: string, extra = '', type = 'chat'): string =>
  `<message xmlns='jabber:client' to='${to}' type='${type}'><body>${body}</body>${extra}</message>`;

/** Nobody has more than the script took, except the plain deliveries named. */
async function quiet(t: Asserts): Promise<void> {
  await node.settle(romeo, phone, laptop, old);
  for (const client of [phone, laptop, old, romeo]) {
    t.strictSame(
      client.pending('<message').map(({ xml }) => xml),
      [],
      client.resource,
    );
    client.forget();
  }
}

t.test('what one device gets the others with carbons see', async (t) => {
  romeo.send(chat('juliet@localhost', 'to the account'));
  await phone.expect('to the account');
  const copy = await carbon(t, laptop, 'received', 'to the account');
  t.match(copy.attrs, { from: romeo.jid, to: 'juliet@localhost' });
  t.ok(copy.getChild('stanza-id', 'urn:xmpp:sid:0'), 'with its archive id');
  await quiet(t);

  romeo.send(chat(old.jid, 'to the old one'));
  await old.expect('to the old one');
  await carbon(t, phone, 'received', 'to the old one');
  await carbon(t, laptop, 'received', 'to the old one');
  await quiet(t);
});

t.test('what one device sends the others see', async (t) => {
  laptop.send(chat('romeo@localhost', 'from the laptop'));
  await romeo.expect('from the laptop');
  const copy = await carbon(t, phone, 'sent', 'from the laptop');
  t.match(copy.attrs, { from: laptop.jid, to: 'romeo@localhost' });
  await quiet(t);
  old.send(chat(romeo.jid, 'from the old one'));
  await romeo.expect('from the old one');
  await carbon(t, phone, 'sent', 'from the old one');
  await carbon(t, laptop, 'sent', 'from the old one');
  await quiet(t);
});

t.test('private and no-copy messages stay with the device they are for', async (t) => {
  for (const extra of [`<private xmlns='${NS}'/>`, `<no-copy xmlns='urn:xmpp:hints'/>`]) {
    romeo.send(chat(phone.jid, 'psst', extra));
    await phone.expect('psst');
    await quiet(t);
    laptop.send(chat(romeo.jid, 'hush', extra));
    await romeo.expect('hush');
    await quiet(t);
  }
});

t.test('chat states are copied, headlines and empty normal messages are not', async (t) => {
  romeo.send(
    `<message xmlns='jabber:client' to='${phone.jid}' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>`,
  );
  await phone.expect('<composing');
  await carbon(t, laptop, 'received', '<composing');
  await quiet(t);
  romeo.send(chat(phone.jid, 'news', '', 'headline'));
  await phone.expect('news');
  await quiet(t);
});

t.test('carbons can be turned off, and a new stream starts without them', async (t) => {
  t.equal((await laptop.iq('set', `<disable xmlns='${NS}'/>`)).attrs['type'], 'result');
  romeo.send(chat(phone.jid, 'only the phone'));
  await phone.expect('only the phone');
  await quiet(t);
  await laptop.iq('set', `<enable xmlns='${NS}'/>`);
  const fresh = await node.online('juliet', 'fresh');
  await quiet(t);
  fresh.forget();
  romeo.send(chat(phone.jid, 'and the laptop'));
  await phone.expect('and the laptop');
  await carbon(t, laptop, 'received', 'and the laptop');
  await node.settle(romeo, fresh);
  t.strictSame(fresh.pending('<message'), []);
  await fresh.close();
  await quiet(t);
});

t.test('nobody turns on the carbons of somebody else', async (t) => {
  t.not(conditionOf(await romeo.iq('set', `<enable xmlns='${NS}'/>`, 'juliet@localhost')), '');
});

t.test('a carbon that a client made up is not passed on as one of the server', async (t) => {
  const forged =
    `<received xmlns='${NS}'><forwarded xmlns='urn:xmpp:forward:0'>` +
    `<message xmlns='jabber:client' from='nurse@localhost/x' to='juliet@localhost'><body>forged</body></message></forwarded></received>`;
  romeo.send(`<message xmlns='jabber:client' to='${phone.jid}' type='chat'>${forged}</message>`);
  const got = await phone.expect('forged');
  t.equal(got.attrs['from'], romeo.jid, 'it is his, so no client believes it');
});
