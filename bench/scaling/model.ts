/** One line of the calculation: a name, how it is computed from names above it, and what it means. */
export interface Step {
  readonly name: string;
  readonly formula: string;
  readonly unit: string;
  readonly says: string;
}

export interface Part {
  readonly title: string;
  readonly steps: readonly Step[];
}

const step = (name: string, formula: string, unit: string, says: string): Step => ({ name, formula, unit, says });

/** From connections and messages to nodes, cells, bytes and pauses. The order matters: names must be known before. */
export const parts: readonly Part[] = [
  {
    title: 'Load',
    steps: [
      step(
        'deliveriesPerMessage',
        '1 - groupShare + groupShare * (groupMembers - 1)',
        '×',
        'others who get a message; each is an op of its own in their shard',
      ),
      step('messagesPerSecond', 'messagesPerDay / 86400', '/s', 'mean over the day'),
      step('deliveriesPeak', 'messagesPerSecond * peakFactor * deliveriesPerMessage', '/s', 'all cells at their peak'),
    ],
  },
  {
    title: 'CPU and nodes',
    steps: [
      step('cpuInCluster', 'cpuPerDelivery * clusterRatio', 'µs', 'of a delivery, three copies, over all nodes'),
      step('coresMessages', 'deliveriesPeak * cpuInCluster / 1e6', 'cores', 'busy with messages'),
      step('coresIdle', 'connections * idleCpuPerMinute / 60 / 1e6', 'cores', 'busy with sessions that do nothing'),
      step(
        'coresLogins',
        'connections * reconnects / 86400 * peakFactor * loginCpu / 1e6',
        'cores',
        'busy with logins',
      ),
      step(
        'nodesByCpu',
        'ceil((coresMessages + coresIdle + coresLogins) / utilization)',
        'nodes',
        'a node has one core',
      ),
      step(
        'nodesBySockets',
        'ceil(connections / (connectionsMax * 2 / 3))',
        'nodes',
        'two zones can hold all sockets; a setting, memory allows more',
      ),
      step(
        'ratioBalance',
        '(nodesBySockets * utilization - coresIdle - coresLogins) * 1e6 / (deliveriesPeak * cpuPerDelivery)',
        '×',
        'from this clusterRatio on CPU, not sockets, says how many nodes',
      ),
      step('nodes', 'max(nodesByCpu, nodesBySockets)', 'nodes', 'the larger of the two'),
      step('connectionsPerNode', 'connections / nodes', 'sockets', ''),
      step('deliveriesPerNode', 'deliveriesPeak / nodes', '/s', 'at peak'),
      step('machines', 'ceil(nodes * coresPerNode / machineCores)', 'machines', 'for nodes alone'),
      step(
        'machinesNats',
        'ceil(deliveriesPeak * natsCpuPerDelivery / 1e6 / utilization / machineCores)',
        'machines',
        'for NATS',
      ),
    ],
  },
  {
    title: 'Cells',
    steps: [
      step('cells', 'ceil(nodes / nodesPerCell)', 'clusters', 'one cluster cannot be larger: below'),
      step('cellConnections', 'connections / cells', 'sockets', 'what one cluster carries'),
      step('cellMessages', 'messagesPerDay / cells', 'a day', 'likewise'),
      step(
        'crossCell',
        '1 - sameRegion / max(1, cells / regions)',
        'of messages',
        'between cells, if users are dealt out by hash',
      ),
      step('crossRegion', '1 - sameRegion', 'of messages', 'between regions'),
    ],
  },
  {
    title: 'Memory and disks',
    steps: [
      step(
        'nodeMemory',
        'nodeMiB / 1024 + connectionsPerNode * (rssPerSession + kernelPerSocket) / 1048576',
        'GiB',
        'a node, sockets idle',
      ),
      step(
        'machineMemory',
        'nodeMemory * machineCores / coresPerNode',
        'GiB',
        'a machine full of nodes, page cache apart',
      ),
      step(
        'storedPerMessage',
        'bodyBytes + entryBytes * (2 + deliveriesPerMessage)',
        'bytes',
        'record, entry of the sender, one a receiver: one copy',
      ),
      step('storedPerDay', 'messagesPerDay * storedPerMessage * copies / 1e12', 'TB', 'all copies'),
      step('stored', 'storedPerDay * retentionDays / 1000', 'PB', 'after retentionDays'),
      step('storedPerNode', 'stored * 1e6 / nodes', 'GB', 'twice that on disk, for compaction'),
      step('writtenPerNode', 'deliveriesPeak * writtenPerDelivery / nodes / 1e6', 'MB/s', 'to the disk, at peak'),
      step(
        'syncsPerNode',
        'min(1000 / busyTickMs, deliveriesPerNode * copies * 2)',
        '/s',
        'a tick each; never more than one a busyTickMs',
      ),
      step('syncsPerMachine', 'syncsPerNode * machineCores / coresPerNode', '/s', 'on the drives of one machine'),
      step(
        'hoursToFill',
        'storedPerNode * 1e9 / (2 * copyRate) / 3600',
        'h',
        'an empty node, two copies coming in at a time',
      ),
    ],
  },
  {
    title: 'Network and NATS, a cell',
    steps: [
      step(
        'cellPublished',
        'deliveriesPeak / cells * publishedPerDelivery * 8 / 1e9',
        'Gbit/s',
        'published by nodes, at peak: appends to followers, envelopes, acks',
      ),
      step(
        'cellNats',
        'cellPublished * (2 + 2 / 3)',
        'Gbit/s',
        'through three nats-servers: in, out, and two of three times between them',
      ),
      step('heartbeats', 'nodesPerCell ^ 2 * 1000 / heartbeatMs', '/s', 'every node hears every node'),
      step(
        'heartbeatTraffic',
        'nodesPerCell ^ 3 * echoBytes * 1000 / heartbeatMs * 8 / 1e9',
        'Gbit/s',
        'each tells of all others',
      ),
      step('natsConnections', 'nodesPerCell * 2', '', 'traffic and bulk; nats-server allows 65,536'),
    ],
  },
  {
    title: 'Configuration, a cell',
    steps: [
      step('leadersPerNode', 'shards / nodesPerCell', 'shards', ''),
      step('changesNode', 'shards * copies / nodesPerCell', 'changes', 'when one node dies'),
      step('secondsNode', 'changesNode * casMs / 1000', 's', 'on top of graceMs'),
      step('secondsZone', 'shards * casMs / 1000', 's', 'when one zone of three dies: every shard has a copy there'),
      step('watchZone', 'shards * nodesPerCell', 'messages', 'to tell every node of it'),
    ],
  },
];

/** Where one cluster, as it is built, reaches a limit; in nodes. Shown by size, smallest first. */
export interface Limit {
  readonly what: string;
  /** nodes */
  readonly formula: string;
  readonly remedy: string;
}

export const limits: readonly Limit[] = [
  {
    what: 'heartbeats take 1 Gbit/s of NATS',
    formula: 'cbrt(1e9 / 8 * heartbeatMs / 1000 / echoBytes)',
    remedy: 'tell each node its own echo instead of all echoes to all: bytes grow with n² then, not n³',
  },
  {
    what: 'ten leaderships a node are left: the busiest node leads 7 % more than the mean',
    formula: 'shards / 10',
    remedy: 'more shards, which must be chosen when the cluster is made',
  },
  {
    what: 'with ten shards a node, the loss of a zone takes 5 s of compare-and-sets',
    formula: '5000 / casMs / 10',
    remedy: 'several buckets, each with its part of the shards: streams with leaders of their own',
  },
  {
    what: 'with ten shards a node, one plan holds up the planning node for 50 ms',
    formula: '50 / planMs * 1024 / 10',
    remedy: 'plan in a worker thread; plan anew only what changed',
  },
  {
    what: 'heartbeats take 10 % of the core of every node',
    formula: 'sqrt(100000 / (1000 / heartbeatMs * echoCpu))',
    remedy: 'as above; then heartbeats by zone, told on by one node',
  },
  {
    what: '`peersMax` of the heartbeats: nodes beyond it are forgotten and suspected',
    formula: '1024',
    remedy: 'a hard limit until raised',
  },
  { what: 'a node has no shard to lead', formula: 'shards', remedy: 'more shards' },
  {
    what: 'connections of one nats-server',
    formula: '65536 / 2',
    remedy: '`max_connections`, or more servers',
  },
];
