import { jetstreamManager } from '@nats-io/jetstream';
import t, { type Test } from 'tap';
import { configStoreContract } from '../../test/contract/config-store.ts';
import { natsForTest } from '../../test/harness/nats.ts';
import { natsProxy } from '../../test/harness/nats-proxy.ts';
import { silentLog } from '../base/log.ts';
import { type ConfigStoreBackwardsError, ConfigStoreUnknownError } from './config-store.ts';
import { natsConfigStore } from './config-store-nats.ts';
import { checkNats } from './nats-checks.ts';
import { connectNats, type NatsLink } from './nats-link.ts';

const log = silentLog();
const until = async (done: () => boolean): Promise<void> => {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 5));
};

const nats = await natsForTest(t, { servers: 3 });
if (nats !== undefined) {
  let clusters = 0;
  const bucketFor = async (links: NatsLink[], urls: readonly string[]): Promise<string> => {
    const cluster = `test-${clusters++}`;
    await checkNats({ cluster, links, nats: { urls }, log }, { raceRounds: 0 });
    return cluster;
  };

  const clientFor = async (t: Test, at: number) => {
    const proxy = await natsProxy(t, nats.urls[at % nats.urls.length] as string);
    const link = await connectNats({ urls: [proxy.url], reconnectWaitMs: 20 }, 'test', log);
    t.teardown(() => link.close());
    return { proxy, link };
  };

  t.test('the contract, on three servers with a proxy before each', async (t) => {
    configStoreContract(t, async (t, count) => {
      const direct = await connectNats({ urls: nats.urls }, 'test', log);
      const ends = await Promise.all(Array.from({ length: count }, (_, at) => clientFor(t, at)));
      const cluster = await bucketFor([direct], nats.urls);
      t.teardown(() => direct.close());
      return Promise.all(
        ends.map(async ({ proxy, link }) => {
          const onBackwards = (error: ConfigStoreBackwardsError): void => void t.fail(error.message);
          const store = await natsConfigStore({ cluster, link, log, onBackwards }, { requestMsMax: 1_000 });
          t.teardown(() => store.close());
          let cuts = 0;
          return {
            store,
            loseNextReply: async () => {
              proxy.swallowAnswers();
              cuts = link.stats.disconnected;
            },
            disconnect: async () => {
              proxy.shut();
              await until(() => !link.connected);
              cuts = -1;
            },
            reconnect: async () => {
              if (cuts !== -1) proxy.cut();
              await until(() => cuts === -1 || link.stats.disconnected > cuts);
              proxy.open();
              await until(() => link.connected);
            },
          };
        }),
      );
    });
  });

  t.test('the stream leader is killed: a write is settled, and a watch finds everything', async (t) => {
    const link = await connectNats({ urls: nats.urls, reconnectWaitMs: 50 }, 'test', log);
    const cluster = await bucketFor([link], nats.urls);
    t.teardown(() => link.close());
    const onBackwards = (error: ConfigStoreBackwardsError): void => void t.fail(error.message);
    const store = await natsConfigStore({ cluster, link, log, onBackwards });
    t.teardown(() => store.close());
    const heard: number[] = [];
    await store.watch('shard.', ({ revision }) => void heard.push(revision));
    const manager = await jetstreamManager(link.connection);
    const { cluster: peers } = await manager.streams.info(`KV_rookery-${cluster}`);
    const leader = Number(peers?.leader?.replace('nats-', '')) - 1;
    let revision = 0;
    await nats.kill(leader);
    let unsure = 0;
    for (let i = 0; i < 20; ) {
      try {
        const result = await store.cas('shard.1', { i }, revision);
        if (result.ok) revision = result.revision;
        else if ((result.current?.value as { i: number } | undefined)?.i === i) revision = result.current!.revision;
        else if (revision !== 0 || result.current !== undefined) return t.fail('somebody else wrote');
        else continue;
        i++;
      } catch (error) {
        if (error instanceof ConfigStoreUnknownError) unsure++;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    t.comment(`${unsure} answers were lost`);
    await until(() => heard.includes(revision));
    t.same(
      heard,
      [...new Set(heard)].sort((a, b) => a - b),
      'in order and once',
    );
    await nats.restart(leader);
  });

  t.test('the last change, sent to a watch and lost on its way, is found by the number in the heartbeat', async (t) => {
    const { proxy, link } = await clientFor(t, 0);
    const other = await connectNats({ urls: nats.urls }, 'test', log);
    t.teardown(() => other.close());
    const cluster = await bucketFor([other], nats.urls);
    const onBackwards = (error: ConfigStoreBackwardsError): void => void t.fail(error.message);
    const options = { watchHeartbeatMs: 500 };
    const store = await natsConfigStore({ cluster, link, log, onBackwards }, options);
    const writer = await natsConfigStore({ cluster, link: other, log, onBackwards }, options);
    t.teardown(() => store.close());
    const heard: unknown[] = [];
    await writer.cas('a.a', 'there before', 0);
    await store.watch('', (change) => void heard.push(change.t === 'put' && change.value));
    const manager = await jetstreamManager(other.connection);
    const sent = async (): Promise<number> => {
      const [consumer] = await manager.consumers.list(`KV_rookery-${cluster}`).next();
      return consumer?.delivered.consumer_seq ?? 0;
    };
    proxy.swallowAnswers();
    await writer.cas('a.b', 'lost on its way', 0);
    while ((await sent()) < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    proxy.cut();
    await until(() => heard.length > 1);
    t.same(heard, ['there before', 'lost on its way']);
    await until(() => store.stats.watches.begun >= 2);
  });

  for (const holds of [false, true]) {
    const what = holds ? 'and holds its consumer' : 'and hears nothing of its consumer';
    t.test(`a server that is alone leads nowhere: a watch leaves it ${what}, and hears again`, async (t) => {
      const link = await connectNats({ urls: nats.urls, reconnectWaitMs: 20 }, 'test', log);
      const cluster = await bucketFor([link], nats.urls);
      t.teardown(() => link.close());
      const onBackwards = (error: ConfigStoreBackwardsError): void => void t.fail(error.message);
      const options = { watchHeartbeatMs: 100, watchRetryMsMax: 100, requestMsMax: 1_000, leaderCheckMs: 100 };
      const store = await natsConfigStore({ cluster, link, log, onBackwards }, options);
      t.teardown(() => store.close());
      const heard: string[] = [];
      const manager = await jetstreamManager(link.connection);
      const holderOf = async (): Promise<number> => {
        const [consumer] = await manager.consumers.list(`KV_rookery-${cluster}`).next();
        return Number(consumer?.cluster?.leader?.replace('nats-', '')) - 1;
      };
      const ours = nats.urls.indexOf(`nats://${link.connection.getServer()}`);
      for (let found = false; !found; ) {
        const watch = await store.watch('', ({ key }) => void heard.push(key));
        found = ((await holderOf()) === ours) === holds;
        if (!found) {
          watch.stop();
          // Where the consumer is made anew the stream has another leader, or chance has it otherwise.
          await manager.streams.delete(`KV_rookery-${cluster}`);
          await checkNats({ cluster, links: [link], nats: { urls: nats.urls }, log }, { raceRounds: 0 });
        }
      }
      const away = nats.pids.filter((_, at) => at !== ours) as number[];
      for (const pid of away) process.kill(pid, 'SIGSTOP');
      await until(() => link.stats.elsewhere > 0);
      for (const pid of away) process.kill(pid, 'SIGCONT');
      while ((await store.cas('a.b', 1, 0).catch(() => undefined)) === undefined)
        await new Promise((resolve) => setTimeout(resolve, 50));
      await until(() => heard.length > 0);
      t.same(heard, ['a.b']);
    });
  }

  t.test('a watch whose consumer is gone begins a new one', async (t) => {
    const link = await connectNats({ urls: nats.urls }, 'test', log);
    const cluster = await bucketFor([link], nats.urls);
    t.teardown(() => link.close());
    const onBackwards = (error: ConfigStoreBackwardsError): void => void t.fail(error.message);
    const store = await natsConfigStore({ cluster, link, log, onBackwards }, { watchHeartbeatMs: 100 });
    t.teardown(() => store.close());
    const heard: string[] = [];
    await store.watch('', ({ key }) => void heard.push(key));
    const manager = await jetstreamManager(link.connection);
    for await (const consumer of manager.consumers.list(`KV_rookery-${cluster}`))
      await manager.consumers.delete(`KV_rookery-${cluster}`, consumer.name);
    await store.cas('a.b', 1, 0);
    await until(() => heard.length > 0);
    t.same(heard, ['a.b']);
    await until(() => store.stats.watches.begun >= 2);
  });

  t.test('a store that is made anew is told, and the watch ends', async (t) => {
    const link = await connectNats({ urls: nats.urls }, 'test', log);
    const cluster = await bucketFor([link], nats.urls);
    t.teardown(() => link.close());
    const told: Error[] = [];
    const onBackwards = (error: Error): void => void told.push(error);
    const store = await natsConfigStore({ cluster, link, log, onBackwards }, { watchHeartbeatMs: 100 });
    t.teardown(() => store.close());
    const heard: unknown[] = [];
    await store.cas('a.b', 'before', 0);
    await store.watch('', (change) => void heard.push(change));
    const manager = await jetstreamManager(link.connection);
    await manager.streams.delete(`KV_rookery-${cluster}`);
    await checkNats({ cluster, links: [link], nats: { urls: nats.urls }, log }, { raceRounds: 0 });
    await store.cas('a.b', 'after', 0);
    await until(() => told.length > 0);
    t.match(told[0]?.message, 'another one');
    t.equal(heard.length, 1, 'nothing of the new store is handed over');
  });
}
