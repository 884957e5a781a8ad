/**
 * `cluster.seeOtherUri`: a client that has logged in is sent on to the node of its session (RFC 7395 3.6.1). What stock
 * clients make of it is in docs/operating.md, and tried here: none follows after login, and none is kept out by it.
 */
import { chromium } from 'playwright-core';
import { $pres, Strophe } from 'strophe.js';
import t, { type Test } from 'tap';
import './quiet-socket.ts';
import { type ClusterNodeProcess, startCluster } from '../../scripts/cluster-run.ts';
import { shardOf } from '../../src/base/hash.ts';
import { type Client, connect } from '../harness/client.ts';
import { natsServerFor } from '../harness/nats.ts';
import { fetched, rookery, temporaryFolder } from '../operating/rookery.ts';
import { CHROMIUM, CHROMIUM_ARGS, ConversePage, noChromium } from './converse-page.ts';
import { until } from './until.ts';
import { WireClient } from './wire-client.ts';

// Not before the socket it takes from the global scope is there.
const { client: xmppJs } = await import('@xmpp/client');

const PATIENCE_MS = 60_000;
const SHARDS = 16;
const NAMES = Array.from({ length: 12 }, (_, i) => `user${i}`);
const password = (user: string) => `secret of ${user}`;

interface World {
  readonly here: ClusterNodeProcess;
  readonly there: ClusterNodeProcess;
  /** users whose session is at `here`, and at `there` */
  readonly locals: string[];
  readonly strangers: string[];
}

async function started(t: Test): Promise<World> {
  const cluster = await startCluster({
    dir: await temporaryFolder(t),
    port: 0,
    nodes: 2,
    servers: 1,
    shards: SHARDS,
    env: { ROOKERY_LOGIN_ITERATIONS: '4096', ROOKERY_CLUSTER_COPIES: '2', ROOKERY_LOGIN_ANONYMOUS: 'true' },
  });
  t.teardown(async () => {
    cluster.endNow();
    await cluster.stop();
  });
  const [here, there] = cluster.nodes as [ClusterNodeProcess, ClusterNodeProcess];
  for (const node of [here, there])
    await node.restart(PATIENCE_MS, {
      ROOKERY_CLUSTER_SEE_OTHER_URI: 'true',
      ROOKERY_LISTEN_PUBLIC_WEB_SOCKET_URL: node.webSocketUrl,
    });
  for (const user of NAMES) await WireClient.register(here.webSocketUrl, { user, password: password(user) });
  let shards: { readonly leader?: string }[] = [];
  const leads = ({ id }: ClusterNodeProcess) => shards.filter(({ leader }) => leader === id).length;
  // Who is started again leads nothing at first; then the planner evens it out, and leaves it so.
  await until('both to lead the half', async () => {
    shards = JSON.parse((await rookery(['shards', '--json', '--data-dir', here.folder])).out) as typeof shards;
    return leads(here) === SHARDS / 2 && leads(there) === SHARDS / 2;
  });
  const at = ({ id }: ClusterNodeProcess) =>
    NAMES.filter((user) => shards[shardOf(`session:${user}@localhost`, SHARDS)]?.leader === id);
  return { here, there, locals: at(here), strangers: at(there) };
}

async function loggedIn(url: string, user: string): Promise<Client> {
  const client = await connect(url);
  await client.open();
  const outcome = await client.scram(user, password(user));
  if (outcome.name !== 'success') throw new Error(`${user}: ${outcome}`);
  client.send(`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>`);
  await client.expect('<open');
  return client;
}

async function protocol(t: Test, { here, there, locals, strangers }: World): Promise<void> {
  const [local] = locals as [string];
  const [stranger] = strangers as [string];
  const stays = await loggedIn(here.webSocketUrl, local);
  await stays.expect('<stream:features');
  await stays.close();

  const sent = await loggedIn(here.webSocketUrl, stranger);
  t.equal(
    await sent.expectXml('<close'),
    `<close xmlns="urn:ietf:params:xml:ns:xmpp-framing" see-other-uri="${there.webSocketUrl}"/>`,
  );
  t.same(await sent.closed, { code: 1000, reason: 'see-other-uri' });
  t.same(sent.inbox, [], 'no features: there is nothing to bind here');
  const arrived = await loggedIn(there.webSocketUrl, stranger);
  await arrived.expect('<stream:features');
  t.match(await arrived.bind('desk'), `${stranger}@localhost/desk`);

  const again = await loggedIn(here.webSocketUrl, stranger);
  await again.expect('<stream:features');
  t.match(await again.bind('phone'), `${stranger}@localhost/phone`, 'who comes again is served');
  await again.close();

  t.equal(await sentOn(here), 1);

  // Some of these live over there; but a throw-away account would be another one there.
  for (let i = 0; i < 8; i++) await anonymous(here.webSocketUrl);
  t.equal(await sentOn(here), 1);
}

async function anonymous(url: string): Promise<void> {
  const client = await connect(url);
  await client.open();
  client.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>`);
  await client.expect('<success');
  await client.open();
  await client.close();
}

/** Connections of a node that are open now. */
async function connectionsAt({ httpUrl }: ClusterNodeProcess): Promise<number> {
  const { body } = await fetched(`${httpUrl}/metrics`);
  return Number(/^rookery_connections (\d+)$/m.exec(body)?.[1]);
}

async function sentOn(node: ClusterNodeProcess): Promise<number> {
  const { body } = await fetched(`${node.httpUrl}/metrics`);
  return Number(/^rookery_stream_errors_total\{condition="see-other-uri"\} (\d+)$/m.exec(body)?.[1]);
}

async function withXmppJs(t: Test, { here, strangers }: World): Promise<void> {
  const [, , username] = strangers as [string, string, string];
  const before = await sentOn(here);
  const xmpp = xmppJs({
    service: here.webSocketUrl,
    domain: 'localhost',
    resource: 'desk',
    username,
    password: password(username),
  });
  xmpp.on('error', () => {});
  xmpp.reconnect.delay = 50;
  t.teardown(() => xmpp.stop());
  await xmpp.start();
  t.equal(await sentOn(here), before + 1, 'it was sent on once');
  t.equal(await connectionsAt(here), 1, 'and came back here, where it was served');
}

async function withStrophe(t: Test, { here, strangers }: World): Promise<void> {
  const [, , , user] = strangers as [string, string, string, string];
  const before = await sentOn(here);
  const connection = new Strophe.Connection(here.webSocketUrl);
  let staying = true;
  let online = false;
  const connect = (): void => {
    if (!staying) return;
    connection.connect(`${user}@localhost/desk`, password(user), (status: number) => {
      if (status === Strophe.Status.CONNECTED) {
        online = true;
        connection.send($pres());
      } else if (status === Strophe.Status.DISCONNECTED) setTimeout(connect, 50);
    });
  };
  t.teardown(() => {
    staying = false;
    connection.disconnect('left');
  });
  connect();
  await until('it to be online', () => online);
  t.equal(await sentOn(here), before + 1, 'it was sent on once');
  t.equal(connection.service, here.webSocketUrl, 'and came back here');
}

async function withConverse(t: Test, { here, strangers }: World): Promise<void> {
  const user = strangers.at(-1)!;
  const before = await sentOn(here);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
  t.teardown(() => browser.close());
  const page = await ConversePage.open(browser, `${here.httpUrl}/`);
  await page.login(user, password(user));
  t.equal(await sentOn(here), before + 1, 'it was sent on once, and is online');
  t.same(page.faults, []);
}

t.test('see-other-uri', { timeout: 200_000 }, async (t) => {
  if ((await natsServerFor(t)) === undefined) return;
  const world = await started(t);
  t.ok(
    world.strangers.length >= 5 && world.locals.length >= 1,
    `${world.strangers.length} of ${NAMES.length} are there`,
  );
  await t.test('who lives elsewhere is sent there once, before anything is bound', (t) => protocol(t, world));
  await t.test('xmpp.js', (t) => withXmppJs(t, world));
  await t.test('Strophe', (t) => withStrophe(t, world));
  await t.test('the web client', { skip: noChromium }, (t) => withConverse(t, world));
});
