/**
 * The stock library `strophe.js` (its Node build) against a node, or nodes. It cannot register; accounts are made over
 * the wire. Stream management is its own: it resumes, and after a failed resumption sends again what was not
 * acknowledged, with a delay stamp and the same ids.
 */
import { $iq, $msg, $pres, Strophe } from 'strophe.js';
import type { Test } from 'tap';
import './quiet-socket.ts';
import type { Scenario, Site } from './site.ts';
import { until } from './until.ts';
import { WireClient } from './wire-client.ts';

Strophe.setLogLevel(Strophe.LogLevel.FATAL);

const NS_CARBONS = 'urn:xmpp:carbons:2';
const NS_MAM = 'urn:xmpp:mam:2';
const NS_SID = 'urn:xmpp:sid:0';

/** What this test uses of a DOM element; the types of a browser are not part of this project. */
export interface El {
  readonly textContent: string;
  getAttribute(name: string): string | null;
  getElementsByTagName(name: string): ArrayLike<El>;
}

export interface Device {
  readonly connection: InstanceType<typeof Strophe.Connection>;
  readonly messages: El[];
  readonly presences: El[];
  /** times it came (back) online, and times by resumption */
  readonly online: { count: number; resumed: number };
  /** no more reconnecting */
  leave(): void;
}

const password = (user: string) => `secret of ${user}`;

/** Connects, stays connected as an app does, and says presence whenever the session is new. */
export async function device(t: Test, url: string, user: string, resource: string): Promise<Device> {
  const connection = new Strophe.Connection(url, { enableStreamManagement: true });
  const one = { messages: [] as El[], presences: [] as El[], online: { count: 0, resumed: 0 } };
  let staying = true;
  let attempt = 0;
  const collect = (list: El[]) => (stanza: unknown) => list.push(stanza as El) > 0;
  const connect = (): void => {
    if (!staying) return;
    attempt += 1;
    const mine = attempt;
    connection.connect(`${user}@localhost/${resource}`, password(user), (status: number) => {
      // Strophe tells of a socket's error and of its end: to connect for both would take the first one's socket away.
      if (mine !== attempt) return;
      if (status === Strophe.Status.CONNECTED) {
        connection.addHandler(collect(one.messages), '', 'message');
        connection.addHandler(collect(one.presences), '', 'presence');
        one.online.count += 1;
        if (connection.hasResumed()) one.online.resumed += 1;
        else connection.send($pres());
      } else if (status === Strophe.Status.DISCONNECTED) {
        attempt += 1;
        setTimeout(connect, 50);
      }
    });
  };
  const leave = (): void => {
    staying = false;
    connection.disconnect('left');
  };
  t.teardown(leave);
  connect();
  await until(`${user} to be online`, () => connection.isStreamManagementEnabled());
  return { ...one, connection, leave };
}

function chat(to: string, id: string, body = id) {
  return $msg({ to, id, type: 'chat' }).c('body').t(body).up().c('origin-id', { xmlns: NS_SID, id });
}

export const first = (el: El, name: string): El | undefined => el.getElementsByTagName(name)[0];
const bodies = (one: Device) => one.messages.flatMap((el) => first(el, 'body')?.textContent ?? []);

export function ask(one: Device, iq: ReturnType<typeof $iq>): Promise<El> {
  return new Promise((resolve, reject) => {
    const done = (el: unknown): void => resolve(el as El);
    const failed = (el: unknown): void => reject(new Error(String(el)));
    one.connection.sendIQ(iq, done, failed, 10_000);
  });
}

async function archive(one: Device): Promise<string[]> {
  const before = one.messages.length;
  await ask(one, $iq({ type: 'set' }).c('query', { xmlns: NS_MAM }));
  const results = one.messages.splice(before).filter((el) => first(el, 'result') !== undefined);
  return results.map((el) => first(el, 'body')?.textContent ?? '');
}

/** Makes the accounts. @returns their bare JIDs */
export async function people(site: Site): Promise<[romeo: string, juliet: string]> {
  const users = ['romeo', 'juliet'].map(site.user);
  for (const user of users) await WireClient.register(site.url(0), { user, password: password(user) });
  return users.map((user) => `${user}@localhost`) as [string, string];
}

async function talk(t: Test, site: Site): Promise<void> {
  const [his, hers] = await people(site);
  const romeo = await device(t, site.hop.url, site.user('romeo'), 'orchard');
  const juliet = await device(t, site.url(1), site.user('juliet'), 'balcony');

  const roster = await ask(romeo, $iq({ type: 'get' }).c('query', { xmlns: 'jabber:iq:roster' }));
  t.equal(roster.getElementsByTagName('item').length, 0, 'a new roster is empty');
  romeo.connection.send($pres({ to: hers, type: 'subscribe' }));
  await until('the request', () => juliet.presences.some((el) => el.getAttribute('type') === 'subscribe'));
  juliet.connection.send($pres({ to: his, type: 'subscribed' }));
  const from = `${hers}/balcony`;
  await until('her presence', () => romeo.presences.some((el) => el.getAttribute('from') === from));

  romeo.connection.send(chat(hers, 'r1', 'She speaks! <&> \u{1f339}'));
  await until('his message', () => bodies(juliet).length === 1);
  t.same(bodies(juliet), ['She speaks! <&> \u{1f339}']);
  juliet.connection.send(chat(`${his}/orchard`, 'j1'));
  await until('her answer', () => bodies(romeo).length === 1);

  const tablet = await device(t, site.url(2), site.user('juliet'), 'tablet');
  t.same(await archive(tablet), ['She speaks! <&> \u{1f339}', 'j1'], 'a second device catches up from the archive');
  await ask(tablet, $iq({ type: 'set' }).c('enable', { xmlns: NS_CARBONS }));
  juliet.connection.send(chat(his, 'j2'));
  romeo.connection.send(chat(`${hers}/balcony`, 'r2'));
  // Messages that no device had acknowledged may come to the tablet too: those are not carbons.
  const carbon = (kind: 'sent' | 'received') =>
    tablet.messages
      .filter((el) => first(el, kind)?.getAttribute('xmlns') === NS_CARBONS)
      .map((el) => first(el, 'body'));
  await until('two carbons', () => carbon('sent').length + carbon('received').length === 2);
  await until('her second message', () => bodies(romeo).length === 2);
  t.same([carbon('sent')[0]?.textContent, carbon('received')[0]?.textContent], ['j2', 'r2']);
  t.same(await archive(romeo), await archive(tablet), 'both archives tell the same story');

  juliet.leave();
  tablet.leave();
  await until('her absence', () => romeo.presences.some((el) => el.getAttribute('type') === 'unavailable'));
}

async function breakAndResume(t: Test, site: Site): Promise<void> {
  const [his, hers] = await people(site);
  const romeo = await device(t, site.hop.url, site.user('romeo'), 'orchard');
  const juliet = await device(t, site.url(1), site.user('juliet'), 'balcony');
  for (let round = 1; round <= 3; round++) {
    site.hop.cut();
    romeo.connection.send(chat(hers, `r${round}`));
    for (const n of [1, 2, 3]) juliet.connection.send(chat(his, `j${round}.${n}`));
    site.hop.mend();
    await until('the resumption', () => romeo.online.resumed === round);
    await until('what was said meanwhile', () => bodies(romeo).length === 3 * round && bodies(juliet).length === round);
  }
  t.equal(romeo.online.count, 4);
  t.same(bodies(romeo), ['j1.1', 'j1.2', 'j1.3', 'j2.1', 'j2.2', 'j2.3', 'j3.1', 'j3.2', 'j3.3']);
  t.same(bodies(juliet), ['r1', 'r2', 'r3']);
}

async function killInBurst(t: Test, site: Site): Promise<void> {
  const [, hers] = await people(site);
  const romeo = await device(t, site.hop.url, site.user('romeo'), 'orchard');
  const juliet = await device(t, site.url(1), site.user('juliet'), 'balcony');
  const said: string[] = [];
  const say = (count: number): void => {
    for (let i = 0; i < count; i++) {
      said.push(`m${said.length + 1}`);
      romeo.connection.send(chat(hers, said.at(-1)!));
    }
  };
  say(60);
  await until('some deliveries', () => bodies(juliet).length > 0);
  say(60);
  romeo.connection.flush();
  await site.kill();
  await site.start();
  await until('him to be back', () => romeo.online.count === 2);
  await until('delivery of all', () => new Set(bodies(juliet)).size === said.length);
  if (!site.cluster) t.equal(romeo.online.resumed, 0, 'a killed node remembers no stream');
  t.comment(`he came back ${romeo.online.resumed === 0 ? 'with a new stream' : 'and resumed'}`);

  for (const user of ['romeo', 'juliet'].map(site.user)) {
    const wire = await WireClient.login(site.url(2), { user, password: password(user) }, 'audit');
    const ids = (await wire.archive()).map(({ originId }) => originId);
    t.same(ids, said, `the archive of ${user} has each once, in order`);
    wire.cut();
  }
}

export const strophe: readonly Scenario[] = [
  { name: 'Strophe logs in, befriends, chats, catches up and gets carbons', timeoutMs: 60_000, run: talk },
  {
    name: 'Strophe resumes when the network breaks, and nothing said meanwhile is lost',
    timeoutMs: 60_000,
    run: breakAndResume,
  },
  {
    name: 'Strophe loses nothing when the node is killed in a burst, sending again by itself',
    timeoutMs: 60_000,
    run: killInBurst,
  },
];
