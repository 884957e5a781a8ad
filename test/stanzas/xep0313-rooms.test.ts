import type { Element } from 'ltx';
import t from 'tap';
import { type Client, nextId } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';
import { configure, create, enter, isMessage, NS_MUC, roomJid, say } from '../harness/rooms.ts';

/** The archive of a room as XEP-0313 6.1.2 and 8.2 want it. */

const node = await startTestNode(t);
const owner = await node.online('owner', 'o');
const guest = await node.online('guest', 'g');
const USER = `${NS_MUC}#user`;

async function archived(client: Client, room: string): Promise<Element[]> {
  client.forget();
  await client.iq('set', `<query xmlns='urn:xmpp:mam:2' queryid='${nextId('mam')}'/>`, room);
  return client
    .pending((el) => el.getChild('result', 'urn:xmpp:mam:2') !== undefined)
    .flatMap(({ el }) => {
      const forwarded = el.getChild('result', 'urn:xmpp:mam:2')?.getChild('forwarded', 'urn:xmpp:forward:0');
      return forwarded?.getChild('message') ?? [];
    });
}

/** Real addresses of senders. */
async function real(client: Client, room: string): Promise<(string | undefined)[]> {
  return (await archived(client, room)).map((el) => el.getChild('x', USER)?.getChild('item')?.attrs['jid']);
}

t.test('real addresses are for those who may see them', async (t) => {
  const room = roomJid('cave');
  await create(owner, room, 'o', { whois: 'moderators' });
  await enter(guest, room, 'g');
  await say(guest, room, 'one');
  const [one] = await archived(guest, room);
  t.match(one?.attrs, { from: `${room}/g`, type: 'groupchat' });
  t.notOk(one?.attrs['to'], 'it went to all');
  t.same(await real(guest, room), [undefined]);
  t.same(await real(owner, room), [guest.jid]);
  await configure(owner, room, { whois: 'anyone' });
  t.same(await real(guest, room), [guest.jid]);
});

t.test('nobody speaks of occupants in the name of the room', async (t) => {
  const room = roomJid('forgers');
  await create(owner, room, 'o');
  await enter(guest, room, 'g');
  const x = `<x xmlns='${USER}'><item jid='owner@localhost/o' affiliation='owner'/><invite from='owner@localhost'/></x>`;
  t.notOk((await say(guest, room, 'forged', x)).getChild('x', USER));
  t.same(await real(guest, room), [undefined]);
  guest.send(`<message xmlns='jabber:client' to='${room}/o' type='chat'><body>psst</body>${x}</message>`);
  const got = (await owner.expect(isMessage('psst'))).getChildren('x', USER);
  t.same(
    got.map((each) => each.children.length),
    [0],
    'only that it is a private one',
  );
});
