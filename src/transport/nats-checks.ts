import { setTimeout as sleep } from 'node:timers/promises';
import {
  JetStreamApiCodes,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { backoffMs } from '../base/backoff.ts';
import { messageOf } from '../base/errors.ts';
import { shortId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import type { ConfigStore } from './config-store.ts';
import { natsConfigStore } from './config-store-nats.ts';
import { isApiError, isNobodyThere } from './nats-errors.ts';
import { type NatsLink, type NatsOptions, versionOf } from './nats-link.ts';
import { atLeast, natsServerVersionMin } from './nats-version.ts';
import { bucketName } from './subjects.ts';

export interface NatsCheckParts {
  readonly cluster: string;
  /** every connection of the node, two or more: the first two race */
  readonly links: readonly NatsLink[];
  /** how the connections were made, to ask each server for its version */
  readonly nats: NatsOptions;
  readonly log: Log;
}

export interface NatsCheckOptions {
  /** copies of the bucket: 3, or 1 where a single server is meant (development) */
  readonly replicas: 1 | 3;
  /** races of two clients for one compare-and-set */
  readonly raceRounds: number;
  /** servers need a room for one message of this size */
  readonly chunkBytesMax: number;
  /** longest wait for JetStream to have a leader, milliseconds */
  readonly leaderMsMax: number;
  /** longest wait for one answer, milliseconds */
  readonly requestMsMax: number;
}

export const natsCheckDefaults: NatsCheckOptions = {
  replicas: 3,
  raceRounds: 20,
  chunkBytesMax: 262_144,
  leaderMsMax: 30_000,
  requestMsMax: 2_000,
};

/** NATS is not fit for a cluster. The message has one line for each fault and says what to do. */
export class NatsCheckError extends Error {
  override readonly name = 'NatsCheckError';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.faults = faults;
  }
}

/**
 * What must hold before a node trusts NATS with who leads what. Makes the bucket when it is not there. What cannot be
 * asked for without an operator's account stays with the operator: `sync_interval: always` (docs/operating.md).
 * @throws NatsCheckError
 */
export async function checkNats(parts: NatsCheckParts, options: Partial<NatsCheckOptions> = {}): Promise<void> {
  const settings = { ...natsCheckDefaults, ...options };
  raise([...(await versionFaults(parts)), ...payloadFaults(parts, settings)]);
  const [link] = parts.links;
  if (link === undefined) throw new RangeError('no connection to check');
  const manager = await jetStreamOf(link, settings);
  raise(bucketFaults(await bucketConfig(manager, link, parts.cluster, settings), parts.cluster, settings.replicas));
  if (settings.raceRounds > 0) raise(await raceFaults(parts, settings, manager));
}

function raise(faults: readonly string[]): void {
  if (faults.length > 0) throw new NatsCheckError(faults);
}

/** Servers of the cluster that a check asks at most. */
const SERVERS_MAX = 64;

/** The servers we are connected to, those of the configuration, and those they tell of. */
async function versionFaults({ links, nats, log }: NatsCheckParts): Promise<string[]> {
  const versions = new Map(
    links.map(({ connection }) => [connection.getServer(), connection.info?.version ?? '0.0.0']),
  );
  const scheme = nats.tls === undefined ? 'nats://' : 'tls://';
  const told = links.flatMap(({ connection }) => connection.info?.connect_urls ?? []).map((at) => `${scheme}${at}`);
  const urls = [...new Set([...nats.urls, ...told])].slice(0, SERVERS_MAX);
  const answers = await Promise.allSettled(urls.map((url) => versionOf(nats, url)));
  for (const [i, answer] of answers.entries()) {
    const url = urls[i] as string;
    if (answer.status === 'fulfilled') versions.set(url, answer.value);
    else log.warn({ url, err: answer.reason }, 'a NATS server does not answer: its version is not checked');
  }
  return [...versions]
    .filter(([, version]) => !atLeast(version, natsServerVersionMin))
    .map(
      ([url, version]) =>
        `nats-server at ${url} is ${version}, which can let two nodes win one compare-and-set: ` +
        `upgrade all servers to ${natsServerVersionMin} or newer`,
    );
}

function payloadFaults({ links }: NatsCheckParts, { chunkBytesMax }: NatsCheckOptions): string[] {
  const least = Math.min(...links.map(({ connection }) => connection.info?.max_payload ?? 0));
  return least >= chunkBytesMax ? [] : [`max_payload of NATS is ${least}: set it to ${chunkBytesMax} or more`];
}

/** Waits for a leader: servers that were started together take a moment. */
async function jetStreamOf(link: NatsLink, settings: NatsCheckOptions): Promise<JetStreamManager> {
  const ask = (): Promise<JetStreamManager> => jetstreamManager(link.connection, { timeout: settings.requestMsMax });
  return patiently(ask, settings, (error) =>
    isNobodyThere(error)
      ? 'JetStream is not there: add a jetstream block to the configuration of every nats-server, and to the account'
      : `JetStream does not answer (${messageOf(error)}): have most of the nats-servers running, and let the account use it`,
  );
}

/** Repeats until it succeeds or `leaderMsMax` is over. @throws NatsCheckError with the line made of the last error */
async function patiently<T>(
  ask: () => Promise<T>,
  settings: NatsCheckOptions,
  line: (error: unknown) => string,
): Promise<T> {
  const until = performance.now() + settings.leaderMsMax;
  for (let failures = 1; ; failures++) {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof NatsCheckError) throw error;
      if (performance.now() >= until) throw new NatsCheckError([line(error)]);
    }
    await sleep(backoffMs(failures, { baseMs: 100, maxMs: 1_000 }, systemRandom.float()));
  }
}

async function bucketConfig(
  manager: JetStreamManager,
  link: NatsLink,
  cluster: string,
  settings: NatsCheckOptions,
): Promise<StreamConfig> {
  const bucket = bucketName(cluster);
  const js = jetstream(link.connection, { timeout: settings.requestMsMax });
  return patiently(
    async () => {
      try {
        return (await manager.streams.info(`KV_${bucket}`)).config;
      } catch (error) {
        if (!isApiError(error, JetStreamApiCodes.StreamNotFound)) throw error;
      }
      // Another node may make it at the same moment; what is there then is read the next time round.
      await new Kvm(js).create(bucket, {
        replicas: settings.replicas,
        history: 1,
        allow_direct: false,
        description: `configuration of the Rookery cluster ${cluster}`,
      });
      return (await manager.streams.info(`KV_${bucket}`)).config;
    },
    settings,
    (error) =>
      `the bucket ${bucket} with ${settings.replicas} replicas cannot be made or read (${messageOf(error)}): ` +
      `have ${settings.replicas} nats-servers with JetStream running in one cluster, with room on their disks; one that ` +
      '"nats server report jetstream" does not list although it runs is to be started again',
  );
}

/** What a bucket must be like, and the words for what it is instead; pure. */
export function bucketFaults(config: Partial<StreamConfig>, cluster: string, replicas: number): string[] {
  const stream = `KV_${bucketName(cluster)}`;
  const wanted: [holds: boolean, fault: string][] = [
    [
      config.num_replicas === replicas,
      `has ${config.num_replicas} replicas and ${replicas} are configured: nats stream edit ${stream} --replicas=${replicas}`,
    ],
    [
      config.allow_direct !== true,
      `lets any replica answer reads (allow_direct), so they may be old: nats stream edit ${stream} --no-allow-direct`,
    ],
    [
      config.max_msgs_per_subject === 1,
      `keeps more than the newest value: nats stream edit ${stream} --max-msgs-per-subject=1`,
    ],
    [config.storage !== 'memory', 'is kept in memory: back it up, delete it and let a node make it anew'],
    [
      (config.max_age ?? 0) === 0 && (config.max_msgs ?? -1) <= 0 && (config.max_bytes ?? -1) <= 0,
      `may drop values by age, number or size: nats stream edit ${stream} --max-age=0 --max-msgs=-1 --max-bytes=-1`,
    ],
    [config.sealed !== true, 'is sealed: nothing can be written; restore it from a backup'],
  ];
  return wanted.filter(([holds]) => !holds).map(([, fault]) => `the bucket ${bucketName(cluster)} ${fault}`);
}

/** Two clients write under one revision, many times: exactly one must win. A new bucket takes a moment to have a leader. */
async function raceFaults(
  { cluster, links, log }: NatsCheckParts,
  settings: NatsCheckOptions,
  manager: JetStreamManager,
): Promise<string[]> {
  const [one, two = one] = links as [NatsLink, NatsLink?];
  const { requestMsMax, raceRounds } = settings;
  const onBackwards = (): void => undefined; // nothing is watched here
  const connect = (link: NatsLink) => natsConfigStore({ cluster, link, log, onBackwards }, { requestMsMax });
  const stores = await Promise.all([connect(one), connect(two)]);
  const bucket = bucketName(cluster);
  return patiently(
    async () => {
      const key = `check.${shortId()}`;
      const faults = await race(stores, key, raceRounds);
      // Whole, and not by a deletion, of which a trace would stay for each start of a node.
      await manager.streams.purge(`KV_${bucket}`, { filter: `$KV.${bucket}.${key}` });
      return faults;
    },
    settings,
    (error) =>
      `the bucket ${bucket} does not take writes (${messageOf(error)}): have most of the nats-servers running and healthy`,
  );
}

/** The stores write at the same time, round by round; answers the words for it when not exactly one of them wins. */
export async function race(stores: readonly ConfigStore[], key: string, rounds: number): Promise<string[]> {
  let revision = 0;
  for (let round = 1; round <= rounds; round++) {
    const results = await Promise.all(stores.map((store, racer) => store.cas(key, { round, racer }, revision)));
    const [winner, ...others] = results.filter((result) => result.ok);
    if (winner === undefined || others.length > 0) {
      return [
        `${results.filter(({ ok }) => ok).length} of 2 won one compare-and-set on NATS (round ${round}): two nodes ` +
          `could lead one shard. Run nats-server ${natsServerVersionMin} or newer on every server of the cluster`,
      ];
    }
    revision = winner.revision;
  }
  return [];
}
