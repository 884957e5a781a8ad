import { prepareAccounts } from '../accounts.ts';
import type { Client } from '../client.ts';
import { type Context, closeAll, loginAll } from '../context.ts';
import { Load } from '../load.ts';
import { Meter } from '../meter.ts';
import { addMembers, enterRoom, unlockRoom } from '../muc.ts';
import { pool } from '../pool.ts';
import { groupTopology, type Topology } from '../topology.ts';
import { compareWithRelay, type Floor, half, type Pattern, relayPhase } from './relay.ts';

export interface FanoutOptions extends Omit<Pattern, 'users'> {
  readonly groups: number;
  readonly members: number;
  /** members of each group that send */
  readonly speaking: number;
  readonly mucHost?: string;
  readonly relay: boolean;
}

/** Group messages: every member of every group gets each (XEP-0045), against a bare `ws` fan-out. */
export async function fanout(context: Context<FanoutOptions>): Promise<void> {
  const { options, report, signal, progress } = context;
  const users = options.groups * options.members;
  const floor = fanoutFloor(options);
  const relay = async (name: string) => {
    if (options.relay && !signal.aborted) report.phases.push(await relayPhase(half(context), floor, name));
  };
  const accounts = await prepareAccounts(options, users, progress, signal);
  await relay('relay before');
  const clients = await loginAll(context, accounts);
  try {
    await enterAll(context, clients);
    await drive(context, clients, floor.topology);
  } finally {
    closeAll(clients);
  }
  await relay('relay after');
  if (options.relay) compareWithRelay(report, options);
}

type Groups = Pick<FanoutOptions, 'groups' | 'members' | 'speaking' | 'mucHost'> & { prefix: string; domain: string };

function roomNames(options: Groups): string[] {
  const host = options.mucHost ?? `conference.${options.domain}`;
  return Array.from({ length: options.groups }, (_, g) => `${options.prefix}-group${g}@${host}`);
}

/** The bare fan-out in the same groups. */
export function fanoutFloor(options: Groups): Floor {
  const { groups, members, speaking } = options;
  const rooms = roomNames(options);
  return {
    topology: groupTopology(groups, members, Math.min(speaking, members), (g) => rooms[g]!),
    users: groups * members,
    query: (i) => `n=${i}&g=${Math.floor(i / members)}`,
  };
}

/** Rooms in parallel, the members of one room one after the other: the first makes it. */
async function enterAll(
  { options, progress, signal }: Context<FanoutOptions>,
  clients: readonly Client[],
): Promise<void> {
  let done = 0;
  await pool(roomNames(options), 8, signal, async (room, g) => {
    for (let m = 0; m < options.members; m++) {
      const i = g * options.members + m;
      await enterRoom(clients[i]!, room, `m${i}`);
      if (m === 0) {
        await unlockRoom(clients[i]!, room);
        const others = clients.slice(i + 1, i + options.members);
        await addMembers(
          clients[i]!,
          room,
          others.map(({ jid }) => jid.slice(0, jid.indexOf('/'))),
        );
      }
      progress.show(`entering groups: ${++done}/${clients.length}`);
    }
  });
}

async function drive(context: Context<FanoutOptions>, clients: readonly Client[], topology: Topology): Promise<void> {
  const { options, target, report, progress, signal } = context;
  const load = new Load({
    topology,
    outstanding: options.outstanding,
    ...(options.rate === undefined ? {} : { rate: options.rate }),
    bodyBytes: options.body,
    warmupMs: options.warmup * 1000,
    durationMs: options.duration * 1000,
    send: (i, xml) => clients[i]!.send(xml),
    meter: new Meter(target.measured ?? target.pid),
    progress,
    signal,
  });
  clients.forEach((client, i) => {
    client.onStanza = (xml) => load.receive(i, xml);
  });
  report.phases.push(await load.drive(options.name, options.name));
}
