import type { z } from 'zod';
import clusterConfig, { profiles } from '../cluster.config.ts';
import { EXIT, ExitError } from './base/errors.ts';
import { didYouMean, envNamesOf, readEnv } from './config-env.ts';
import { configSchema } from './config-schema.ts';

type DeepReadonly<T> = T extends readonly (infer I)[]
  ? readonly I[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;
type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: DeepPartial<T[K]> }
    : T;

/** Every setting of a node; cluster.config.ts documents each. Frozen. */
export type Config = DeepReadonly<z.infer<typeof configSchema>>;
export type ConfigOverrides = DeepPartial<Config>;

export interface ConfigFault {
  /** path of the setting, or the environment variable when it names none */
  readonly key: string;
  /** variables that set it */
  readonly env: readonly string[];
  readonly message: string;
}

/** All that is wrong with a configuration, together. Ends the command with exit code 2. */
export class ConfigError extends ExitError {
  override readonly name = 'ConfigError';
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    const lines = faults.map(
      ({ key, env, message }) => `  ${key}${env.length ? ` (${env.join(', ')})` : ''} ${message}`,
    );
    super(
      `the configuration has ${faults.length} fault${faults.length === 1 ? '' : 's'}:\n${lines.join('\n')}`,
      EXIT.usage,
    );
    this.faults = faults;
  }
}

/** Settings whose values no fault repeats. */
const SECRETS: ReadonlySet<string> = new Set(['cluster.natsPassword', 'cluster.natsToken', 'upload.secret']);

/** Settings that must fit each other. `holds` is asked only when every setting is allowed by itself. */
const RELATIONS: readonly { readonly key: string; readonly holds: (c: Config) => boolean; readonly message: string }[] =
  [
    {
      key: 'limits.idlePingMs',
      holds: ({ limits }) => limits.idlePingMs < limits.idleTimeoutMs,
      message: 'must be less than limits.idleTimeoutMs, or no ping could be answered in time',
    },
    {
      key: 'limits.outQueueBytesMax',
      holds: ({ limits }) => limits.outQueueBytesMax >= limits.stanzaBytesMax,
      message: 'must be at least limits.stanzaBytesMax, or a large stanza could never be delivered',
    },
    {
      key: 'limits.unackedBytesMax',
      holds: ({ limits }) => limits.unackedBytesMax >= limits.stanzaBytesMax,
      message: 'must be at least limits.stanzaBytesMax, or a large stanza would end its stream',
    },
    {
      key: 'limits.sendsBurst',
      holds: ({ limits }) => limits.sendsBurst >= limits.sendsPerSecond,
      message: 'must be at least limits.sendsPerSecond',
    },
    {
      key: 'limits.iqsBurst',
      holds: ({ limits }) => limits.iqsBurst >= limits.iqsPerSecond,
      message: 'must be at least limits.iqsPerSecond',
    },
    {
      key: 'limits.presencesBurst',
      holds: ({ limits }) => limits.presencesBurst >= limits.presencesPerSecond,
      message: 'must be at least limits.presencesPerSecond',
    },
    {
      key: 'limits.connectionsPerAddressBurst',
      holds: ({ limits }) => limits.connectionsPerAddressBurst >= limits.connectionsPerAddressPerSecond,
      message: 'must be at least limits.connectionsPerAddressPerSecond',
    },
    {
      key: 'login.failureDelayMs',
      holds: ({ login }) => login.failureDelayMs <= login.failureDelayMsMax,
      message: 'must be at most login.failureDelayMsMax',
    },
    {
      key: 'login.accountDelayMs',
      holds: ({ login }) => login.accountDelayMs <= login.accountDelayMsMax,
      message: 'must be at most login.accountDelayMsMax',
    },
    {
      key: 'login.failuresForgetMs',
      holds: ({ login }) => login.failuresForgetMs >= login.failureDelayMsMax,
      message: 'must be at least login.failureDelayMsMax, or the longest wait would be forgotten before it is over',
    },
    {
      key: 'listen.tlsKeyFile',
      holds: ({ listen }) => (listen.tlsCertFile === '') === (listen.tlsKeyFile === ''),
      message: 'and listen.tlsCertFile must be set both or neither',
    },
    {
      key: 'listen.paths',
      holds: ({ listen }) => listen.paths.length > 0 && new Set(listen.paths).size === listen.paths.length,
      message: 'must name at least one path, none twice',
    },
    {
      key: 'actors.sweepMs',
      holds: ({ actors }) => actors.sweepMs <= actors.passivateAfterMs,
      message: 'must be at most actors.passivateAfterMs',
    },
    {
      key: 'archive.pageDefault',
      holds: ({ archive }) => archive.pageDefault <= archive.pageMax,
      message: 'must be at most archive.pageMax',
    },
    {
      key: 'groups.historyDefault',
      holds: ({ groups }) => groups.historyDefault <= groups.historyMax,
      message: 'must be at most groups.historyMax',
    },
    {
      key: 'upload.secret',
      holds: ({ upload }) => upload.secret === '' || upload.secret.length >= 16,
      message: 'must have at least 16 characters, or be empty',
    },
    {
      key: 'upload.secret',
      holds: ({ upload, cluster }) =>
        !upload.enabled || upload.store !== 's3' || cluster.name === '' || upload.secret !== '',
      message: 'must be set, the same on every node: a slot of one node is used at another',
    },
    {
      key: 'upload.s3Bucket',
      holds: ({ upload }) => !upload.enabled || upload.store !== 's3' || upload.s3Bucket !== '',
      message: 'must be set when upload.store is s3',
    },
    {
      key: 'upload.quotaBytes',
      holds: ({ upload }) => upload.quotaBytes >= upload.maxBytes,
      message: 'must be at least upload.maxBytes, or the largest file could never be uploaded',
    },
    {
      key: 'upload.totalBytesMax',
      holds: ({ upload }) => upload.totalBytesMax >= upload.maxBytes,
      message: 'must be at least upload.maxBytes, or the largest file could never be uploaded',
    },
    {
      key: 'upload.freeBytesMin',
      holds: ({ upload, storage }) =>
        !upload.enabled || upload.store !== 'disk' || upload.dir !== '' || upload.freeBytesMin >= storage.freeBytesMin,
      message: 'must be at least storage.freeBytesMin, or files would stop messages',
    },
    {
      key: 'upload.uploadsPerUserMax',
      holds: ({ upload }) => upload.uploadsPerUserMax <= upload.uploadsMax,
      message: 'must be at most upload.uploadsMax',
    },
    {
      key: 'cluster.natsKeyFile',
      holds: ({ cluster }) => (cluster.natsCertFile === '') === (cluster.natsKeyFile === ''),
      message: 'and cluster.natsCertFile must be set both or neither',
    },
    {
      key: 'cluster.natsUrls',
      holds: ({ cluster }) => cluster.name === '' || cluster.natsUrls.length > 0,
      message: 'must name at least one server when cluster.name is set',
    },
    {
      key: 'cluster.seeOtherUri',
      holds: ({ cluster, listen }) => !cluster.seeOtherUri || (cluster.name !== '' && listen.publicWebSocketUrl !== ''),
      message: 'needs cluster.name and a listen.publicWebSocketUrl that leads to this node and no other',
    },
    {
      key: 'cluster.graceMs',
      holds: ({ cluster }) => cluster.graceMs >= 4 * cluster.heartbeatMs,
      message: 'must be at least 4 times cluster.heartbeatMs: one lost heartbeat is no death',
    },
    {
      key: 'cluster.leaseMs',
      holds: ({ cluster }) =>
        cluster.leaseMs >= 2 * cluster.heartbeatMs && cluster.leaseMs / 0.9 <= cluster.graceMs / 1.1,
      message: 'must be from twice cluster.heartbeatMs to four fifths of cluster.graceMs: clocks may be 10 % apart',
    },
    {
      key: 'storage.memoryBytesMax',
      holds: ({ storage }) => storage.memoryBytesMax >= 2 * storage.foldBytes,
      message: 'must be at least twice storage.foldBytes: one half is folded while the other fills',
    },
    {
      key: 'storage.blockMergeBytesMax',
      holds: ({ storage }) => storage.blockMergeBytesMax <= storage.blockBytesMax,
      message: 'must be at most storage.blockBytesMax',
    },
  ];

/**
 * Puts a configuration together. Later ones win: cluster.config.ts, the profile, `file`, environment, `overrides`.
 * @param overrides the command line's
 * @param file what a `--config` file exports, unchecked
 * @throws ConfigError with every fault there is
 */
export function loadConfig(
  env: NodeJS.ProcessEnv = process.env,
  overrides: ConfigOverrides = {},
  file: unknown = {},
): Config {
  const defaults = flatten(clusterConfig);
  const { values, faults: envFaults } = readEnv(env, defaults);
  const faults: ConfigFault[] = envFaults.map(({ env, message }) => ({ key: env, env: [], message }));
  const fromEnv: Record<string, unknown> = {};
  for (const [path, value] of values) setPath(fromEnv, path, value);
  if (!isSection(file)) faults.push({ key: 'the config file', env: [], message: 'must export an object of sections' });

  const layers = [isSection(file) ? file : {}, fromEnv, overrides];
  const asked = layers.reduce<unknown>(
    (value, layer) => (layer as { profile?: unknown }).profile ?? value,
    clusterConfig.profile,
  );
  const profile = Object.hasOwn(profiles, String(asked)) ? profiles[asked as Config['profile']] : {};
  const merged = [profile, ...layers].reduce<unknown>((value, layer) => merge(value, layer), clusterConfig);

  const parsed = configSchema.safeParse(merged);
  if (!parsed.success) faults.push(...parsed.error.issues.flatMap((issue) => faultsOf(issue, merged, defaults)));
  else faults.push(...brokenRelations(parsed.data));
  if (!parsed.success || faults.length > 0) throw new ConfigError(faults);
  return deepFreeze(parsed.data);
}

/** Path → value of every setting. */
export function flatten(value: unknown, prefix = ''): Map<string, unknown> {
  const settings = new Map<string, unknown>();
  for (const [key, child] of Object.entries(value as Record<string, unknown>)) {
    if (isSection(child)) for (const [path, leaf] of flatten(child, `${prefix}${key}.`)) settings.set(path, leaf);
    else settings.set(prefix + key, child);
  }
  return settings;
}

function brokenRelations(config: Config): ConfigFault[] {
  return RELATIONS.filter(({ holds }) => !holds(config)).map(({ key, message }) => ({
    key,
    env: envNamesOf(key),
    message,
  }));
}

function faultsOf(issue: z.core.$ZodIssue, merged: unknown, defaults: ReadonlyMap<string, unknown>): ConfigFault[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => {
      const full = [...path, key].join('.');
      return { key: full, env: [], message: `is not a setting${didYouMean(full, [...defaults.keys()])}` };
    });
  // An item of a list: the fault is the list's.
  const key = path.slice(0, path.findIndex((part) => /^\d+$/.test(part)) >>> 0).join('.');
  const value = path.reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], merged);
  const env = defaults.has(key) ? envNamesOf(key) : [];
  return [{ key, env, message: SECRETS.has(key) ? issue.message : `is ${shown(value)}: ${issue.message}` }];
}

/** A value as it is, but for what stands before the @ of a URL: faults are kept in logs. */
function shown(value: unknown): string {
  return String(JSON.stringify(value)).replace(/\/\/[^/"]*@/g, '//…@');
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function merge(base: unknown, over: unknown): unknown {
  if (over === undefined) return base;
  if (!isSection(base) || !isSection(over)) return over;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) merged[key] = merge(base[key], value);
  return merged;
}

function setPath(target: Record<string, unknown>, path: string, value: unknown): void {
  const parts = path.split('.');
  const last = parts.pop()!;
  let at = target;
  for (const part of parts) {
    at[part] ??= {};
    at = at[part] as Record<string, unknown>;
  }
  at[last] = value;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) for (const child of Object.values(value)) deepFreeze(child);
  return Object.freeze(value);
}
