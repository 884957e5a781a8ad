import { prepareAccounts } from '../accounts.ts';
import { verifyArchives } from '../archive-check.ts';
import type { Client } from '../client.ts';
import { type Context, closeAll, loginAll } from '../context.ts';
import { Load } from '../load.ts';
import { Meter } from '../meter.ts';
import type { Acks } from '../report.ts';
import { pairTopology } from '../topology.ts';
import { compareWithRelay, half, type Pattern, pairFloor, relayPhase } from './relay.ts';

export interface PairsOptions extends Pattern {
  readonly relay: boolean;
  readonly sm: boolean;
  /** stanzas between two ack requests of ours */
  readonly smEvery: number;
  readonly verify: boolean;
}

/** ms to wait for the acks of the last messages */
const lastAcksMs = 10_000;

/** 1:1 messages: relay, server, relay again, and the ratio of their CPU a message. */
export async function pairs(context: Context<PairsOptions>): Promise<void> {
  const { options, report, signal } = context;
  const relay = async (name: string) => {
    if (options.relay && !signal.aborted) report.phases.push(await relayPhase(half(context), pairFloor(options), name));
  };
  const accounts = await prepareAccounts(options, options.users, context.progress, signal);
  await relay('relay before');
  const clients = await loginAll(context, accounts, {
    after: (client) => (options.sm ? client.enableSm(false) : Promise.resolve()),
  });
  try {
    await serverPhase(context, clients);
  } finally {
    closeAll(clients);
  }
  await relay('relay after');
  if (options.relay) compareWithRelay(report, options);
}

async function serverPhase(context: Context<PairsOptions>, clients: readonly Client[]): Promise<void> {
  const { options, target, report, progress, signal } = context;
  const lost: Record<string, number> = {};
  const load = new Load({
    topology: pairTopology(options.users, (i) => `${accountName(clients[i]!)}@${options.domain}`),
    outstanding: options.outstanding,
    ...(options.rate === undefined ? {} : { rate: options.rate }),
    bodyBytes: options.body,
    warmupMs: options.warmup * 1000,
    durationMs: options.duration * 1000,
    send: options.sm ? sendWithAcks(clients, options.smEvery) : (i, xml) => clients[i]!.send(xml),
    ...(target.edge === undefined ? {} : { edge: target.edge }),
    meter: new Meter(target.measured ?? target.pid),
    progress,
    signal,
  });
  const acked: number[] = new Array(clients.length).fill(0);
  clients.forEach((client, i) => {
    client.onStanza = (xml) => load.receive(i, xml);
    // Counters begin at <enable/>, and nothing but messages is sent until the archives are read.
    client.onAck = (h) => {
      acked[i] = h;
    };
    client.onEnd = (reason) => {
      lost[reason] = (lost[reason] ?? 0) + 1;
    };
  });
  const phase = await load.drive(options.name, options.name);
  if (Object.keys(lost).length > 0) phase.errors = { ...phase.errors, ...lost };
  if (options.sm) phase.acks = await collectAcks(context, clients, load, acked);
  report.phases.push(phase);
  for (const client of clients) client.onEnd = () => {};
}

function sendWithAcks(clients: readonly Client[], every: number): (i: number, xml: string) => void {
  const since: number[] = new Array(clients.length).fill(0);
  return (i, xml) => {
    const client = clients[i]!;
    client.send(xml);
    since[i]!++;
    if (since[i]! < every) return;
    since[i] = 0;
    client.requestAck();
  };
}

async function collectAcks(
  { options, progress, signal }: Context<PairsOptions>,
  clients: readonly Client[],
  load: Load,
  acked: readonly number[],
): Promise<Acks> {
  for (const client of clients) if (!client.ended) client.requestAck();
  const start = performance.now();
  const open = () => clients.some((client, i) => !client.ended && acked[i]! < load.sent[i]!);
  while (open() && performance.now() - start < lastAcksMs) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const acks: Acks = {
    sent: load.sent.reduce((a, b) => a + b, 0),
    acknowledged: acked.reduce((a, h, i) => a + Math.min(h, load.sent[i]!), 0),
  };
  if (options.verify && !signal.aborted) {
    acks.archived = await verifyArchives({ clients, run: load.run, acked, progress, signal });
  }
  return acks;
}

function accountName(client: Client): string {
  return client.options.account.user;
}
