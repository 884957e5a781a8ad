import { readFileSync } from 'node:fs';
import type { Phase } from '../report.ts';
import type { Bed } from './bed.ts';

/** Totals since the processes began, over all nodes and nats-servers. */
export interface Counters {
  /** bytes that left for block devices, from /proc/<pid>/io; 0 on tmpfs */
  readonly diskBytes: number;
  readonly natsDiskBytes: number;
  /** ops in the nodes' logs, own and followed */
  readonly ops: number;
  /** bytes of the nodes' journals */
  readonly journalBytes: number;
  /** syncs of the nodes' journals */
  readonly syncs: number;
  /** what nodes published */
  readonly publishedMessages: number;
  readonly publishedBytes: number;
  /** what nodes were sent */
  readonly deliveredBytes: number;
  /** what the nats-servers sent, to each other too */
  readonly sentBytes: number;
}

const TIMEOUT_MS = 10_000;

/** Reads every counter once. @throws Error when a process does not answer within 10 s */
export async function readCounters({ measured, httpUrls, monitorUrls }: Bed): Promise<Counters> {
  const metrics = await Promise.all(httpUrls.map(async (url) => (await fetchOk(`${url}/metrics`)).text()));
  const log = (what: string) => sum(metrics.map((text) => sampleOf(text, `rookery_log_total{what="${what}"}`)));
  const servers = await Promise.all(
    monitorUrls.map(async (url) => {
      const connections = (await (await fetchOk(`${url}/connz?limit=10000`)).json()) as { connections: Connection[] };
      const total = (await (await fetchOk(`${url}/varz`)).json()) as { out_bytes: number };
      return { connections: connections.connections, sent: total.out_bytes };
    }),
  );
  const connections = servers.flatMap((server) => server.connections);
  return {
    diskBytes: sum(measured.pids.map(writtenBytesOf)),
    natsDiskBytes: sum((measured.parts?.['nats-servers'] ?? []).map(writtenBytesOf)),
    ops: log('ops'),
    journalBytes: log('bytes'),
    syncs: log('synced_writes'),
    publishedMessages: sum(connections.map((one) => one.in_msgs)),
    publishedBytes: sum(connections.map((one) => one.in_bytes)),
    deliveredBytes: sum(connections.map((one) => one.out_bytes)),
    sentBytes: sum(servers.map(({ sent }) => sent)),
  };
}

interface Connection {
  readonly in_msgs: number;
  readonly in_bytes: number;
  readonly out_bytes: number;
}

/** Counters at both edges of a stretch, and what they say of one operation of it. */
export class EdgeCounters {
  readonly #read: () => Promise<Counters>;
  #start: { readonly at: number; readonly counters: Counters } | undefined;
  #perSecond: Counters | undefined;

  constructor(read: () => Promise<Counters>) {
    this.#read = read;
  }

  async edge(at: 'start' | 'stop'): Promise<void> {
    const counters = await this.#read();
    const now = performance.now();
    if (at === 'start' || this.#start === undefined) {
      this.#start = { at: now, counters };
      return;
    }
    this.#perSecond = ratesOf(this.#start.counters, counters, (now - this.#start.at) / 1000);
  }

  /** Reading takes a while, so rates are held against the rate of the phase. `nodes` and `servers` that were counted */
  extra({ perSecond }: Pick<Phase, 'perSecond'>, nodes: number, servers: number): Record<string, number> {
    const rates = this.#perSecond;
    if (rates === undefined) return {};
    const per = (rate: number) => (perSecond === 0 ? 0 : rate / perSecond);
    const nats: Record<string, number> = {
      'bytes published to NATS per message': per(rates.publishedBytes),
      'NATS messages per message': per(rates.publishedMessages),
      'bytes from NATS to nodes per message': per(rates.deliveredBytes),
      'bytes between nats-servers per message': per(Math.max(0, rates.sentBytes - rates.deliveredBytes)),
      'bytes the nats-servers write per message': per(rates.natsDiskBytes),
    };
    return {
      'log ops per message, all copies': per(rates.ops),
      'journal bytes per message, all copies': per(rates.journalBytes),
      'bytes to disk per message, all copies': per(rates.diskBytes),
      'synced writes per second and node': rates.syncs / nodes,
      ...(servers === 0 ? {} : nats),
    };
  }
}

/** Counters of a stretch, as rates a second. */
export function ratesOf(before: Counters, after: Counters, seconds: number): Counters {
  const rates = Object.entries(after).map(([name, value]) => {
    const since: number = before[name as keyof Counters];
    return [name, (value - since) / seconds] as const;
  });
  return Object.fromEntries(rates) as unknown as Counters;
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** The value of one sample of Prometheus text; 0 when it is not there. */
export function sampleOf(text: string, name: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.slice(name.length + 1));
}

/** 0 for a process that has gone or is not ours to see. */
function writtenBytesOf(pid: number): number {
  try {
    return Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'latin1'))?.[1] ?? 0);
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return 0;
    throw error;
  }
}

async function fetchOk(url: string): Promise<Response> {
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`${url}: status ${response.status}`);
  return response;
}
