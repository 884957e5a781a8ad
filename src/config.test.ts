import t from 'tap';
import clusterConfig, { profiles } from '../cluster.config.ts';
import { type Config, ConfigError, type ConfigOverrides, flatten, loadConfig } from './config.ts';
import { envNameOf } from './config-env.ts';

function faultsOf(env: NodeJS.ProcessEnv, overrides: ConfigOverrides = {}, file: unknown = {}): string[] {
  try {
    loadConfig(env, overrides, file);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
}

t.test('the defaults are a valid configuration, as they stand in cluster.config.ts', async (t) => {
  t.same(loadConfig({}), clusterConfig);
  t.match(clusterConfig, {
    node: { domain: 'localhost', dataDir: './data', shards: 1024 },
    listen: { host: '127.0.0.1', port: 5280, paths: ['/xmpp-websocket', '/ws'] },
    registration: { open: 'loopback' },
  });
});

t.test('a configuration cannot be changed', async (t) => {
  const config = loadConfig({}) as { -readonly [K in keyof Config]: Config[K] };
  t.throws(() => Object.assign(config.limits, { depthMax: 1 }), TypeError);
  t.throws(() => (config.listen.paths as string[]).push('/x'), TypeError);
});

t.test('each setting is reached by the variable that its path gives', async (t) => {
  const table: [path: string, name: string][] = [
    ['limits.stanzaBytesMax', 'ROOKERY_LIMITS_STANZA_BYTES_MAX'],
    ['listen.publicWebSocketUrl', 'ROOKERY_LISTEN_PUBLIC_WEB_SOCKET_URL'],
    ['profile', 'ROOKERY_PROFILE'],
  ];
  for (const [path, name] of table) t.equal(envNameOf(path), name);
  const names = [...flatten(clusterConfig).keys()].map(envNameOf);
  t.equal(new Set(names).size, names.length, 'no two settings share a variable');
  for (const [path, value] of flatten(clusterConfig)) {
    const env = { [envNameOf(path)]: String(value) };
    t.same(loadConfig(env), clusterConfig, `${envNameOf(path)}=${value}`);
  }
});

t.test('variables are read as the type of their setting, and short names work', async (t) => {
  const config = loadConfig({
    ROOKERY_PORT: '0',
    ROOKERY_DOMAIN: 'chat.example.org',
    ROOKERY_DATA_DIR: '/var/lib/rookery',
    ROOKERY_LISTEN_TRUSTED_PROXIES: '10.0.0.0/8, ::1',
    ROOKERY_LOGIN_ANONYMOUS: 'yes',
    ROOKERY_LISTEN_WEB_CLIENT: '0',
    ROOKERY_TEST_ANYTHING: 'is ignored',
    PATH: '/bin',
  });
  t.match(config, {
    node: { domain: 'chat.example.org', dataDir: '/var/lib/rookery' },
    listen: { port: 0, trustedProxies: ['10.0.0.0/8', '::1'], webClient: false },
    login: { anonymous: true },
  });
});

t.test('later ones win: profile, file, environment, command line', async (t) => {
  const file = { profile: 'bench', listen: { port: 1 }, limits: { sendsBurst: 200_000_000, sendsPerSecond: 9 } };
  t.match(loadConfig({}, {}, file), { listen: { port: 1 }, limits: { sendsPerSecond: 9, connectionsMax: 1e9 } });
  t.equal(loadConfig({ ROOKERY_PORT: '2' }, {}, file).listen.port, 2);
  t.equal(loadConfig({ ROOKERY_PORT: '2' }, { listen: { port: 3 } }, file).listen.port, 3);
  t.equal(loadConfig({ ROOKERY_PROFILE: 'default' }, {}, file).limits.connectionsMax, 50_000);
});

t.test('the bench profile lifts rate, connection and login limits, and never durability', async (t) => {
  const changed = [...flatten(profiles.bench).keys()];
  t.ok(
    changed.every((path) => /^(limits|login|registration)\./.test(path)),
    changed.join(' '),
  );
  t.equal(loadConfig({ ROOKERY_PROFILE: 'bench' }).limits.sendsPerSecond, 1e9);
});

t.test('each fault names the key, the variable and what is allowed', async (t) => {
  const table: [env: NodeJS.ProcessEnv, fault: string][] = [
    [
      { ROOKERY_PORT: '70000' },
      'listen.port (ROOKERY_PORT, ROOKERY_LISTEN_PORT) is 70000: must be a whole number from 0 to 65535',
    ],
    [
      { ROOKERY_PORT: 'http' },
      'listen.port (ROOKERY_PORT, ROOKERY_LISTEN_PORT) is "http": must be a whole number from 0 to 65535',
    ],
    [
      { ROOKERY_LOG_LEVEL: 'loud' },
      'log.level (ROOKERY_LOG_LEVEL) is "loud": must be one of trace, debug, info, warn, error, fatal, silent',
    ],
    [
      { ROOKERY_LOGIN_ANONYMOUS: 'maybe' },
      'login.anonymous (ROOKERY_LOGIN_ANONYMOUS) is "maybe": must be true or false',
    ],
    [
      { ROOKERY_DOMAIN: 'Chat..org' },
      'node.domain (ROOKERY_DOMAIN, ROOKERY_NODE_DOMAIN) is "Chat..org": must be a domain name in lower case, such as chat.example.org',
    ],
    [
      { ROOKERY_LISTEN_TRUSTED_PROXIES: '10.0.0.1,proxy' },
      'listen.trustedProxies (ROOKERY_LISTEN_TRUSTED_PROXIES) is "proxy": must be IP addresses or ranges such as 10.0.0.0/8',
    ],
    [
      { ROOKERY_LISTEN_PATHS: '/metrics' },
      'listen.paths (ROOKERY_LISTEN_PATHS) is "/metrics": must be paths such as /ws, none of /healthz /readyz /metrics /client.js /favicon.svg',
    ],
    [
      { ROOKERY_LIMITS_IDLE_PING_MS: '90000' },
      'limits.idlePingMs (ROOKERY_LIMITS_IDLE_PING_MS) must be less than limits.idleTimeoutMs, or no ping could be answered in time',
    ],
    [
      { ROOKERY_TLS_CERT: '/cert.pem' },
      'listen.tlsKeyFile (ROOKERY_TLS_KEY, ROOKERY_LISTEN_TLS_KEY_FILE) and listen.tlsCertFile must be set both or neither',
    ],
    [{ ROOKERY_UPLOAD_STORE: 's3' }, 'upload.s3Bucket (ROOKERY_UPLOAD_S3_BUCKET) must be set when upload.store is s3'],
    [
      { ROOKERY_UPLOAD_STORE: 's3', ROOKERY_UPLOAD_S3_BUCKET: 'files', ROOKERY_CLUSTER_NAME: 'c' },
      'upload.secret (ROOKERY_UPLOAD_SECRET) must be set, the same on every node: a slot of one node is used at another',
    ],
    [
      { ROOKERY_UPLOAD_SECRET: 'short' },
      'upload.secret (ROOKERY_UPLOAD_SECRET) must have at least 16 characters, or be empty',
    ],
    [
      { ROOKERY_UPLOAD_QUOTA_BYTES: '70000' },
      'upload.quotaBytes (ROOKERY_UPLOAD_QUOTA_BYTES) must be at least upload.maxBytes, or the largest file could never be uploaded',
    ],
    [
      { ROOKERY_UPLOAD_TOTAL_BYTES_MAX: '70000' },
      'upload.totalBytesMax (ROOKERY_UPLOAD_TOTAL_BYTES_MAX) must be at least upload.maxBytes, or the largest file could never be uploaded',
    ],
    [
      { ROOKERY_UPLOAD_UPLOADS_MAX: '7' },
      'upload.uploadsPerUserMax (ROOKERY_UPLOAD_UPLOADS_PER_USER_MAX) must be at most upload.uploadsMax',
    ],
    [
      { ROOKERY_UPLOAD_PUBLIC_URL: 'https://u:p@files.example.org/' },
      'upload.publicUrl (ROOKERY_UPLOAD_PUBLIC_URL) is "https://…@files.example.org/": must be an http:// or https:// URL without a query, or empty',
    ],
    [
      { ROOKERY_STORAGE_FREE_BYTES_MIN: '1000000000' },
      'upload.freeBytesMin (ROOKERY_UPLOAD_FREE_BYTES_MIN) must be at least storage.freeBytesMin, or files would stop messages',
    ],
    [{ ROOKERY_LISTEN_PATHS: '' }, 'listen.paths (ROOKERY_LISTEN_PATHS) must name at least one path, none twice'],
    [{ ROOKERY_PROFILE: 'fast' }, 'profile (ROOKERY_PROFILE) is "fast": must be one of default, bench'],
    [{ ROOKERY_DATADIR: './x' }, 'ROOKERY_DATADIR is not a setting; did you mean ROOKERY_DATA_DIR?'],
    [
      { ROOKERY_LIMITS_IDLE_PING: '1' },
      'ROOKERY_LIMITS_IDLE_PING is not a setting; did you mean ROOKERY_LIMITS_IDLE_PING_MS?',
    ],
    [{ ROOKERY_ZZZ: '1' }, 'ROOKERY_ZZZ is not a setting'],
    [
      { ROOKERY_PORT: '1', ROOKERY_LISTEN_PORT: '2' },
      'ROOKERY_LISTEN_PORT says something else than ROOKERY_PORT; both set listen.port',
    ],
  ];
  for (const [env, fault] of table) t.same(faultsOf(env), [fault], JSON.stringify(env));
});

t.test('a config file with unknown or misplaced settings is told so', async (t) => {
  const table: [file: unknown, fault: string][] = [
    [{ limits: { depthMx: 3 } }, 'limits.depthMx is not a setting; did you mean limits.depthMax?'],
    [{ storage: { fsync: false } }, 'storage.fsync is not a setting'],
    [{ limits: 5 }, 'limits is 5: must be a section with settings in it'],
    [
      { listen: { paths: '/ws' } },
      'listen.paths (ROOKERY_LISTEN_PATHS) is "/ws": must be paths such as /ws, none of /healthz /readyz /metrics /client.js /favicon.svg',
    ],
    ['text', 'the config file must export an object of sections'],
  ];
  for (const [file, fault] of table) t.same(faultsOf({}, {}, file), [fault], JSON.stringify(file));
});

t.test('no fault repeats a secret', async (t) => {
  const file = { cluster: { natsPassword: 12_345_678, natsToken: null, natsUser: 5 }, upload: { secret: 98_765 } };
  t.same(faultsOf({ ROOKERY_CLUSTER_NATS_URLS: 'nats://a:4222,nats://me:12345678@h:4222' }, {}, file), [
    'cluster.natsUrls (ROOKERY_CLUSTER_NATS_URLS) is "nats://…@h:4222": must be URLs such as nats://host:4222 or tls://host:4222, without a password',
    'cluster.natsUser (ROOKERY_CLUSTER_NATS_USER) is 5: must be text',
    'cluster.natsPassword (ROOKERY_CLUSTER_NATS_PASSWORD) must be text',
    'cluster.natsToken (ROOKERY_CLUSTER_NATS_TOKEN) must be text',
    'upload.secret (ROOKERY_UPLOAD_SECRET) must be text',
  ]);
});

t.test('all faults are told together, and the exit code is 2', async (t) => {
  const env = { ROOKERY_PORT: '-1', ROOKERY_LIMITS_DEPTH_MAX: '1.5', ROOKERY_PRT: '1', ROOKERY_LOG_FORMAT: 'xml' };
  t.equal(faultsOf(env).length, 4);
  t.throws(() => loadConfig(env), { name: 'ConfigError', exitCode: 2, message: /^the configuration has 4 faults:\n/ });
});
