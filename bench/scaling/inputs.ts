import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Phase, Report } from '../report.ts';

/** A named figure of the calculation, and where it comes from. */
export interface Input {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** `wanted`: the task; `measured`: by a run named in `from`; `setting`: a default; `assumed`: nobody has measured it */
  readonly kind: 'wanted' | 'measured' | 'setting' | 'assumed';
  readonly from: string;
}

/** An input that a result of the bench replaces as soon as it is there. */
interface Measurable extends Input {
  /** name of the file in bench/results, without .json */
  readonly file?: string;
  readonly read?: (report: Report) => number | undefined;
}

const phaseOf = (report: Report, wanted: (phase: Phase) => boolean) => report.phases.find(wanted);
const server = (report: Report) => phaseOf(report, ({ target }) => target !== 'relay')?.server?.perOperationUs;
const fullLoad = (report: Report) => phaseOf(report, ({ name }) => /^cluster of 3, full load/.test(name));
const extra = (name: string) => (report: Report) => fullLoad(report)?.extra?.[name];

const clusterRun = 'a short run of `bench:cluster cost` on a busy machine; to be replaced';

/** Every figure that the calculation stands on. Change one here, then `npm run docs:scaling`. */
export const inputs: readonly Measurable[] = [
  { name: 'connections', value: 500e6, unit: 'sockets', kind: 'wanted', from: 'issue 3' },
  { name: 'messagesPerDay', value: 100e9, unit: 'messages sent', kind: 'wanted', from: 'issue 3' },
  {
    name: 'cpuPerDelivery',
    value: 127,
    unit: 'µs',
    kind: 'measured',
    from: 'single node, 1,000 users × 1',
    file: 'pairs-1000x1',
    read: server,
  },
  {
    name: 'clusterRatio',
    value: 2.5,
    unit: '×',
    kind: 'assumed',
    from: 'what issue 3 wants: three copies, all nodes, without nats-servers',
    file: 'cluster-cost',
    read: ({ ratios }) => ratios.find(({ name }) => /nodes alone, full load$/.test(name))?.value,
  },
  {
    name: 'natsCpuPerDelivery',
    value: 87,
    unit: 'µs',
    kind: 'assumed',
    from: clusterRun,
    file: 'cluster-cost',
    read: (report) => fullLoad(report)?.parts?.['nats-servers']?.perOperationUs,
  },
  {
    name: 'publishedPerDelivery',
    value: 3_800,
    unit: 'bytes',
    kind: 'assumed',
    from: clusterRun,
    file: 'cluster-cost',
    read: extra('bytes published to NATS per message'),
  },
  {
    name: 'writtenPerDelivery',
    value: 3_700,
    unit: 'bytes, all copies',
    kind: 'assumed',
    from: clusterRun,
    file: 'cluster-cost',
    read: extra('bytes to disk per message, all copies'),
  },
  {
    name: 'rssPerSession',
    value: 6.4,
    unit: 'KiB',
    kind: 'measured',
    from: '10,000 idle sessions',
    file: 'idle-10000',
    read: ({ phases }) => (phases[0]?.memory === undefined ? undefined : phases[0].memory.perSessionBytes / 1024),
  },
  {
    name: 'idleCpuPerMinute',
    value: 84,
    unit: 'µs a session',
    kind: 'measured',
    from: 'the same run',
    file: 'idle-10000',
    read: ({ phases }) => phases[0]?.extra?.['CPU µs per idle session and minute'],
  },
  {
    name: 'loginCpu',
    value: 1_053,
    unit: 'µs',
    kind: 'measured',
    from: 'TCP, WebSocket, SCRAM, bind',
    file: 'connect',
    read: (report) => phaseOf(report, ({ name }) => name === 'login')?.server?.perOperationUs,
  },
  { name: 'connectionsMax', value: 50_000, unit: 'a node', kind: 'setting', from: '`limits.connectionsMax`' },
  { name: 'copies', value: 3, unit: 'of every shard', kind: 'setting', from: '`cluster.copies`' },
  { name: 'shards', value: 1_024, unit: 'a cluster, for ever', kind: 'setting', from: '`node.shards`' },
  { name: 'heartbeatMs', value: 250, unit: 'ms', kind: 'setting', from: '`cluster.heartbeatMs`' },
  {
    name: 'copyRate',
    value: 33_554_432,
    unit: 'bytes/s a node',
    kind: 'setting',
    from: '`cluster.copyBytesPerSecond`',
  },
  { name: 'busyTickMs', value: 2, unit: 'ms', kind: 'setting', from: '`storage.busyTickMs`' },
  { name: 'nodeMiB', value: 376, unit: 'MiB', kind: 'setting', from: 'operating.md, Sizing: process, caches, overlay' },
  {
    name: 'echoBytes',
    value: 36,
    unit: 'bytes',
    kind: 'measured',
    from: 'a heartbeat of 96 nodes, packed: 3,429 bytes',
  },
  { name: 'echoCpu', value: 0.32, unit: 'µs', kind: 'measured', from: 'the same unpacked: 31 µs, on a busy machine' },
  {
    name: 'planMs',
    value: 34,
    unit: 'ms',
    kind: 'measured',
    from: 'one plan of 1,024 shards on 100 nodes, busy machine',
  },
  {
    name: 'casMs',
    value: 3,
    unit: 'ms',
    kind: 'assumed',
    from: 'DESIGN: 1 to 5 ms; one after the other in one stream',
  },
  {
    name: 'peakFactor',
    value: 3,
    unit: '×',
    kind: 'assumed',
    from: "a cell's busiest hour over its daily mean: one region's evening; the world's sum is flatter",
  },
  { name: 'groupShare', value: 0.2, unit: 'of messages', kind: 'assumed', from: 'sent to groups' },
  { name: 'groupMembers', value: 10, unit: 'members', kind: 'assumed', from: 'mean, weighted by messages' },
  {
    name: 'utilization',
    value: 0.5,
    unit: 'of a core',
    kind: 'assumed',
    from: 'at peak, so that two zones carry three',
  },
  { name: 'reconnects', value: 20, unit: 'a connection and day', kind: 'assumed', from: 'phones change networks' },
  { name: 'bodyBytes', value: 200, unit: 'bytes', kind: 'assumed', from: 'text and its tags; media lie elsewhere' },
  {
    name: 'entryBytes',
    value: 200,
    unit: 'bytes',
    kind: 'assumed',
    from: 'operating.md: 600 beside the body, 3 entries',
  },
  { name: 'retentionDays', value: 30, unit: 'days', kind: 'assumed', from: 'nothing expires yet' },
  { name: 'kernelPerSocket', value: 8, unit: 'KiB', kind: 'assumed', from: 'socket buffers of an idle connection' },
  {
    name: 'nodesPerCell',
    value: 96,
    unit: 'nodes',
    kind: 'assumed',
    from: 'below what breaks first, in three zones of 32',
  },
  {
    name: 'coresPerNode',
    value: 1.5,
    unit: 'cores',
    kind: 'assumed',
    from: 'one thread for chat, half a core to sync',
  },
  { name: 'machineCores', value: 64, unit: 'cores', kind: 'assumed', from: 'a common server' },
  {
    name: 'sameRegion',
    value: 0.9,
    unit: 'of messages',
    kind: 'assumed',
    from: 'both people have the same home region',
  },
  { name: 'regions', value: 5, unit: 'regions', kind: 'assumed', from: '' },
];

/** The inputs with what bench/results has measured in place of what was written down. @param dir of the results */
export function currentInputs(dir: string): readonly Input[] {
  return inputs.map(({ file, read, ...input }) => {
    const path = file === undefined ? '' : join(dir, `${file}.json`);
    if (file === undefined || !existsSync(path)) return input;
    const value = read?.(JSON.parse(readFileSync(path, 'utf8')) as Report);
    if (value === undefined || !Number.isFinite(value)) return input;
    const from = input.kind === 'measured' ? input.from : 'three nodes, three copies, 200 users × 5';
    return { ...input, value, kind: 'measured', from: `${from} (bench/results/${file}.json)` };
  });
}
