import type { CommonOptions, Context } from '../context.ts';
import { Load } from '../load.ts';
import { Meter } from '../meter.ts';
import { pin } from '../proc.ts';
import { relaySockets, startRelay } from '../relay.ts';
import type { Phase, Report } from '../report.ts';
import { pairTopology, type Topology } from '../topology.ts';

/** What every message load has in common. */
export interface Pattern {
  readonly users: number;
  readonly outstanding: number;
  readonly rate?: number;
  readonly body: number;
  /** seconds */
  readonly warmup: number;
  /** seconds */
  readonly duration: number;
}

export interface Floor {
  readonly topology: Topology;
  readonly users: number;
  /** what user i asks the relay for */
  readonly query: (user: number) => string;
}

/** The floor in this pattern: the same stanzas between the same number of sockets, through a bare `ws` relay. */
export async function relayPhase(context: Context<Omit<Pattern, 'users'>>, floor: Floor, name: string): Promise<Phase> {
  const { options, progress, signal } = context;
  const relay = await startRelay(options.pin ? options.serverCore : undefined);
  try {
    const sockets = await relaySockets(relay, floor.users, floor.query);
    const load = new Load({
      topology: floor.topology,
      outstanding: options.outstanding,
      ...(options.rate === undefined ? {} : { rate: options.rate }),
      bodyBytes: options.body,
      warmupMs: options.warmup * 1000,
      durationMs: options.duration * 1000,
      send: (i, xml) => sockets[i]!.send(xml),
      meter: new Meter(relay.pid),
      progress,
      signal,
    });
    sockets.forEach((socket, i) => {
      socket.onText = (text) => load.receive(i, text);
    });
    const phase = await load.drive(name, 'relay');
    for (const socket of sockets) socket.cut();
    return phase;
  } finally {
    await relay.stop();
  }
}

/** The floor of `pairs`, half as long as the server's own run. */
export function pairFloor(options: { users: number; prefix: string; domain?: string }): Floor {
  const domain = options.domain ?? 'localhost';
  return {
    topology: pairTopology(options.users, (i) => `${options.prefix}${i}@${domain}`),
    users: options.users,
    query: (i) => `n=${i}`,
  };
}

/** A context whose load takes half the time; the relay is driven twice, before and after the server. */
export function half<O extends { warmup: number; duration: number }>(context: Context<O>): Context<O> {
  const { options } = context;
  const duration = Math.max(2, options.duration / 2);
  return { ...context, options: { ...options, duration, warmup: Math.min(2, options.warmup) } };
}

/** The scenario `relay`: the floor alone. */
export async function relay(context: Context<Pattern>): Promise<void> {
  const { options, report } = context;
  if (options.pin) pin(process.pid, options.loadCore);
  report.phases.push(await relayPhase(context, pairFloor(options), 'relay'));
}

/** Adds the ratio of the server's CPU per operation to the relay's, of all phases of each in this report. */
export function compareWithRelay(report: Report, { name }: Pick<CommonOptions, 'name'>): void {
  const mean = (target: string) => {
    const phases = report.phases.filter((phase) => phase.target === target && phase.server !== undefined);
    return phases.reduce((sum, phase) => sum + phase.server!.perOperationUs, 0) / phases.length;
  };
  const value = mean(name) / mean('relay');
  if (Number.isFinite(value)) report.ratios.push({ name: `${name} / relay, CPU per delivered message`, value });
}
