import { createHash } from 'node:crypto';
import type { Element } from 'ltx';
import t from 'tap';
import { startTestNode } from '../harness/node.ts';
import { befriend, getItems, Interested, itemsOf, publish } from '../harness/pubsub.ts';
import { create, enter, roomJid } from '../harness/rooms.ts';

/** XEP-0398: an avatar of the old kind (XEP-0153) is one of the new (XEP-0084), and the other way round. */

const DATA = 'urn:xmpp:avatar:data';
const METADATA = 'urn:xmpp:avatar:metadata';
const VCARD = `<vCard xmlns='vcard-temp'/>`;
const image = (name: string): { readonly base64: string; readonly hash: string } => {
  const bytes = Buffer.from(`an image of ${name}`);
  return { base64: bytes.toString('base64'), hash: createHash('sha1').update(bytes).digest('hex') };
};
const hashIn = (presence: Element): string | undefined =>
  presence.getChild('x', 'vcard-temp:x:update')?.getChildText('photo') ?? undefined;
const photoIn = (iq: Element): string | undefined =>
  iq.getChild('vCard', 'vcard-temp')?.getChild('PHOTO')?.getChildText('BINVAL') ?? undefined;

const node = await startTestNode(t);
const juliet = await node.online('juliet', 'chamber');
const romeo = await node.online('romeo', 'orchard');
await befriend(juliet, romeo);
const hears = (hash: string) => (el: Element) =>
  el.name === 'presence' && el.attrs['from'] === juliet.jid && hashIn(el) === hash;

t.test('disco says so', async (t) => {
  const info = await juliet.iq('get', `<query xmlns='http://jabber.org/protocol/disco#info'/>`, juliet.bare);
  const features = info.getChild('query')?.getChildren('feature') ?? [];
  t.ok(features.some(({ attrs }) => attrs['var'] === 'urn:xmpp:pep-vcard-conversion:0'));
});

t.test('from the vCard to the nodes, with the hash for contacts and rooms, over a restart', async (t) => {
  const { base64, hash } = image('a rose');
  const watcher = new Interested(await node.login('romeo', 'new'), [METADATA]);
  await watcher.available();
  const photo = `<PHOTO><TYPE>image/png</TYPE><BINVAL>${base64}</BINVAL></PHOTO>`;
  await juliet.iq('set', `<vCard xmlns='vcard-temp'><FN>Juliet</FN>${photo}</vCard>`);
  await romeo.expect(hears(hash), 'the hash in her presence');
  t.match(itemsOf(await watcher.event(METADATA)), [`${hash}=`]);
  t.same(itemsOf(await getItems(romeo, DATA, juliet.bare, `<item id='${hash}'/>`)), [`${hash}=${base64}`]);

  const room = roomJid('ball');
  await create(romeo, room, 'romeo');
  await enter(juliet, room, 'juliet');
  const there = await romeo.expect((el) => el.name === 'presence' && el.attrs['from'] === `${room}/juliet`);
  t.equal(hashIn(there), hash);
  t.equal(photoIn(await romeo.iq('get', VCARD, `${room}/juliet`)), base64, 'and who asks the nick gets it');

  await node.restart();
  const again = await node.online('juliet', 'again');
  const got = await again.iq('get', VCARD);
  t.equal(photoIn(got), base64);
  t.equal(got.getChild('vCard')?.getChildText('FN'), 'Juliet');
  again.send(`<presence xmlns='jabber:client'><show>away</show></presence>`);
  t.equal(hashIn(await again.expect((el) => el.name === 'presence' && el.getChildText('show') === 'away')), hash);
});

t.test('from the nodes to the vCard', async (t) => {
  const benvolio = await node.online('benvolio', 'street');
  const stranger = await node.online('tybalt', 'street');
  const { base64, hash } = image('a sword');
  const options = { access_model: 'open' };
  await publish(benvolio, DATA, { id: hash, payload: `<data xmlns='${DATA}'>${base64}</data>`, options });
  const info = `<metadata xmlns='${METADATA}'><info bytes='9' id='${hash}' type='image/png'/></metadata>`;
  await publish(benvolio, METADATA, { id: hash, payload: info, options });
  const own = (el: Element): boolean => el.name === 'presence' && hashIn(el) === hash;
  await benvolio.expect(own, 'the own devices hear of it as well');
  t.equal(photoIn(await stranger.iq('get', VCARD, benvolio.bare)), base64);
  await publish(benvolio, METADATA, { id: 'off', payload: `<metadata xmlns='${METADATA}'/>` });
  await benvolio.expect((el) => el.name === 'presence' && hashIn(el) === '', 'there is none any more');
  t.equal(photoIn(await stranger.iq('get', VCARD, benvolio.bare)), undefined);
});
