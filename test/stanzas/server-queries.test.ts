import type { Element } from 'ltx';
import t from 'tap';
import { type Client, conditionOf } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';

/** XEP-0030, 0012, 0092, 0115, 0199, 0202: what a client asks of the server and of accounts. */
const node = await startTestNode(t);
const INFO = 'http://jabber.org/protocol/disco#info';
const ITEMS = 'http://jabber.org/protocol/disco#items';

const featuresOf = (iq: Element): string[] =>
  (iq.getChild('query', INFO)?.getChildren('feature') ?? []).map((one) => one.attrs['var'] ?? '');

/** The asked one lets the asker see its presence. */
async function letSee(asker: Client, asked: Client): Promise<void> {
  await asker.iq('get', `<query xmlns='jabber:iq:roster'/>`);
  asker.send(`<presence xmlns='jabber:client' type='subscribe' to='${asked.bare}'/>`);
  await asked.expect('type="subscribe"');
  asked.send(`<presence xmlns='jabber:client' type='subscribed' to='${asker.bare}'/>`);
  await asker.expect('type="subscribed"');
}

t.test('disco tells what the server is and does, and what an account does', async (t) => {
  const romeo = await node.online('romeo', 'orchard');
  const server = await romeo.iq('get', `<query xmlns='${INFO}'/>`, 'localhost');
  t.match(server.getChild('query', INFO)?.getChild('identity')?.attrs, { category: 'server', type: 'im' });
  for (const ns of [
    INFO,
    ITEMS,
    'urn:xmpp:ping',
    'jabber:iq:version',
    'jabber:iq:last',
    'urn:xmpp:time',
    'jabber:iq:register',
    'urn:xmpp:carbons:2',
    'jabber:iq:roster',
  ])
    t.ok(featuresOf(server).includes(ns), ns);
  const account = await romeo.iq('get', `<query xmlns='${INFO}'/>`, 'romeo@localhost');
  t.match(account.getChild('query', INFO)?.getChild('identity')?.attrs, { category: 'account', type: 'registered' });
  for (const ns of ['urn:xmpp:mam:2', 'urn:xmpp:mam:2#extended', 'urn:xmpp:sid:0'])
    t.ok(featuresOf(account).includes(ns), ns);
  for (const to of ['localhost', 'romeo@localhost']) {
    const items = await romeo.iq('get', `<query xmlns='${ITEMS}'/>`, to);
    t.equal(items.attrs['type'], 'result', `items of ${to}`);
  }
  t.equal(conditionOf(await romeo.iq('get', `<query xmlns='${INFO}' node='nowhere'/>`, 'localhost')), 'item-not-found');
});

t.test('the caps in the stream features are those of disco', async (t) => {
  const romeo = await node.login('romeo', 'caps');
  const [, nodeName, ver] = /<c [^>]*node='([^']+)'[^>]*ver='([^']+)'/.exec(romeo.features) ?? [];
  t.ok(ver, romeo.features);
  const info = await romeo.iq('get', `<query xmlns='${INFO}' node='${nodeName}#${ver}'/>`, 'localhost');
  t.equal(info.attrs['type'], 'result');
});

t.test('disco of an account is for those who see its presence', async (t) => {
  const juliet = await node.online('juliet', 'balcony');
  const romeo = await node.online('romeo', 'asker');
  const before = await romeo.iq('get', `<query xmlns='${INFO}'/>`, 'juliet@localhost');
  const nobody = await romeo.iq('get', `<query xmlns='${INFO}'/>`, 'nobody@localhost');
  t.equal(conditionOf(before), 'service-unavailable');
  t.equal(conditionOf(nobody), conditionOf(before));
  await letSee(romeo, juliet);
  t.ok(featuresOf(await romeo.iq('get', `<query xmlns='${INFO}'/>`, 'juliet@localhost')).length > 0);
});

t.test('ping, version and time are answered', async (t) => {
  const romeo = await node.online('romeo', 'ping');
  for (const to of [undefined, 'localhost', 'romeo@localhost'])
    t.equal((await romeo.iq('get', `<ping xmlns='urn:xmpp:ping'/>`, to)).attrs['type'], 'result', `ping ${to}`);
  const version = (await romeo.iq('get', `<query xmlns='jabber:iq:version'/>`, 'localhost')).getChild('query');
  t.equal(version?.getChildText('name'), 'Rookery');
  t.ok(version?.getChildText('version'));
  const time = (await romeo.iq('get', `<time xmlns='urn:xmpp:time'/>`, 'localhost')).getChild('time');
  t.match(time?.getChildText('tzo'), /^(?:Z|[+-]\d\d:\d\d)$/);
  t.match(time?.getChildText('utc'), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/);
});

t.test('last activity: uptime of the server, absence of a contact, nothing for a stranger', async (t) => {
  const last = `<query xmlns='jabber:iq:last'/>`;
  const romeo = await node.online('romeo', 'last');
  const uptime = await romeo.iq('get', last, 'localhost');
  t.match(uptime.getChild('query')?.attrs['seconds'], /^\d+$/);
  const nurse = await node.online('nurse', 'house');
  const stranger = await romeo.iq('get', last, 'nurse@localhost');
  t.equal(conditionOf(stranger), 'forbidden', 'by section 4, whoever asks');
  await letSee(romeo, nurse);
  t.equal((await romeo.iq('get', last, 'nurse@localhost')).getChild('query')?.attrs['seconds'], '0', 'she is there');
  await nurse.close();
  await romeo.expect((el) => el.attrs['from'] === nurse.jid && el.attrs['type'] === 'unavailable');
  const seconds = (await romeo.iq('get', last, 'nurse@localhost')).getChild('query')?.attrs['seconds'];
  t.match(seconds, /^\d$/, 'she left a moment ago');
});
