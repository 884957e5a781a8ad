import { once } from 'node:events';
import { createServer } from 'node:net';
import { jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import t, { type Test } from 'tap';
import { natsForTest } from '../../test/harness/nats.ts';
import { silentLog } from '../base/log.ts';
import { memoryConfigHub } from './config-store-memory.ts';
import { bucketFaults, checkNats, type NatsCheckOptions, race } from './nats-checks.ts';
import { connectNats, NatsUnreachableError } from './nats-link.ts';

const log = silentLog();
const quick = { leaderMsMax: 300, requestMsMax: 1_000 };

/** Speaks as much of the NATS protocol as a client needs to be connected, under another version. */
async function fakeServer(t: Test, version: string): Promise<string> {
  const server = createServer((socket) => {
    const info = { server_id: 'x', version, proto: 1, headers: true, max_payload: 1_048_576, jetstream: true };
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    socket.on('data', (bytes) => {
      for (const _ of String(bytes).matchAll(/PING\r\n/g)) socket.write('PONG\r\n');
    });
    socket.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return `nats://127.0.0.1:${(server.address() as { port: number }).port}`;
}

const nats = await natsForTest(t, { servers: 3 });

const GOOD = { num_replicas: 3, allow_direct: false, max_msgs_per_subject: 1, max_age: 0, max_msgs: -1, max_bytes: -1 };

t.test('a bucket that differs is told in words, with the command that mends it', async (t) => {
  t.same(bucketFaults(GOOD, 'east', 3), []);
  const table: [change: object, fault: string][] = [
    [{ num_replicas: 1 }, 'has 1 replicas and 3 are configured: nats stream edit KV_rookery-east --replicas=3'],
    [{ allow_direct: true }, '--no-allow-direct'],
    [{ max_msgs_per_subject: 5 }, '--max-msgs-per-subject=1'],
    [{ storage: 'memory' }, 'kept in memory'],
    [{ max_age: 1_000 }, 'may drop values'],
    [{ max_bytes: 1_000 }, 'may drop values'],
    [{ sealed: true }, 'is sealed'],
  ];
  for (const [change, fault] of table) {
    const faults = bucketFaults({ ...GOOD, ...change }, 'east', 3);
    t.equal(faults.length, 1, fault);
    t.match(faults[0], 'the bucket rookery-east ');
    t.match(faults[0], fault);
  }
});

t.test('a race that has more than one winner is told, as is one without', async (t) => {
  const hub = memoryConfigHub();
  t.same(await race([hub.connect(), hub.connect()], 'check.a', 20), []);
  t.equal(hub.revision, 20);
  const [fault] = await race([memoryConfigHub().connect(), memoryConfigHub().connect()], 'check.a', 20);
  t.match(fault, /^2 of 2 won one compare-and-set on NATS \(round 1\): two nodes could lead one shard/);
  const [none] = await race([hub.connect(), hub.connect()], 'check.a', 20);
  t.match(none, /^0 of 2 won/, 'the key is there already');
});

t.test('a nats-server that is too old is refused, and a link leaves it', async (t) => {
  const url = await fakeServer(t, '2.9.10');
  const link = await connectNats({ urls: [url] }, 'test', log);
  t.equal(link.connected, false);
  t.ok(link.stats.tooOld >= 1);
  await t.rejects(
    checkNats({ cluster: 'east', links: [link], nats: { urls: [url] }, log }, quick),
    /is 2\.9\.10, which can let two nodes win one compare-and-set: upgrade all servers to 2\.10\.27/,
  );
  await link.close();
});

t.test('no server, and a URL with a password in it, are refused with a clear line', async (t) => {
  const nowhere = { urls: ['nats://127.0.0.1:1'], connectMsMax: 0 };
  await t.rejects(connectNats(nowhere, 'test', log), NatsUnreachableError);
  await t.rejects(connectNats(nowhere, 'test', log), /no NATS server at nats:\/\/127\.0\.0\.1:1 within 0 ms/);
  const secret = connectNats({ urls: ['nats://me:hidden@127.0.0.1:1'] }, 'test', log);
  await t.rejects(secret, /set user and password apart/);
  await secret.catch(({ message }: Error) => t.notMatch(message, 'hidden'));
});

if (nats !== undefined) {
  let clusters = 0;
  const two = () =>
    Promise.all([connectNats({ urls: nats.urls }, 'a', log), connectNats({ urls: nats.urls }, 'b', log)]);
  const check = (links: Awaited<ReturnType<typeof two>>, cluster: string, options: Partial<NatsCheckOptions> = {}) =>
    checkNats({ cluster, links, nats: { urls: nats.urls }, log }, options);

  t.test('three servers are fit: the bucket is made, found again, and the race leaves nothing', async (t) => {
    const links = await two();
    const cluster = `east-${clusters++}`;
    await Promise.all([check(links, cluster), check(links, cluster), check(links, cluster)]);
    await check(links, cluster);
    const { config, state } = await (await jetstreamManager(links[0].connection)).streams.info(`KV_rookery-${cluster}`);
    t.same(bucketFaults(config, cluster, 3), []);
    t.equal(state.messages, 0);
    t.ok(state.last_seq >= 80, 'it was raced for');
    for (const link of links) await link.close();
  });

  t.test('a bucket that is there and differs is refused, not changed', async (t) => {
    const links = await two();
    const cluster = `east-${clusters++}`;
    await new Kvm(links[0].connection).create(`rookery-${cluster}`, { replicas: 1, allow_direct: true, history: 2 });
    const refused = check(links, cluster);
    await t.rejects(refused, { name: 'NatsCheckError' });
    await refused.catch(({ faults }) => t.equal(faults.length, 3));
    for (const link of links) await link.close();
  });

  t.test('without a majority of the servers it is said what to do', async (t) => {
    const links = await two();
    await nats.kill(1);
    await nats.kill(2);
    // Which line it is depends on whether the one that is left has noticed yet: it may still answer for the account,
    // and then not make the bucket. Each says which servers to have running.
    await t.rejects(
      check(links, `east-${clusters++}`, quick),
      /have most of the nats-servers running|have 3 nats-servers .*running|JetStream is not there/,
    );
    for (const link of links) await link.close();
  });
}

t.test('one server: three replicas are refused, one is fit where one is meant', async (t) => {
  const alone = await natsForTest(t);
  if (alone === undefined) return;
  const link = await connectNats({ urls: alone.urls }, 'test', log);
  const parts = { cluster: 'east', links: [link], nats: { urls: alone.urls }, log };
  await t.rejects(checkNats(parts, quick), /with 3 replicas cannot be made or read .*have 3 nats-servers/);
  await checkNats(parts, { ...quick, replicas: 1 });
  await t.rejects(checkNats(parts, { ...quick, chunkBytesMax: 2_000_000 }), /max_payload of NATS is 1048576/);
  await link.close();
});

t.test('a user and password are asked for, and given', async (t) => {
  const extraConfig = 'accounts { chat { jetstream: enabled, users: [{ user: rook, password: nest }] }, $SYS {} }';
  const locked = await natsForTest(t, { extraConfig });
  if (locked === undefined) return;
  const wrong = connectNats({ urls: locked.urls, user: 'rook', password: 'wrong' }, 'test', log);
  await t.rejects(wrong, /refuses us: check the user, password/);
  const link = await connectNats({ urls: locked.urls, user: 'rook', password: 'nest' }, 'test', log);
  const nats = { urls: locked.urls, user: 'rook', password: 'nest' };
  await checkNats({ cluster: 'east', links: [link], nats, log }, { ...quick, replicas: 1 });
  await link.close();
});

t.test('a server without JetStream is refused', async (t) => {
  const plain = await natsForTest(t, {
    extraConfig: 'accounts { chat { users: [{ user: rook, password: nest }] }, $SYS {} }',
  });
  if (plain === undefined) return;
  const nats = { urls: plain.urls, user: 'rook', password: 'nest' };
  const link = await connectNats(nats, 'test', log);
  await t.rejects(checkNats({ cluster: 'east', links: [link], nats, log }, quick), /JetStream/);
  await link.close();
});
