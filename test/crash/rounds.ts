import type { Random } from '../../src/base/random.ts';
import type { NodeProcess } from '../clients/node-process.ts';
import { until } from '../clients/until.ts';
import { WireClient } from '../clients/wire-client.ts';
import { burst, Person } from './burst.ts';
import { found, type Group, ghosts, group, isSettled, judged, observe } from './groups.ts';
import { brokenPromises } from './ledger.ts';
import type { RoomClient } from './room-client.ts';
import type { RoomObserved } from './room-ledger.ts';

export interface RoundsResult {
  readonly faults: readonly string[];
  readonly sent: number;
  readonly acked: number;
  /** messages sent again with the same origin-id after a crash, and given up after one */
  readonly again: number;
  readonly dropped: number;
}

export interface RoundsOptions {
  readonly rounds: number;
  readonly random: Random;
  /** most messages sent in one round before the node dies */
  readonly burstMax: number;
  /** after the node is dead, before it starts again */
  readonly whileDead?: () => Promise<void>;
}

/** Reads of every archive, each some tens of milliseconds, before a fault counts. */
const LOOKS_MAX = 10;
const USERS = ['ann', 'ben', 'cat', 'dan'];
/** Members of the largest group who are not online until all is over. */
const ABSENT = ['eve', 'fay', 'gus', 'hal', 'ida', 'joe'];
const SETTLED_MS_MAX = 20_000;

function groupsOf(people: readonly Person[], absent: readonly Person[]): Group[] {
  const [ann, ben, cat, dan] = people.map(({ rooms }) => rooms) as [RoomClient, RoomClient, RoomClient, RoomClient];
  return [
    group('trio', [ann, ben, cat]),
    group('quartet', [dan, cat, ben, ann]),
    group('ten', [ben, ann, ...absent.map(({ rooms }) => rooms), cat, dan]),
  ];
}

/**
 * Bursts between four people, in pairs and in three groups with others; the node dies by SIGKILL in the middle of each, on the same folder every time. Where a
 * round ends, how many messages in, and who sends again what was not acknowledged, is random.
 */
export async function crashRounds(node: NodeProcess, options: RoundsOptions): Promise<RoundsResult> {
  const { random } = options;
  const people = USERS.map((user) => new Person(user));
  const absent = ABSENT.map((user) => new Person(user));
  const everybody = [...people, ...absent];
  const groups = groupsOf(people, absent);
  for (const { account } of everybody) await WireClient.register(node.url, account);
  let again = 0;
  let dropped = 0;
  const left = new Map(people.map((person) => [person, person.drop()]));
  const back = async (): Promise<void> => {
    await Promise.all(people.map((person) => person.login(node.url)));
    for (const person of people) {
      const unacked = left.get(person)!;
      const resend = random.int(2) === 0;
      if (resend) again += unacked.length;
      else dropped += unacked.length;
      person.resume(unacked, resend);
    }
  };
  await back();
  await found(groups);
  for (const person of people) left.set(person, person.drop());
  for (let round = 0; round < options.rounds; round++) {
    await back();
    // Some die in the catching up, before anything new was said.
    const upTo = random.int(5) === 0 ? 0 : 1 + random.int(options.burstMax);
    const before = total(people);
    const diesAfterMs = random.int(4);
    await burst(people, groups, random, () => total(people) - before >= upTo);
    if (diesAfterMs > 0) await new Promise((resolve) => setTimeout(resolve, diesAfterMs));
    await node.kill();
    await Promise.all(people.map(({ client }) => client?.ended));
    for (const person of people) left.set(person, person.drop());
    await options.whileDead?.();
    await node.start();
  }
  await back();
  await Promise.all(absent.map((person) => person.login(node.url)));
  const faultsNow = () => faultsOf(everybody, groups);
  const faults = await lasting(faultsNow);
  // A stop that was asked for writes the same as a death left behind.
  for (const person of everybody) person.drop();
  if ((await node.stop()) !== 0) faults.push(`the node did not stop cleanly: ${node.output}`);
  await node.start();
  await Promise.all(everybody.map((person) => person.login(node.url)));
  faults.push(...(await lasting(faultsNow)));
  faults.push(...everybody.flatMap((person) => [...person.faults, ...person.rooms.faults]));
  for (const person of everybody) person.drop();
  const all = everybody.flatMap(({ sent, rooms }) => [...sent, ...[...rooms.sent.values()].flat()]);
  return { faults, sent: all.length, acked: all.filter(({ acked }) => acked).length, again, dropped };
}

async function faultsOf(everybody: readonly Person[], groups: readonly Group[]): Promise<string[]> {
  await until('the rooms to have answered', () => groups.every(isSettled), SETTLED_MS_MAX);
  // Behind all that groups had for the inboxes.
  for (const [at, person] of everybody.entries()) person.chat(everybody[(at + 1) % everybody.length]!);
  await Promise.all(everybody.map((person) => person.settled()));
  const observed: RoomObserved[] = [];
  for (const one of groups) observed.push(await observe(one));
  const { faults, inboxes } = judged(observed);
  const archives = new Map<string, Awaited<ReturnType<WireClient['archive']>>>();
  for (const { jid, client } of everybody) archives.set(jid, await client!.archive());
  const sent = new Map(everybody.map((person) => [person.jid, person.sent]));
  const shown = new Map(everybody.map((person) => [person.jid, person.shown]));
  faults.push(...brokenPromises({ sent, shown, archives, groups: inboxes }));
  for (const one of groups) faults.push(...(await ghosts(one)));
  return faults;
}

/** An acknowledged message is on disk; it may still be on its way into the receiver's archive. */
async function lasting(faultsNow: () => Promise<string[]>): Promise<string[]> {
  let faults: string[] = [];
  for (let tries = 0; tries < LOOKS_MAX; tries++) {
    faults = await faultsNow();
    if (faults.length === 0) break;
  }
  return faults;
}

const total = (people: readonly Person[]): number => people.reduce((sum, { said }) => sum + said, 0);
