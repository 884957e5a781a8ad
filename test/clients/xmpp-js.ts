/**
 * The stock library `@xmpp/client` against a node, or nodes. Nothing here knows more of the server than its address.
 */
import type { XmppClient } from '@xmpp/client';
import type { Element } from 'ltx';
import type { Test } from 'tap';
import './quiet-socket.ts';
import type { Scenario, Site } from './site.ts';
import { until } from './until.ts';
import { WireClient } from './wire-client.ts';

// Not before the socket it takes from the global scope is there.
const { client, xml: element } = await import('@xmpp/client');

export const xml: typeof element = element;

const NS = {
  register: 'jabber:iq:register',
  roster: 'jabber:iq:roster',
  carbons: 'urn:xmpp:carbons:2',
  mam: 'urn:xmpp:mam:2',
  rsm: 'http://jabber.org/protocol/rsm',
  sid: 'urn:xmpp:sid:0',
  forward: 'urn:xmpp:forward:0',
};

export interface Device {
  readonly xmpp: XmppClient;
  readonly messages: Element[];
  readonly presences: Element[];
  /** roster pushes */
  readonly pushes: Element[];
}

const password = (user: string) => `secret of ${user}`;

export async function device(t: Test, url: string, user: string, resource: string, register = false): Promise<Device> {
  const xmpp: XmppClient = client({
    service: url,
    domain: 'localhost',
    resource,
    credentials: async (authenticate, mechanisms) => {
      if (register) await xmpp.iqCaller.set(registration(user));
      register = false;
      await authenticate({ username: user, password: password(user) }, mechanisms[0]!);
    },
  });
  // Reconnecting meets a server that is not back yet: told as an error each time.
  xmpp.on('error', () => {});
  xmpp.reconnect.delay = 50;
  const one: Device = { xmpp, messages: [], presences: [], pushes: [] };
  xmpp.on('stanza', (stanza: Element) => {
    if (stanza.name === 'message') one.messages.push(stanza);
    else if (stanza.name === 'presence') one.presences.push(stanza);
    else if (stanza.getChild('query', NS.roster) && stanza.attrs['type'] === 'set') one.pushes.push(stanza);
  });
  // Not after a resumption: that goes on where it was.
  xmpp.on('online', () => void xmpp.send(xml('presence')));
  t.teardown(() => xmpp.stop());
  await xmpp.start();
  await ready(xmpp);
  return one;
}

/** `online` comes before stream management is on again; what is sent in between, the library does not keep. */
export async function ready(xmpp: XmppClient): Promise<void> {
  await until('stream management', () => xmpp.streamManagement.enabled);
}

function registration(user: string) {
  return xml('query', NS.register, xml('username', {}, user), xml('password', {}, password(user)));
}

function chat(to: string, id: string, body = id) {
  return xml('message', { type: 'chat', to, id }, xml('body', {}, body), xml('origin-id', { xmlns: NS.sid, id }));
}

export const bodies = (one: Device) =>
  one.messages.map((message) => message.getChildText('body')).filter((body) => body);

/** The whole archive, as bodies. */
async function archive(one: Device): Promise<(string | null)[]> {
  const before = one.messages.length;
  const max = xml('set', NS.rsm, xml('max', {}, '250'));
  const answer = await one.xmpp.iqCaller.request(xml('iq', { type: 'set' }, xml('query', NS.mam, max)));
  if (answer.getChild('fin', NS.mam)?.attrs['complete'] !== 'true') throw new Error('more than one page');
  // What comes in from elsewhere meanwhile is not of the archive.
  const results = one.messages.splice(before).flatMap((message) => message.getChildren('result', NS.mam));
  return results.map((result) => inner(result)?.getChildText('body') ?? null);
}

export const inner = (wrapper: Element | undefined) => wrapper?.getChild('forwarded', NS.forward)?.getChild('message');

const jidsOf = (site: Site) => ['romeo', 'juliet'].map((name) => `${site.user(name)}@localhost`) as [string, string];

async function talk(t: Test, site: Site): Promise<void> {
  const [his, hers] = jidsOf(site);
  const romeo = await device(t, site.hop.url, site.user('romeo'), 'orchard', true);
  const juliet = await device(t, site.url(1), site.user('juliet'), 'balcony', true);

  const roster = await romeo.xmpp.iqCaller.get(xml('query', NS.roster));
  t.same(roster.getChildren('item'), [], 'a new roster is empty');
  await juliet.xmpp.iqCaller.get(xml('query', NS.roster));
  await romeo.xmpp.send(xml('presence', { to: hers, type: 'subscribe' }));
  await until('the request', () => juliet.presences.some(({ attrs }) => attrs['type'] === 'subscribe'));
  await juliet.xmpp.send(xml('presence', { to: his, type: 'subscribed' }));
  await until('her presence', () => romeo.presences.some(({ attrs }) => attrs['from'] === `${hers}/balcony`));
  await until('the roster push', () => romeo.pushes.some((push) => push.toString().includes('subscription="to"')));

  await romeo.xmpp.send(chat(hers, 'r1', 'She speaks! <&> \u{1f339}'));
  await until('his message', () => bodies(juliet).length === 1);
  t.equal(juliet.messages[0]!.getChildText('body'), 'She speaks! <&> \u{1f339}');
  t.equal(juliet.messages[0]!.attrs['from'], `${his}/orchard`);
  await juliet.xmpp.send(chat(`${his}/orchard`, 'j1'));
  await until('her answer', () => bodies(romeo).length === 1);

  const tablet = await device(t, site.url(2), site.user('juliet'), 'tablet');
  t.same(await archive(tablet), ['She speaks! <&> \u{1f339}', 'j1'], 'a second device catches up from the archive');
  await tablet.xmpp.iqCaller.set(xml('enable', NS.carbons));
  await juliet.xmpp.send(chat(his, 'j2'));
  await romeo.xmpp.send(chat(`${hers}/balcony`, 'r2'));
  // Messages that no device had acknowledged may come to the tablet too: those are not carbons.
  const carbon = (kind: 'sent' | 'received') =>
    tablet.messages.flatMap((message) => inner(message.getChild(kind, NS.carbons))?.getChildText('body') ?? []);
  await until('two carbons', () => carbon('sent').length + carbon('received').length === 2);
  await until('her second message', () => bodies(romeo).length === 2);
  t.same([carbon('sent'), carbon('received')], [['j2'], ['r2']]);
  t.same(await archive(romeo), await archive(tablet), 'both archives tell the same story');

  await juliet.xmpp.stop();
  await tablet.xmpp.stop();
  await until('her absence', () => romeo.presences.some(({ attrs }) => attrs['type'] === 'unavailable'));
}

async function breakAndResume(t: Test, site: Site): Promise<void> {
  const [his, hers] = jidsOf(site);
  const romeo = await device(t, site.hop.url, site.user('romeo'), 'orchard', true);
  const juliet = await device(t, site.url(1), site.user('juliet'), 'balcony', true);
  t.ok(romeo.xmpp.streamManagement.enabled);
  let resumed = 0;
  romeo.xmpp.streamManagement.on('resumed', () => resumed++);
  const fail: unknown[] = [];
  romeo.xmpp.streamManagement.on('fail', (stanza) => fail.push(stanza));
  for (let round = 1; round <= 3; round++) {
    site.hop.cut();
    for (const n of [1, 2, 3]) await juliet.xmpp.send(chat(his, `j${round}.${n}`));
    site.hop.mend();
    await until('the resumption', () => resumed === round);
    await romeo.xmpp.send(chat(hers, `r${round}`));
    await until('what was said meanwhile', () => bodies(romeo).length === 3 * round);
  }
  await until('his words', () => bodies(juliet).length === 3);
  t.same(bodies(romeo), ['j1.1', 'j1.2', 'j1.3', 'j2.1', 'j2.2', 'j2.3', 'j3.1', 'j3.2', 'j3.3']);
  t.same(bodies(juliet), ['r1', 'r2', 'r3']);
  t.same(fail, []);
}

/** What became of a burst of messages in which a node was killed. */
export interface Burst {
  /** bodies, in order */
  readonly said: readonly string[];
  /** given back by the library */
  readonly failed: Element[];
  /** Sends what was given back again, until all of it is acknowledged. */
  again(): Promise<void>;
}

/** Says twice `each` messages without waiting; the node is killed behind them, and there again. */
export async function killedInBurst(
  t: Test,
  site: Site,
  { xmpp }: Device,
  each: number,
  message: (body: string) => Element,
): Promise<Burst> {
  const acked: string[] = [];
  const failed: Element[] = [];
  const sm = xmpp.streamManagement;
  const isSaid = (stanza: Element) => stanza.name === 'message' && stanza.getChild('body') !== undefined;
  sm.requestAckDebounce = 0;
  sm.on('ack', (stanza: Element) => isSaid(stanza) && acked.push(stanza.attrs['id']!));
  sm.on('fail', (stanza: Element) => isSaid(stanza) && failed.push(stanza));
  let back = 0;
  xmpp.on('online', () => back++);
  sm.on('resumed', () => back++);
  const said: string[] = [];
  const say = async (): Promise<void> => {
    for (let i = 0; i < each; i++) {
      said.push(`m${said.length + 1}`);
      await xmpp.send(message(said.at(-1)!));
      if (i % 10 === 0) await xmpp.send(xml('r', 'urn:xmpp:sm:3'));
    }
  };
  await say();
  await until('some acknowledgements', () => acked.length > 0);
  await say();
  await site.kill();
  const ackedBefore = acked.length;
  await site.start();
  await until('him to be back', () => back > 0);
  await ready(xmpp);
  await until('every message to be acknowledged or given back', () => acked.length + failed.length === said.length);
  t.comment(`${ackedBefore} acknowledged before the kill, ${failed.length} given back by the library`);
  return {
    said,
    failed,
    async again() {
      for (const stanza of failed.splice(0)) await xmpp.send(stanza);
      await until('acknowledgement of all', () => acked.length === said.length);
    },
  };
}

async function killInBurst(t: Test, site: Site): Promise<void> {
  const [, hers] = jidsOf(site);
  const romeo = await device(t, site.hop.url, site.user('romeo'), 'orchard', true);
  const juliet = await device(t, site.url(1), site.user('juliet'), 'balcony', true);
  const { said, failed, again } = await killedInBurst(t, site, romeo, 60, (body) => chat(hers, body));
  if (!site.cluster) t.ok(failed.length > 0, 'a killed node remembers no stream');
  await again();
  await until('delivery of all', () => new Set(bodies(juliet)).size === said.length);

  for (const user of ['romeo', 'juliet'].map(site.user)) {
    const wire = await WireClient.login(site.url(2), { user, password: password(user) }, 'audit');
    t.same(
      (await wire.archive()).map(({ originId }) => originId),
      said,
      `the archive of ${user} has each once, in order`,
    );
    wire.cut();
  }
}

export const xmppJs: readonly Scenario[] = [
  { name: 'xmpp.js registers, befriends, chats, catches up and gets carbons', timeoutMs: 60_000, run: talk },
  {
    name: 'xmpp.js resumes when the network breaks, and nothing said meanwhile is lost',
    timeoutMs: 60_000,
    run: breakAndResume,
  },
  {
    name: 'xmpp.js loses nothing acknowledged when the node is killed in a burst',
    timeoutMs: 60_000,
    run: killInBurst,
  },
];
