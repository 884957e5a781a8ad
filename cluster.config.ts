import type { Config, ConfigOverrides } from './src/config.ts';

/**
 * Every setting of a node: its default, its unit, and why it is so. Edit it here, or leave this file alone and set
 * `ROOKERY_<SECTION>_<SETTING>` (`limits.stanzaBytesMax` is ROOKERY_LIMITS_STANZA_BYTES_MAX; lists are comma
 * separated). Short names exist for the most used: ROOKERY_DATA_DIR, ROOKERY_HOST, ROOKERY_PORT, ROOKERY_DOMAIN,
 * ROOKERY_TLS_CERT, ROOKERY_TLS_KEY, ROOKERY_REGISTRATION. Later ones win: this file, the profile, `--config` file,
 * environment, command line. What is allowed is in src/config-schema.ts.
 */
const defaults: Config = {
  /** `default`, or `bench`: lifts the limits listed at the end of this file, for load tests. Never durability. */
  profile: 'default',

  node: {
    /** name of this node in its cluster, in logs and on disk; lower-case letters, digits, dashes */
    id: 'node-1',
    /** the domain part of every address served: alice@localhost */
    domain: 'localhost',
    /** folder, made when missing; one process uses it at a time. Relative to where the command is run */
    dataDir: './data',
    /** partitions of all entities; fixed when the folder is made, since it decides where everything lies */
    shards: 1024,
    /** milliseconds that a stop waits for streams to close and for the log to flush, before it goes on regardless */
    drainMs: 10_000,
  },

  cluster: {
    /** name of the cluster this node belongs to; empty: a node by itself, which needs no NATS */
    name: '',
    /** NATS servers (JetStream, 2.10.27 or newer), nats://host:port or tls://host:port; no user or password in them */
    natsUrls: ['nats://127.0.0.1:4222'],
    natsUser: '',
    natsPassword: '',
    natsToken: '',
    /** path of a credentials file (JWT and seed) */
    natsCredsFile: '',
    /** path of a file with the seed of an nkey */
    natsNkeyFile: '',
    /** PEM files; the authority alone asks for TLS, certificate and key name this node to the servers */
    natsCaFile: '',
    natsCertFile: '',
    natsKeyFile: '',
    /** copies of the cluster's configuration in NATS; 1 only where losing it loses nothing, for development */
    natsReplicas: 3,
    /** copies of every shard, R; a write waits for all that are in sync, two at least */
    copies: 3,
    /** nodes that must be up before the shards of a new cluster are placed */
    bootstrapNodes: 3,
    /** nodes of one zone fail together (a rack, a data centre): one copy a zone while there are enough */
    zone: 'zone-1',
    /** milliseconds between two heartbeats */
    heartbeatMs: 250,
    /** milliseconds of silence after which a node is suspected: how long a dead leader's shards stand still */
    graceMs: 1500,
    /** milliseconds for which an answered heartbeat allows reads; with clocks 10 % apart below graceMs */
    leaseMs: 1000,
    /** milliseconds of silence after which a node's copies are made anew elsewhere */
    replaceAfterMs: 60_000,
    /** bytes per second of the copies that a node gives to others */
    copyBytesPerSecond: 33_554_432,
    /**
     * send a client that has logged in on to the node of its session (RFC 7395 see-other-uri); every node then needs a
     * listen.publicWebSocketUrl of its own. Off: any node serves any client, and of the common ones none follows
     */
    seeOtherUri: false,
  },

  listen: {
    /** address; loopback, so that a first try exposes nothing. 0.0.0.0 or :: for every interface */
    host: '127.0.0.1',
    /** TCP port of HTTP and WebSocket; 0 takes a free one. 5280 is what XMPP servers commonly use */
    port: 5280,
    /** where WebSocket upgrades are taken; /xmpp-websocket is the customary one, the first is the one announced */
    paths: ['/xmpp-websocket', '/ws'],
    /** PEM files; with both set the port speaks HTTPS and wss, and reloads them when they change */
    tlsCertFile: '',
    tlsKeyFile: '',
    /** addresses or ranges whose X-Forwarded-For and -Proto are believed; nobody's by default, since anyone can send them */
    trustedProxies: [],
    /** web origins that may open a WebSocket, besides this server's own; `*` is fine as no cookie logs anyone in */
    allowedOrigins: ['*'],
    /** announced in host-meta when a proxy makes the real one invisible from here; empty: derived from the request */
    publicWebSocketUrl: '',
    /** serve the web client at / */
    webClient: true,
    /** connections the kernel holds until they are taken; a reconnect storm needs more than Node's 511 */
    backlog: 4096,
    /** milliseconds for a request's headers to arrive; slower ones are cut off */
    headersTimeoutMs: 10_000,
  },

  limits: {
    /** bytes of one stanza (one WebSocket frame); RFC 6120 13.12 asks for at least 10,000 */
    stanzaBytesMax: 262_144,
    /** bytes of one frame of somebody who has not logged in, and of all that waits there for an answer; strangers need no more */
    loginBytesMax: 16_384,
    /** elements within each other; real stanzas stay below 20 */
    depthMax: 64,
    /** attributes of one element */
    attrsMax: 64,
    /** elements in one stanza; keeps a small frame from becoming a large tree */
    elementsMax: 10_000,
    /** sockets; beyond it new ones are answered 503. Also bounded by the process's open files */
    connectionsMax: 50_000,
    /** sockets from one address; a large office behind one address needs hundreds */
    connectionsPerAddressMax: 500,
    /** new sockets a second from one address in the long run */
    connectionsPerAddressPerSecond: 20,
    /** new sockets at once from one address after a quiet time */
    connectionsPerAddressBurst: 100,
    /** sockets that have not logged in; keeps strangers from taking the places of users */
    unauthenticatedMax: 5000,
    /** the same, of one address */
    unauthenticatedPerAddressMax: 100,
    /** milliseconds from connecting to being logged in */
    authTimeoutMs: 30_000,
    /** milliseconds of silence after which a socket is pinged; below the 60 s at which proxies cut idle ones */
    idlePingMs: 45_000,
    /** milliseconds of silence after which it is given up and its stream waits for a resume */
    idleTimeoutMs: 90_000,
    /** bytes waiting for one slow reader; beyond it the socket is dropped and the stream waits for a resume */
    outQueueBytesMax: 1_048_576,
    /** stanzas kept for a stream until its client acknowledges them; beyond it the stream ends, and the archive has them.
     * A client that starts is sent an answer to each of `iqsBurst` questions, and who is in its rooms, in one breath */
    unackedStanzasMax: 5000,
    /** bytes of the same */
    unackedBytesMax: 2_097_152,
    /** seconds a stream without a socket can be resumed; long enough for a lift or a tunnel */
    resumeSeconds: 300,
    /** messages before a retraction among which a chat looks for the one that is taken back; an older one stays.
     * As many again every 10 seconds in one chat; beyond it `resource-constraint`, type wait */
    retractLookBackMax: 10_000,
    /** messages a second one user may send in the long run; beyond it `resource-constraint`, type wait */
    sendsPerSecond: 50,
    /** messages at once after a pause; a client that was offline sends its queue, and a receipt for each message it missed */
    sendsBurst: 1000,
    /** iqs a second one stream may send in the long run; beyond it `resource-constraint`, type wait */
    iqsPerSecond: 50,
    /** iqs at once after a pause; a client that starts asks for the cards and abilities of everybody it knows */
    iqsBurst: 1000,
    /** presences a second of one stream in the long run; beyond it the stream ends with `policy-violation` */
    presencesPerSecond: 20,
    /** presences at once after a pause; a client that starts joins its rooms, another imports an address book */
    presencesBurst: 1000,
    /** events waiting for one actor; beyond it requests are answered `resource-constraint` */
    mailboxMax: 10_000,
    /** contacts of one user */
    rosterItemsMax: 5000,
    /** chats of one user; beyond it new ones are refused, the user's own with `policy-violation` */
    chatsPerUserMax: 20_000,
    /** streams of one user, connected or resumable */
    resourcesPerUserMax: 20,
    /** addresses that one stream sent directed presence to and owes an unavailable (RFC 6121 4.6) */
    directedPresenceMax: 1000,
    /** addresses that one user blocks (XEP-0191) */
    blockedMax: 1000,
    /** bytes of a vCard (XEP-0054); a photo makes it large. It has to fit into a stanza, too */
    vcardBytesMax: 131_072,
    /** elements of private XML of one user (XEP-0049): a client stores its settings as one or a few */
    privateItemsMax: 100,
    /** bytes of all of them together */
    privateBytesMax: 262_144,
  },

  login: {
    /** PBKDF2 rounds of stored SCRAM keys; the client pays them at each login, the server at registration */
    iterations: 10_000,
    /** failed tries on one stream before it is closed (RFC 6120 6.4.5 suggests 2 to 5) */
    attempts: 3,
    /** tries of one address at one account before it has to wait; its devices may come back at once */
    accountFailuresFree: 5,
    /** failures of one address at any accounts before it has to wait; an office shares one address */
    addressFailuresFree: 10,
    /** milliseconds of the first wait, doubled for each further failure */
    failureDelayMs: 500,
    /** milliseconds of the longest wait */
    failureDelayMsMax: 30_000,
    /** milliseconds everyone waits per ten failures at an account: slows a guess from many addresses, locks nobody out */
    accountDelayMs: 100,
    /** milliseconds of the same at most */
    accountDelayMsMax: 1000,
    /** milliseconds; a try that would have to wait longer is refused instead, so that waits do not pile up */
    waitMsMax: 10_000,
    /** milliseconds without a failure after which failures are forgotten */
    failuresForgetMs: 900_000,
    /** accounts and addresses remembered; beyond it the one longest untouched is forgotten */
    entriesMax: 50_000,
    /** offer SASL ANONYMOUS: a throw-away account for anyone who connects */
    anonymous: false,
  },

  registration: {
    /** who may make an account in-band: `loopback` (this machine), `everyone`, or `closed` (only `rookery user add`) */
    open: 'loopback',
    /** new accounts an hour from one address */
    perAddressPerHourMax: 20,
  },

  bind: {
    /** a second stream asks for a resource in use: `replace` the old stream, `refuse` the new one, or `rename` it */
    conflict: 'replace',
  },

  actors: {
    /** milliseconds without an event after which an entity leaves memory; it comes back from disk in under 1 ms */
    passivateAfterMs: 300_000,
    /** milliseconds between looks for idle entities, ended resume windows and unacknowledged deliveries */
    sweepMs: 1000,
    /** entities in memory; beyond it the longest idle leave early */
    loadedMax: 200_000,
    /**
     * bytes in use on the heap up to which an idle process collects garbage and gives memory back, which after many logins
     * is most of it; it stands still for about 1.5 ms a MiB then. 0: never
     */
    idleHeapBytesMax: 402_653_184,
  },

  storage: {
    /** milliseconds between two synced writes of a node with more than a message or two to write; a quiet one writes at
     * once. More is cheaper and later: 4 saves a fifth of the CPU at a quarter of the load, and adds 4 ms */
    busyTickMs: 2,
    /** bytes of committed writes in memory that start a fold into RocksDB; more coalesces better, restarts read more */
    foldBytes: 33_554_432,
    /** milliseconds after which less than that is folded too; keeps restarts of a quiet node short */
    foldIntervalMs: 5000,
    /** milliseconds of encoding at a stretch while folding; the event loop gets its turn in between */
    foldSliceMs: 2,
    /** bytes of committed writes and appends in memory; beyond it appends are refused until a fold has caught up */
    memoryBytesMax: 134_217_728,
    /** neighbouring records of a stream stored as one value; a page of history costs one or two reads */
    blockRecordsMax: 64,
    /** bytes of the same */
    blockBytesMax: 32_768,
    /** bytes up to which the last block is rewritten to add to it; above it a new one is begun */
    blockMergeBytesMax: 4096,
    /** journal records kept for undelivered outboxes; beyond it those ops are carried over into fresh records */
    journalRecordsMax: 16_384,
    /** bytes that must stay free on the disk; below it nothing is accepted, so that folding can still finish */
    freeBytesMin: 67_108_864,
    /** milliseconds between looks at the free space, and between tries to reopen after a write error */
    freeCheckMs: 1000,
    /** bytes of RocksDB's block cache */
    cacheBytes: 67_108_864,
    /** bytes of RocksDB's memtables; journal records that die in them never reach a table file */
    memtableBytes: 67_108_864,
    /** RocksDB's background threads for flush and compaction */
    parallelism: 2,
  },

  archive: {
    /** messages in a page when the client does not say */
    pageDefault: 50,
    /** messages in a page at most, whatever it says */
    pageMax: 250,
    /** words of a message by which a search finds it; by those that come later in a longer one it does not */
    searchWordsMax: 256,
    /** entries of the index looked at for one page of a search; beyond it the page is short, and the client asks on */
    searchScanMax: 16_384,
    /** messages read for one page of a search to see whether they match, as for phrases; beyond it the same */
    searchFetchMax: 1000,
    /**
     * bytes of memory for the words of what was just said, some 64 KiB a busy user: without room for them they are read
     * back for the index, which takes more CPU
     */
    indexWordsBytesMax: 67_108_864,
  },

  groups: {
    /** who may make a group by entering a room that is not there: `everyone` or `nobody` */
    create: 'everyone',
    /** members of a group; one more is refused. Each message makes one inbox entry a member */
    membersMax: 10_000,
    /** with more members than this their inboxes fetch what is said, instead of getting each message by itself */
    pointersFrom: 1000,
    /** milliseconds between two times that the members of such a group are told to fetch; its devices wait that long */
    pointerMs: 1000,
    /** devices in a room at once */
    occupantsMax: 2000,
    /** devices in a room above which nobody is told of others' presence: it grows with the square of them */
    presenceMax: 100,
    /** messages that a device gets when it enters and does not say how many */
    historyDefault: 20,
    /** … and at most; older ones are in the room's archive */
    historyMax: 100,
    /** rooms that one device may be in */
    roomsPerDeviceMax: 1000,
    /** milliseconds between two times that a room asks whether its occupants are still there */
    occupantCheckMs: 300_000,
    /** requests between occupants of one room that wait for an answer (vCards, versions); beyond it `resource-constraint` */
    iqsMax: 1000,
    /** milliseconds that one waits at most, then `remote-server-timeout` */
    iqTimeoutMs: 30_000,
    /** milliseconds between two times that a group writes how far its members are, and tells senders of it, at least */
    receiptsMs: 1000,
  },

  pep: {
    /** nodes of one account (avatar, bookmarks, one for the keys of each OMEMO device …); beyond it `max-nodes-exceeded` */
    nodesMax: 500,
    /** items of one node, and what `max` means; bookmarks and read marks have one a chat */
    itemsPerNodeMax: 5000,
    /** characters of one item; an avatar of 100 KB is 137,000 in base64. Below limits.stanzaBytesMax; else `payload-too-big` */
    itemBytesMax: 196_608,
    /** characters of all items of one account, 512 more counted for each; beyond it `resource-constraint` */
    bytesMax: 16_777_216,
    /** explicit subscriptions to one node; contacts need none. Beyond it `too-many-subscriptions` */
    subscriptionsMax: 200,
    /** users who may read one node by name (access model whitelist) */
    membersMax: 200,
  },

  upload: {
    /** offer uploads of files (XEP-0363) at upload.<domain> */
    enabled: true,
    /** `disk`: a folder of this node, which a cluster cannot offer; `s3`: a bucket that all nodes share */
    store: 'disk',
    /** the folder; empty: `uploads` in the data folder. One process uses it at a time */
    dir: '',
    /** what stands before `/<id>/<name>` in the URLs of files, such as https://chat.example.org/upload, and leads to
     * /upload here; empty: derived from listen.publicWebSocketUrl, or from where this node listens */
    publicUrl: '',
    /** signs slots; the same on all nodes of a cluster. Empty: made once, and kept in the data folder */
    secret: '',
    /** bytes of one file; a photo has 2 to 10 million */
    maxBytes: 104_857_600,
    /** bytes that one user may upload in `quotaHours`; a small file counts as 64 KiB */
    quotaBytes: 1_073_741_824,
    quotaHours: 24,
    /** days that a file is kept; then its link is dead, in the archive too */
    retentionDays: 30,
    /** bytes of all files together; beyond it there are no slots until old files go */
    totalBytesMax: 10_737_418_240,
    /** bytes that uploads leave free on the disk; above storage.freeBytesMin, so that messages go on when files do not */
    freeBytesMin: 536_870_912,
    /** uploads that run at once; each holds 64 KiB or so, never a file */
    uploadsMax: 64,
    /** the same, of one user */
    uploadsPerUserMax: 8,
    /** downloads that run at once; each holds an open file */
    downloadsMax: 512,
    /** seconds from a slot to the begin of its upload; XEP-0363 8 recommends 300 */
    slotSeconds: 300,
    /** milliseconds that an upload or a download may stand still */
    idleTimeoutMs: 30_000,
    /** milliseconds that an upload or a download may take; 100 MB over a slow phone takes half an hour */
    timeoutMs: 3_600_000,
    /** milliseconds between looks for files that are too old */
    sweepMs: 3_600_000,
    /** the bucket; keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or wherever else the SDK finds them */
    s3Bucket: '',
    /** URL of an S3-compatible service; empty: AWS */
    s3Endpoint: '',
    s3Region: 'us-east-1',
    /** what all keys begin with */
    s3Prefix: 'rookery/',
    /** the bucket in the path of URLs and not in the host name, as most S3-compatible services want it */
    s3PathStyle: true,
    /** clients put and get at the bucket itself, so that the bytes bypass this node; the bucket needs a CORS rule then */
    s3Direct: false,
    /** puts of nodes fail where something is already (If-None-Match), so that two nodes never take one slot at the same
     * moment; off for services that do not know it and answer 501 */
    s3Conditional: true,
  },

  dedupe: {
    /** hours that an origin-id is remembered, so that a client may send again after a long loss of network */
    hours: 24,
    /** ids of one sender in one chat that are kept however old */
    perSenderMin: 64,
    /** ids of one chat at most; beyond it the oldest go first */
    entriesMax: 100_000,
  },

  log: {
    /** trace, debug, info, warn, error, fatal, silent */
    level: 'info',
    /** json, pretty, or auto: pretty on a terminal, JSON elsewhere */
    format: 'auto',
  },

  metrics: {
    /** who may read /metrics: `loopback`, `everyone` or `off` */
    access: 'loopback',
    /** milliseconds between samples of the event loop's lag */
    lagResolutionMs: 20,
  },
};

/** the largest count that a setting may be */
const UNLIMITED = 1_000_000_000;

/** What a profile changes. A setting of the environment or the command line still wins. */
export const profiles: Readonly<Record<Config['profile'], ConfigOverrides>> = {
  default: {},
  bench: {
    limits: {
      connectionsMax: UNLIMITED,
      connectionsPerAddressMax: UNLIMITED,
      connectionsPerAddressPerSecond: UNLIMITED,
      connectionsPerAddressBurst: UNLIMITED,
      unauthenticatedMax: UNLIMITED,
      unauthenticatedPerAddressMax: UNLIMITED,
      sendsPerSecond: UNLIMITED,
      sendsBurst: UNLIMITED,
      iqsPerSecond: UNLIMITED,
      iqsBurst: UNLIMITED,
      presencesPerSecond: UNLIMITED,
      presencesBurst: UNLIMITED,
    },
    login: {
      attempts: UNLIMITED,
      accountFailuresFree: UNLIMITED,
      addressFailuresFree: UNLIMITED,
      accountDelayMs: 0,
      accountDelayMsMax: 0,
    },
    registration: { perAddressPerHourMax: UNLIMITED },
  },
};

export default defaults;
