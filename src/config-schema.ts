import ipaddr from 'ipaddr.js';
import { z } from 'zod';

/**
 * What each setting may be. Defaults, units and reasons are in cluster.config.ts. Every leaf carries one sentence of
 * what is allowed, which is all an operator sees of a fault.
 */
const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const DAY_MS = 86_400_000;
/** "no limit" in practice, and what the bench profile sets */
const COUNT_MAX = 1_000_000_000;

const int = (min: number, max: number) => {
  const error = `must be a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
};
const bool = () => z.boolean({ error: 'must be true or false' });
const oneOf = <const T extends readonly [string, ...string[]]>(...values: T) =>
  z.enum(values, { error: `must be one of ${values.join(', ')}` });
const text = (error: string, allowed: (value: string) => boolean) => z.string({ error }).refine(allowed, { error });
const anyText = () => z.string({ error: 'must be text' });
const list = (error: string, allowed: (value: string) => boolean) =>
  z.array(text(error, allowed), { error }).readonly();
const section = <T extends z.core.$ZodLooseShape>(shape: T) =>
  z.strictObject(shape, {
    error: (issue) => (issue.code === 'invalid_type' ? 'must be a section with settings in it' : undefined),
  });

/** Paths that HTTP answers on; a WebSocket path must not hide one. */
const HTTP_PATHS: readonly string[] = ['/healthz', '/readyz', '/metrics', '/client.js', '/favicon.svg'];

const DOMAIN = /^(?=.{1,253}$)[\p{L}\p{N}](?:[\p{L}\p{N}.-]*[\p{L}\p{N}])?$/u;
const isDomain = (value: string) => DOMAIN.test(value) && !value.includes('..') && value === value.toLowerCase();
const isHost = (value: string) => /^[0-9a-zA-Z.:_-]+$/.test(value);
const isAddressRange = (value: string) => ipaddr.isValid(value) || ipaddr.isValidCIDR(value);
const isOrigin = (value: string) => value === '*' || (URL.canParse(value) && new URL(value).origin === value);
const isWebSocketPath = (value: string) =>
  /^\/[A-Za-z0-9._~/-]+$/.test(value) &&
  !HTTP_PATHS.includes(value) &&
  !/^\/(converse|\.well-known|upload)\//.test(value);
const isNatsUrl = (value: string) => /^(nats|tls):\/\/[^/@\s]+$/.test(value) && URL.canParse(value);
const isBaseUrl = (value: string) =>
  value === '' || (URL.canParse(value) && /^https?:\/\/[^?#@\s]+$/.test(value) && new URL(value).username === '');
const path = () => text('must be the path of a file, or empty', (v) => !v.includes('\0'));
const isWebSocketUrl = (value: string) =>
  value === '' || (URL.canParse(value) && ['ws:', 'wss:'].includes(new URL(value).protocol));

export const configSchema = section({
  profile: oneOf('default', 'bench'),
  node: section({
    id: text('must be 1 to 64 lower-case letters, digits or dashes', (v) => /^[a-z0-9][a-z0-9-]{0,63}$/.test(v)),
    domain: text('must be a domain name in lower case, such as chat.example.org', isDomain),
    dataDir: text('must be the path of a folder', (v) => v !== '' && !v.includes('\0')),
    shards: int(1, 65_536),
    drainMs: int(0, 10 * 60_000),
  }),
  cluster: section({
    name: text('must be empty, or 1 to 32 letters, digits, dashes or underscores', (v) =>
      /^[A-Za-z0-9_-]{0,32}$/.test(v),
    ),
    natsUrls: list('must be URLs such as nats://host:4222 or tls://host:4222, without a password', isNatsUrl),
    natsUser: anyText(),
    natsPassword: anyText(),
    natsToken: anyText(),
    natsCredsFile: path(),
    natsNkeyFile: path(),
    natsCaFile: path(),
    natsCertFile: path(),
    natsKeyFile: path(),
    natsReplicas: z.union([z.literal(1), z.literal(3)], { error: 'must be 3, or 1 for development' }),
    copies: int(1, 7),
    bootstrapNodes: int(1, 1000),
    zone: text('must be 1 to 64 letters, digits, dashes or underscores', (v) => /^[A-Za-z0-9_-]{1,64}$/.test(v)),
    heartbeatMs: int(20, 60_000),
    graceMs: int(100, 600_000),
    leaseMs: int(50, 600_000),
    replaceAfterMs: int(1000, DAY_MS),
    copyBytesPerSecond: int(64 * KIB, 16 * GIB),
    seeOtherUri: bool(),
  }),
  listen: section({
    host: text('must be an IP address or host name to listen on', isHost),
    port: int(0, 65_535),
    paths: list(`must be paths such as /ws, none of ${HTTP_PATHS.join(' ')}`, isWebSocketPath),
    tlsCertFile: text('must be the path of a PEM file, or empty', (v) => !v.includes('\0')),
    tlsKeyFile: text('must be the path of a PEM file, or empty', (v) => !v.includes('\0')),
    trustedProxies: list('must be IP addresses or ranges such as 10.0.0.0/8', isAddressRange),
    allowedOrigins: list('must be origins such as https://chat.example.org, or *', isOrigin),
    publicWebSocketUrl: text('must be a ws:// or wss:// URL, or empty', isWebSocketUrl),
    webClient: bool(),
    backlog: int(1, 65_535),
    headersTimeoutMs: int(100, 10 * 60_000),
  }),
  limits: section({
    stanzaBytesMax: int(10_000, 16 * MIB),
    loginBytesMax: int(10_000, 16 * MIB),
    depthMax: int(4, 1000),
    attrsMax: int(8, 10_000),
    elementsMax: int(16, 1_000_000),
    connectionsMax: int(1, COUNT_MAX),
    connectionsPerAddressMax: int(1, COUNT_MAX),
    connectionsPerAddressPerSecond: int(1, COUNT_MAX),
    connectionsPerAddressBurst: int(1, COUNT_MAX),
    unauthenticatedMax: int(1, COUNT_MAX),
    unauthenticatedPerAddressMax: int(1, COUNT_MAX),
    authTimeoutMs: int(100, DAY_MS),
    idlePingMs: int(100, DAY_MS),
    idleTimeoutMs: int(200, DAY_MS),
    outQueueBytesMax: int(10_000, GIB),
    unackedStanzasMax: int(1, 1_000_000),
    unackedBytesMax: int(10_000, GIB),
    resumeSeconds: int(0, 86_400),
    retractLookBackMax: int(1, 1_000_000),
    sendsPerSecond: int(1, COUNT_MAX),
    sendsBurst: int(1, COUNT_MAX),
    iqsPerSecond: int(1, COUNT_MAX),
    iqsBurst: int(1, COUNT_MAX),
    presencesPerSecond: int(1, COUNT_MAX),
    presencesBurst: int(1, COUNT_MAX),
    mailboxMax: int(16, 10_000_000),
    rosterItemsMax: int(1, 1_000_000),
    chatsPerUserMax: int(1, 1_000_000),
    resourcesPerUserMax: int(1, 1000),
    directedPresenceMax: int(1, 100_000),
    blockedMax: int(1, 100_000),
    vcardBytesMax: int(1000, 16 * MIB),
    privateItemsMax: int(1, 100_000),
    privateBytesMax: int(1000, 64 * MIB),
  }),
  login: section({
    iterations: int(4096, 10_000_000),
    attempts: int(1, COUNT_MAX),
    accountFailuresFree: int(1, COUNT_MAX),
    addressFailuresFree: int(1, COUNT_MAX),
    failureDelayMs: int(1, DAY_MS),
    failureDelayMsMax: int(1, DAY_MS),
    accountDelayMs: int(0, 60_000),
    accountDelayMsMax: int(0, 60_000),
    waitMsMax: int(100, 60_000),
    failuresForgetMs: int(1000, 7 * DAY_MS),
    entriesMax: int(100, 10_000_000),
    anonymous: bool(),
  }),
  registration: section({
    open: oneOf('loopback', 'everyone', 'closed'),
    perAddressPerHourMax: int(1, COUNT_MAX),
  }),
  bind: section({
    conflict: oneOf('replace', 'refuse', 'rename'),
  }),
  actors: section({
    passivateAfterMs: int(100, 7 * DAY_MS),
    sweepMs: int(10, DAY_MS),
    loadedMax: int(100, 100_000_000),
    idleHeapBytesMax: int(0, 64 * GIB),
  }),
  storage: section({
    foldBytes: int(64 * KIB, GIB),
    busyTickMs: int(0, 1000),
    foldIntervalMs: int(10, 3_600_000),
    foldSliceMs: int(1, 1000),
    memoryBytesMax: int(MIB, 16 * GIB),
    blockRecordsMax: int(1, 65_535),
    blockBytesMax: int(KIB, 64 * MIB),
    blockMergeBytesMax: int(0, 64 * MIB),
    journalRecordsMax: int(16, 100_000_000),
    freeBytesMin: int(0, 1024 * GIB),
    freeCheckMs: int(10, 3_600_000),
    cacheBytes: int(0, 4095 * MIB),
    memtableBytes: int(MIB, 16 * GIB),
    parallelism: int(1, 64),
  }),
  archive: section({
    pageDefault: int(1, 10_000),
    pageMax: int(1, 10_000),
    searchWordsMax: int(1, 4096),
    searchScanMax: int(1024, 1_000_000),
    searchFetchMax: int(1, 100_000),
    indexWordsBytesMax: int(0, 16 * GIB),
  }),
  groups: section({
    create: oneOf('everyone', 'nobody'),
    membersMax: int(1, 60_000),
    pointersFrom: int(0, 60_000),
    pointerMs: int(100, 60_000),
    occupantsMax: int(1, 60_000),
    presenceMax: int(0, 10_000),
    historyDefault: int(0, 1000),
    historyMax: int(0, 1000),
    roomsPerDeviceMax: int(1, 100_000),
    occupantCheckMs: int(1000, DAY_MS),
    iqsMax: int(1, 100_000),
    iqTimeoutMs: int(1000, 600_000),
    receiptsMs: int(1000, 60_000),
  }),
  pep: section({
    nodesMax: int(1, 100_000),
    itemsPerNodeMax: int(1, 100_000),
    itemBytesMax: int(1000, 16 * MIB),
    bytesMax: int(10_000, GIB),
    subscriptionsMax: int(0, 10_000),
    membersMax: int(0, 10_000),
  }),
  upload: section({
    enabled: bool(),
    store: oneOf('disk', 's3'),
    dir: text('must be the path of a folder, or empty', (v) => !v.includes('\0')),
    publicUrl: text('must be an http:// or https:// URL without a query, or empty', isBaseUrl),
    secret: anyText(),
    maxBytes: int(1, 5 * GIB),
    quotaBytes: int(64 * KIB, 1024 * GIB),
    quotaHours: int(1, 24 * 365),
    retentionDays: int(1, 36_500),
    totalBytesMax: int(1, 1024 * 1024 * GIB),
    freeBytesMin: int(0, 1024 * GIB),
    uploadsMax: int(1, 100_000),
    uploadsPerUserMax: int(1, 100_000),
    downloadsMax: int(1, 1_000_000),
    slotSeconds: int(1, 86_400),
    idleTimeoutMs: int(100, DAY_MS),
    timeoutMs: int(1000, DAY_MS),
    sweepMs: int(100, DAY_MS),
    s3Bucket: text('must be the name of a bucket, or empty', (v) => /^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$/.test(v)),
    s3Endpoint: text('must be an http:// or https:// URL without a query, or empty', isBaseUrl),
    s3Region: text('must be the name of a region such as eu-west-1', (v) => /^[a-z0-9-]{1,64}$/.test(v)),
    s3Prefix: text('must be empty or end in a slash', (v) => /^([A-Za-z0-9._/-]{1,200}\/)?$/.test(v)),
    s3PathStyle: bool(),
    s3Direct: bool(),
    s3Conditional: bool(),
  }),
  dedupe: section({
    hours: int(1, 24 * 365),
    perSenderMin: int(1, 100_000),
    entriesMax: int(100, 10_000_000),
  }),
  log: section({
    level: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    format: oneOf('auto', 'json', 'pretty'),
  }),
  metrics: section({
    access: oneOf('loopback', 'everyone', 'off'),
    lagResolutionMs: int(1, 1000),
  }),
});
