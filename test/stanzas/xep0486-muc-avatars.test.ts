import { createHash } from 'node:crypto';
import t from 'tap';
import { type Client, conditionOf } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';
import { codesOf, create, enter, NS_MUC, ROOMS, roomJid } from '../harness/rooms.ts';

const node = await startTestNode(t);
const owner = await node.online('owner', 'o');
const guest = await node.online('guest', 'g');
const room = roomJid('garden');
const bytes = Buffer.from('a picture');
const photo = `<PHOTO><TYPE>image/png</TYPE><BINVAL>${bytes.toString('base64')}</BINVAL></PHOTO>`;
const card = (inner: string): string => `<vCard xmlns='vcard-temp'>${inner}</vCard>`;
const info = async (client: Client, of: string): Promise<string> =>
  String(await client.iq('get', `<query xmlns='http://jabber.org/protocol/disco#info'/>`, of));
const changed = (el: Parameters<typeof codesOf>[0]): boolean => el.name === 'message' && codesOf(el).includes(104);

t.test('an owner gives the room an avatar, and takes it away; all may see it', async (t) => {
  await create(owner, room, 'o');
  await enter(guest, room, 'g');
  t.match(await info(guest, ROOMS), 'vcard-temp');
  t.match(await info(guest, room), 'vcard-temp');
  t.notMatch(await info(guest, room), 'avatarhash');
  t.equal(conditionOf(await guest.iq('get', card(''), room)), 'item-not-found');
  t.equal(conditionOf(await guest.iq('set', card(photo), room)), 'forbidden');
  t.equal(conditionOf(await owner.iq('set', card(`<NOTE>${'x'.repeat(70_000)}</NOTE>`), room)), 'policy-violation');
  t.equal((await owner.iq('set', card(photo), room)).attrs['type'], 'result');
  await guest.expect(changed, 'a change of the configuration');
  const hash = createHash('sha1').update(bytes).digest('hex');
  t.match(await info(guest, room), new RegExp(`var=.muc#roominfo_avatarhash.*${hash}`));
  t.match((await guest.iq('get', card(''), room)).toString(), bytes.toString('base64'));
  await node.restart();
  const again = await node.online('guest', 'g');
  t.match(await info(again, room), hash, 'it outlives a restart');
  const host = await node.online('owner', 'o');
  t.equal((await host.iq('set', card(''), room)).attrs['type'], 'result');
  t.notMatch(await info(again, room), 'avatarhash');
});

t.test('it goes with the room', async (t) => {
  const host = await node.online('owner', 'o2');
  const other = roomJid('other-garden');
  await create(host, other, 'o');
  await host.iq('set', card(photo), other);
  await host.iq('set', `<query xmlns='${NS_MUC}#owner'><destroy/></query>`, other);
  await create(host, other, 'o');
  t.equal(conditionOf(await host.iq('get', card(''), other)), 'item-not-found');
});
