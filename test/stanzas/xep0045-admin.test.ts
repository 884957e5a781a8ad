import type { Element } from 'ltx';
import t from 'tap';
import { type Client, conditionOf, nextId } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';
import {
  administer,
  archiveOf,
  codesOf,
  configure,
  create,
  enter,
  groupchat,
  isMessage,
  itemOf,
  NS_MUC,
  roomJid,
  say,
} from '../harness/rooms.ts';

const node = await startTestNode(t, { groups: { membersMax: 4 } });
const owner = await node.online('owner', 'o');
const admin = await node.online('admin', 'a');
const member = await node.online('member', 'm');
const guest = await node.online('guest', 'g');
const everybody = [owner, admin, member, guest];

const left = (room: string, nick: string) => (el: Element) =>
  el.name === 'presence' && el.attrs['from'] === `${room}/${nick}` && el.attrs['type'] === 'unavailable';
const item = (jid: string, affiliation: string, inner = '') =>
  `<item jid='${jid}' affiliation='${affiliation}'>${inner}</item>`;
const role = (nick: string, role: string, inner = '') => `<item nick='${nick}' role='${role}'>${inner}</item>`;
const isError = (el: Element) => el.attrs['type'] === 'error';

/** What the inbox (XEP-0430) says of a chat. */
async function inboxOf(client: Client, jid: string) {
  await client.iq('get', `<inbox xmlns='urn:xmpp:inbox:1'/>`);
  const isEntry = (el: Element) => el.getChild('entry', 'urn:xmpp:inbox:1')?.attrs['jid'] === jid;
  const entry = await client.expect(isEntry, `the inbox entry of ${jid}`);
  const message = entry
    .getChild('result', 'urn:xmpp:mam:2')
    ?.getChild('forwarded', 'urn:xmpp:forward:0')
    ?.getChild('message');
  return {
    attrs: entry.getChild('entry')?.attrs,
    body: message?.getChildText('body'),
    from: message?.attrs['from'],
  };
}

async function refusedToEnter(client: Client, room: string, nick: string, inner = ''): Promise<string> {
  client.send(`<presence xmlns='jabber:client' to='${room}/${nick}'><x xmlns='${NS_MUC}'>${inner}</x></presence>`);
  return conditionOf(await client.expect((el) => el.name === 'presence' && isError(el)));
}

t.afterEach(() => {
  for (const client of everybody) client.forget();
});

t.test('affiliations: who may give which, and what they are worth', async (t) => {
  const room = roomJid('ranks');
  await create(owner, room, 'o');
  const set = async (by: Client, ...items: string[]) => {
    const answer = await administer(by, room, ...items);
    return answer.attrs['type'] === 'result' ? 'done' : conditionOf(answer);
  };
  t.equal(await set(owner, item(admin.bare, 'admin'), item(member.bare, 'member')), 'done');
  const table: [what: string, by: Client, items: string[], outcome: string][] = [
    ['a member gives nothing', member, [item(guest.bare, 'member')], 'forbidden'],
    ['a stranger neither', guest, [item(guest.bare, 'owner')], 'forbidden'],
    ['an administrator makes no administrators', admin, [item(member.bare, 'admin')], 'not-allowed'],
    ['nor touches an owner', admin, [item(owner.bare, 'none')], 'not-allowed'],
    ['nor makes himself one', admin, [item(admin.bare, 'owner')], 'not-allowed'],
    ['all or nothing', owner, [item(guest.bare, 'member'), item('nobody@elsewhere.org', 'member')], 'not-acceptable'],
    ['an unknown affiliation', owner, [item(guest.bare, 'king')], 'bad-request'],
    ['no address', owner, [item('a@@b', 'member')], 'jid-malformed'],
    ['an owner stays', owner, [item(owner.bare, 'member')], 'conflict'],
    ['unless another comes', owner, [item(owner.bare, 'admin'), item(admin.bare, 'owner')], 'done'],
    ['who may undo it', admin, [item(owner.bare, 'owner'), item(admin.bare, 'admin')], 'done'],
    ['an administrator steps down', admin, [item(admin.bare, 'member')], 'done'],
    ['as many as the group may have', owner, [item('x1@localhost', 'member')], 'done'],
  ];
  for (const [what, by, items, outcome] of table) t.equal(await set(by, ...items), outcome, what);
  await administer(owner, room, item('x2@localhost', 'member'));
  const list = await owner.iq('get', `<query xmlns='${NS_MUC}#admin'><item affiliation='member'/></query>`, room);
  const members = list
    .getChild('query')
    ?.getChildren('item')
    .map((one) => one.attrs['jid']);
  t.equal((members?.length ?? 0) + 1, 4, 'one more than the group may have is not taken');
  t.notMatch(list.toString(), /role=/, 'roles are of those who are here: clients mistake them for something else');
  t.equal(
    conditionOf(await guest.iq('get', `<query xmlns='${NS_MUC}#admin'><item affiliation='outcast'/></query>`, room)),
    'forbidden',
  );
});

t.test('roles: kick, voice, moderator', async (t) => {
  const room = roomJid('roles');
  await create(owner, room, 'o', { moderatedroom: '1' });
  await administer(owner, room, item(admin.bare, 'admin'));
  t.match(itemOf(await enter(guest, room, 'g')), { role: 'visitor' });
  t.match(itemOf(await enter(admin, room, 'a')), { role: 'moderator' });
  guest.send(groupchat(room, 'may I?'));
  t.equal(conditionOf(await guest.expect((el) => el.name === 'message' && isError(el))), 'forbidden');
  t.equal((await administer(admin, room, role('g', 'participant'))).attrs['type'], 'result');
  t.match(itemOf(await guest.expect((el) => itemOf(el)['role'] === 'participant')), { affiliation: 'none' });
  await say(guest, room, 'thank you');
  t.equal(conditionOf(await administer(guest, room, role('a', 'none'))), 'forbidden');
  t.equal((await configure(owner, room, { moderatedroom: '0' })).attrs['type'], 'result');
  t.equal((await administer(admin, room, role('g', 'visitor'))).attrs['type'], 'result', 'in any room');
  t.match(itemOf(await guest.expect((el) => itemOf(el)['role'] === 'visitor')), { affiliation: 'none' });
  guest.send(groupchat(room, 'may I again?'));
  t.equal(conditionOf(await guest.expect((el) => el.name === 'message' && isError(el))), 'forbidden');
  t.equal(conditionOf(await administer(admin, room, role('o', 'none'))), 'not-allowed');
  t.equal(conditionOf(await administer(admin, room, role('x', 'none'))), 'item-not-found');
  t.equal((await administer(admin, room, role('g', 'none', '<reason>Avaunt</reason>'))).attrs['type'], 'result');
  const kicked = await guest.expect(left(room, 'g'));
  t.same(codesOf(kicked), [110, 307]);
  t.equal(kicked.getChild('x', `${NS_MUC}#user`)?.getChild('item')?.getChildText('reason'), 'Avaunt');
  t.same(codesOf(await owner.expect(left(room, 'g'))), [307]);
  guest.send(groupchat(room, 'still?'));
  t.equal(conditionOf(await guest.expect((el) => el.name === 'message' && isError(el))), 'not-acceptable');
});

t.test('a ban ends presence and membership, until it is lifted', async (t) => {
  const room = roomJid('ban');
  await create(owner, room, 'o');
  await enter(guest, room, 'g');
  await administer(owner, room, item(guest.bare, 'outcast', '<reason>Treason</reason>'));
  t.same(codesOf(await guest.expect(left(room, 'g'))), [110, 301]);
  t.equal(await refusedToEnter(guest, room, 'g'), 'forbidden');
  const bans = await owner.iq('get', `<query xmlns='${NS_MUC}#admin'><item affiliation='outcast'/></query>`, room);
  t.match(bans.toString(), /guest@localhost.*Treason/);
  t.notMatch(bans.toString(), /role=|nick=/, 'XEP-0045 9.2');
  t.equal(conditionOf(await administer(owner, room, item(owner.bare, 'outcast'))), 'conflict');
  await administer(owner, room, item(guest.bare, 'none'));
  t.match(itemOf(await enter(guest, room, 'g')), { affiliation: 'none' });
});

t.test('members only: others are kept out, and leave when it becomes so', async (t) => {
  const room = roomJid('closed');
  await create(owner, room, 'o');
  await enter(guest, room, 'g');
  await administer(owner, room, item(member.bare, 'member'));
  await enter(member, room, 'm');
  await configure(owner, room, { membersonly: '1' });
  t.same(codesOf(await guest.expect(left(room, 'g'))), [110, 322]);
  t.equal(await refusedToEnter(guest, room, 'g'), 'registration-required');
  await administer(owner, room, item(member.bare, 'none'));
  t.same(codesOf(await member.expect(left(room, 'm'))), [110, 321]);
  t.equal(await refusedToEnter(member, room, 'm'), 'registration-required');
});

t.test('a password, and a full room', async (t) => {
  const room = roomJid('secret');
  await create(owner, room, 'o', { roomsecret: 'cauldron', passwordprotectedroom: '1', maxusers: '2' });
  t.equal(await refusedToEnter(guest, room, 'g'), 'not-authorized');
  t.equal(await refusedToEnter(guest, room, 'g', '<password>kettle</password>'), 'not-authorized');
  await enter(guest, room, 'g', '<password>cauldron</password>');
  t.equal(await refusedToEnter(member, room, 'm', '<password>cauldron</password>'), 'service-unavailable');
  await administer(owner, room, item(admin.bare, 'admin'));
  await enter(admin, room, 'a', '<password>cauldron</password>');
});

t.test(
  'members get everything in their inbox and the archive from the moment they are added, until they are taken out',
  async (t) => {
    const room = roomJid('family');
    await create(owner, room, 'o', { membersonly: '1' });
    await say(owner, room, 'before');
    await administer(owner, room, item(member.bare, 'member'));
    const invitation = await member.expect((el) => el.getChild('x', 'jabber:x:conference') !== undefined);
    t.equal(invitation.getChild('x', 'jabber:x:conference')?.attrs['jid'], room);
    t.equal(invitation.attrs['from'], room);
    t.equal(invitation.getChild('x', `${NS_MUC}#user`)?.getChild('invite')?.attrs['from'], owner.bare);
    const bookmarks = await member.iq(
      'get',
      `<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'/></pubsub>`,
    );
    const items = bookmarks.getChild('pubsub')?.getChild('items')?.getChildren('item') ?? [];
    const bookmark = items.find(({ attrs }) => attrs['id'] === room);
    t.ok(bookmark, 'their clients find it among the bookmarks');
    t.match(bookmark?.getChild('conference')?.attrs, { autojoin: 'true' });
    await say(owner, room, 'during 1');
    await say(owner, room, 'during 2');
    t.same((await archiveOf(member, room)).bodies, ['during 1', 'during 2'], 'who never entered has it in the archive');
    const page = await archiveOf(
      member,
      room,
      {},
      `<set xmlns='http://jabber.org/protocol/rsm'><max>1</max><before/></set>`,
    );
    t.same(page.bodies, ['during 2']);
    t.match(page.answer.toString(), /<count>2<\/count>/);
    t.same((await archiveOf(owner, room)).bodies, ['before', 'during 1', 'during 2']);
    t.same(page.ids, (await archiveOf(owner, room)).ids.slice(-1), 'one id for all');
    t.equal(conditionOf((await archiveOf(guest, room)).answer), 'forbidden');
    const inbox = await inboxOf(member, room);
    t.match(inbox.attrs, { unread: '2', id: page.ids[0] }, 'and in the inbox, unread');
    t.equal(inbox.body, 'during 2');
    t.equal(inbox.from, `${room}/o`);
    await enter(member, room, 'm');
    await member.expect(isMessage('during 2'));
    const marker = `<displayed xmlns='urn:xmpp:chat-markers:0' id='${page.ids[0]}'/>`;
    member.send(`<message xmlns='jabber:client' to='${room}' type='groupchat' id='seen'>${marker}</message>`);
    await owner.expect('chat-markers');
    t.match((await inboxOf(member, room)).attrs, { unread: '0' }, 'until some device has displayed it');
    const marks = await member.iq(
      'get',
      `<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:mds:displayed:0'/></pubsub>`,
    );
    t.match(marks.toString(), new RegExp(`id=.${room}.*id=.${page.ids[0]}.`), 'and told to all devices (XEP-0490)');
    t.equal(member.pending(isMessage('before')).length, 0, 'nor is it told at the door');
    await administer(owner, room, item(member.bare, 'none'));
    await member.expect(left(room, 'm'));
    await say(owner, room, 'after');
    t.equal(conditionOf((await archiveOf(member, room)).answer), 'forbidden');
    await administer(owner, room, item(member.bare, 'member'));
    await say(owner, room, 'again');
    t.same((await archiveOf(member, room)).bodies, ['again']);
    await configure(owner, room, { '{urn:rookery:muc}roomconfig_pastfornew': '1' });
    t.same(
      (await archiveOf(member, room)).bodies,
      ['before', 'during 1', 'during 2', '', 'after', 'again'],
      'the group may say otherwise',
    );
    await node.settle(owner, member);
    for (const body of ['after', 'again'])
      t.same(member.pending(isMessage(body)), [], 'nothing live to who is not there');
  },
);

t.test('the archive is asked by time and ids, and not by correspondent', async (t) => {
  const room = roomJid('annals');
  await create(owner, room, 'o');
  for (const n of [1, 2, 3, 4]) await say(owner, room, `m${n}`);
  const { ids } = await archiveOf(owner, room);
  t.equal(ids.length, 4);
  t.same((await archiveOf(owner, room, { 'after-id': ids[1] ?? '' })).bodies, ['m3', 'm4']);
  t.same((await archiveOf(owner, room, { ids: ids[2] ?? '' })).bodies, ['m3']);
  t.same((await archiveOf(owner, room, { end: '2001-01-01T00:00:00Z' })).bodies, []);
  t.equal(conditionOf((await archiveOf(owner, room, { with: owner.bare })).answer), 'feature-not-implemented');
  t.equal(conditionOf((await archiveOf(owner, room, { 'after-id': '77' })).answer), 'item-not-found');
  const metadata = await owner.iq('get', `<metadata xmlns='urn:xmpp:mam:2'/>`, room);
  t.equal(metadata.getChild('metadata')?.getChild('start')?.attrs['id'], ids[0]);
});

t.test('private messages go between two, are kept for both, and show the room', async (t) => {
  const room = roomJid('whispers');
  await create(owner, room, 'o');
  await enter(guest, room, 'g');
  const id = nextId('pm');
  owner.send(`<message xmlns='jabber:client' to='${room}/g' type='chat' id='${id}'><body>psst</body></message>`);
  const got = await guest.expect(isMessage('psst'));
  t.match(got.attrs, { from: `${room}/o`, to: guest.jid, type: 'chat' });
  t.ok(got.getChild('x', `${NS_MUC}#user`));
  t.same((await archiveOf(guest, guest.bare)).bodies, ['psst']);
  t.ok((await archiveOf(owner, owner.bare)).bodies.includes('psst'));
  await node.settle(admin);
  t.equal(admin.pending(isMessage('psst')).length, 0);
  const refusal = async (to: string) => {
    guest.send(`<message xmlns='jabber:client' to='${room}/${to}' type='chat'><body>x</body></message>`);
    return conditionOf(await guest.expect((el) => el.name === 'message' && isError(el)));
  };
  t.equal(await refusal('nobody'), 'item-not-found');
  await configure(owner, room, { allowpm: 'moderators' });
  t.equal(await refusal('o'), 'forbidden');
});

t.test('invitations through the room reach who is away, and a refusal goes back', async (t) => {
  const room = roomJid('party');
  await create(owner, room, 'o', { membersonly: '1', roomsecret: 'key', passwordprotectedroom: '1' });
  await node.users('away');
  const mediated = (to: string, reason = 'Hey') =>
    `<message xmlns='jabber:client' to='${room}'><x xmlns='${NS_MUC}#user'><invite to='${to}'><reason>${reason}</reason></invite></x></message>`;
  owner.send(mediated('away@localhost'));
  await node.settle(owner);
  const away = await node.online('away', 'w');
  const got = await away.expect((el) => el.attrs['from'] === room);
  t.match(got.getChild('x', `${NS_MUC}#user`)?.toString(), /from=.owner@localhost.*Hey.*key/);
  t.match(itemOf(await enter(away, room, 'w', '<password>key</password>')), { affiliation: 'member' });
  away.send(
    `<message xmlns='jabber:client' to='${room}'><x xmlns='${NS_MUC}#user'><decline to='${owner.bare}'><reason>Too busy</reason></decline></x></message>`,
  );
  t.match(
    (await owner.expect((el) => el.name === 'message' && el.toString().includes('decline'))).toString(),
    'Too busy',
  );
  guest.send(mediated('x@localhost'));
  t.equal(conditionOf(await guest.expect((el) => el.name === 'message' && isError(el))), 'not-acceptable');
  await configure(owner, room, { allowinvites: '0' });
  away.send(mediated('member@localhost'));
  t.equal(conditionOf(await away.expect((el) => el.name === 'message' && isError(el))), 'forbidden');
});

t.test('a destroyed room says where to go, takes its archive along, and may be made anew', async (t) => {
  const room = roomJid('doomed');
  await create(owner, room, 'o');
  await administer(owner, room, item(member.bare, 'member'));
  await enter(guest, room, 'g');
  await say(owner, room, 'old times');
  const venue = roomJid('heath');
  const destroy = `<query xmlns='${NS_MUC}#owner'><destroy jid='${venue}'><reason>Macbeth</reason></destroy></query>`;
  t.equal(conditionOf(await guest.iq('set', destroy, room)), 'forbidden');
  t.equal((await owner.iq('set', destroy, room)).attrs['type'], 'result');
  const told = (await guest.expect(left(room, 'g'))).getChild('x', `${NS_MUC}#user`)?.getChild('destroy');
  t.equal(told?.attrs['jid'], venue);
  t.equal(told?.getChildText('reason'), 'Macbeth');
  t.equal(conditionOf((await archiveOf(owner, room)).answer), 'item-not-found');
  await create(guest, room, 'g');
  t.same((await archiveOf(guest, room)).bodies, []);
  await say(guest, room, 'new times');
  await administer(guest, room, item(member.bare, 'member'));
  await say(guest, room, 'welcome');
  t.same((await archiveOf(guest, room)).bodies, ['new times', 'welcome']);
  await node.settle(guest, member);
});

t.test('non-anonymous rooms show who is who, and say so', async (t) => {
  const room = roomJid('open');
  await create(owner, room, 'o', { whois: 'anyone' });
  const self = await enter(guest, room, 'g');
  t.same(codesOf(self), [100, 110, 170]);
  t.equal(itemOf(await guest.expect((el) => el.attrs['from'] === `${room}/o`))['jid'], owner.jid);
  await configure(owner, room, { whois: 'moderators' });
  t.same(codesOf(await guest.expect((el) => codesOf(el).includes(173))), [173]);
});

t.test('who may see the lists of affiliations', async (t) => {
  const room = roomJid('lists');
  await create(owner, room, 'o', { membersonly: '1' });
  await administer(owner, room, item(admin.bare, 'admin'), item(member.bare, 'member'));
  await enter(member, room, 'm');
  const lists = ['owner', 'admin', 'member', 'outcast'];
  const seen = async (client: Client): Promise<string[]> => {
    const given: string[] = [];
    for (const one of lists) {
      const query = `<query xmlns='${NS_MUC}#admin'><item affiliation='${one}'/></query>`;
      const answer = await client.iq('get', query, room);
      if (answer.attrs['type'] === 'result') given.push(one);
      else t.equal(conditionOf(answer), 'forbidden');
    }
    return given;
  };
  t.same(await seen(owner), lists);
  t.same(
    await seen(admin),
    ['member', 'outcast'],
    'XEP-0045 10.5, 10.8: in semi-anonymous rooms the others are for owners',
  );
  t.same(await seen(member), [], 'addresses are hidden from members, so are lists of them');
  t.same(await seen(guest), []);
  await configure(owner, room, { whois: 'anyone' });
  t.same(await seen(member), ['owner', 'admin', 'member'], 'XEP-0045 9.5');
  t.same(await seen(guest), []);
});

t.test('an account that is removed leaves its groups', async (t) => {
  const room = roomJid('mourning');
  await create(owner, room, 'o');
  const brief = await node.online('brief', 'b');
  await administer(owner, room, item(brief.bare, 'member'));
  await enter(brief, room, 'b');
  await say(owner, room, 'hello');
  await brief.iq('set', `<query xmlns='jabber:iq:register'><remove/></query>`);
  await owner.expect(left(room, 'b'));
  await node.settle(owner);
  const list = await owner.iq('get', `<query xmlns='${NS_MUC}#admin'><item affiliation='member'/></query>`, room);
  t.notMatch(list.toString(), 'brief@localhost');
});
