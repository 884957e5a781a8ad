import { type Random, seededRandom } from '../../src/base/random.ts';
import { LEADER, type Op, type Profile } from './cluster-profile.ts';

/** What a run has above its replicas: people, their chats and their devices. Counts, but where it says otherwise. */
export interface WholeProfile {
  readonly users: number;
  /** members of each group chat, 2 to 50 */
  readonly groups: readonly number[];
  /** members of each room, 2 to 50, who come and go; devices of others enter it as well */
  readonly rooms: readonly number[];
  /** users with a device, some with two */
  readonly online: number;
  /** nodes that are not there at the beginning: they join */
  readonly late: number;
  /** mean ms between two messages of a device */
  readonly talkMs: number;
  /** messages of a device, at most */
  readonly sayMax: number;
  /** bounds so tight that mailboxes, windows and queues overflow */
  readonly tight: boolean;
  /** what nodes say to each other is packed as on the wire, instead of handed over */
  readonly packed: boolean;
  /** share of a device's turns in which its socket breaks */
  readonly cuts: number;
  /** share of the devices that give their messages no origin-id */
  readonly plain: number;
  /** one message in so many takes back an earlier one of its device (XEP-0424); 0: none does */
  readonly takesBackEvery: number;
}

/** One seed in so many is a whole run: it costs about as much as that many of replicas alone. */
export const WHOLE_EVERY = 16;

/**
 * Themes, for what faults drawn at random seldom bring about.
 * handOvers: shards change hands all the time while sockets break.
 * rooms: each run has them, and the bus loses more.
 * retractions: devices take back what they said, in each run.
 * activations: a node that led sessions hangs or is cut off, does not know that it was deposed, and comes back.
 */
export type WholeTheme = 'handOvers' | 'activations' | 'rooms' | 'retractions';

const THEMES: Readonly<Record<WholeTheme, readonly Op['t'][]>> = {
  handOvers: ['transfer', 'transfer', 'transfer', 'transfer', 'transfer', 'cut', 'isolate', 'storeCut', 'drain'],
  activations: ['pause', 'pause', 'isolate', 'storeCut', 'cutOneWay', 'cut'],
  retractions: ['crash', 'pause', 'cut', 'transfer'],
  rooms: ['crash', 'pause', 'cut', 'isolate', 'transfer', 'transfer', 'drain'],
};

const KINDS: readonly Op['t'][] = [
  'crash',
  'crash',
  'wipe',
  'pause',
  'cut',
  'cutOneWay',
  'isolate',
  'storeCut',
  'storeDown',
  'slowDisk',
  'drain',
  'drain',
  'transfer',
  'transfer',
  'transfer',
];

/** Some kinds of faults of all, so that what two do together is not covered up by a third. */
function kindsOf(random: Random, theme: WholeTheme | undefined): readonly Op['t'][] {
  if (theme !== undefined) return THEMES[theme];
  const some = KINDS.filter(() => random.int(3) === 0);
  return some.length > 0 ? some : KINDS;
}

/**
 * A run with chats, sessions, clients and the planner on its replicas.
 * @param base the replicas' part of it
 */
export function wholeProfileOf(seed: number, base: Profile, wanted?: WholeTheme): Profile {
  const random = seededRandom(seed ^ 0x2f6e2b1);
  const themes: readonly WholeTheme[] = ['handOvers', 'activations'];
  const theme = wanted ?? themes[random.int(8)];
  const rough = (most: number): number => (random.int(2) === 0 ? 0 : random.float() * most);
  const long = theme === 'rooms' || random.int(6) === 0;
  const durationMs = 200 + random.int(long ? 1_200 : 500);
  const whole = withRetractions(withRooms(wholeOf(random, base.nodes, theme), seed, theme), seed, theme);
  const shards = 3 + random.int(4);
  const kinds = kindsOf(random, theme);
  const ops = Array.from(
    { length: theme === undefined ? 1 + random.int(6) : 4 + random.int(16) },
    (): Op => ({
      at: Math.floor(random.float() * durationMs),
      t: whole.late > 0 && random.int(4) === 0 ? 'join' : (kinds[random.int(kinds.length)] ?? 'crash'),
      a: random.int(2) === 0 ? LEADER : random.int(base.nodes),
      b: random.int(base.nodes),
      shard: random.int(shards),
      ms:
        theme !== undefined && random.int(2) === 0 ? 100 + random.int(300) : 10 + Math.floor(random.float() ** 2 * 500),
    }),
  ).sort((a, b) => a.at - b.at);
  return {
    ...base,
    shards,
    durationMs,
    loss: theme === 'rooms' ? 0.02 + random.float() * 0.15 : rough(theme === 'activations' ? 0.2 : 0.05),
    dup: rough(0.1),
    late: theme === 'handOvers' ? 0.5 : rough(theme === undefined ? 0.1 : 0.3),
    lateMs: theme === 'handOvers' ? 60 : 30,
    storeLoss: rough(0.3),
    staleWatch: rough(0.3),
    ops,
    whole,
  };
}

function wholeOf(random: Random, nodes: number, theme: WholeTheme | undefined): WholeProfile {
  const large = theme === undefined && random.int(6) === 0;
  const groups = Array.from({ length: 1 + random.int(2) }, () => 2 + random.int(large ? 49 : 6));
  return {
    groups,
    rooms: [],
    users: Math.max(3, ...groups) + random.int(2),
    online: 2 + random.int(3),
    late: nodes > 3 ? random.int(2) : 0,
    talkMs: theme === 'handOvers' || theme === 'rooms' ? 3 + random.int(12) : 8 + random.int(40),
    sayMax: large ? 2 + random.int(4) : 3 + random.int(theme === undefined ? 12 : 24),
    tight: theme === undefined && random.int(5) === 0,
    packed: random.int(4) === 0,
    cuts: theme === undefined && random.int(2) === 0 ? 0 : random.float() * (theme === undefined ? 0.03 : 0.12),
    plain: theme === 'activations' ? 1 : 0.3,
    takesBackEvery: 0,
  };
}

/** One whole run in so many has rooms. */
const ROOMS_EVERY = 3;

function withRooms(whole: WholeProfile, seed: number, theme: WholeTheme | undefined): WholeProfile {
  const random = seededRandom(seed ^ 0x51ab3f07);
  // Where queues overflow all the time, streams end with every crowd that enters.
  if (whole.tight || (theme !== 'rooms' && random.int(ROOMS_EVERY) > 0)) return whole;
  const large = random.int(10) === 0;
  const rooms = Array.from({ length: 1 + random.int(2) }, () => 2 + random.int(large ? 49 : 4));
  return { ...whole, rooms, users: Math.max(whole.users, ...rooms.map((size) => size + 1)) };
}

/** One whole run in so many has devices that take back what they said. */
const RETRACTIONS_EVERY = 4;

function withRetractions(whole: WholeProfile, seed: number, theme: WholeTheme | undefined): WholeProfile {
  const random = seededRandom(seed ^ 0x3c9d1e55);
  if (theme !== 'retractions' && random.int(RETRACTIONS_EVERY) > 0) return whole;
  return { ...whole, takesBackEvery: 2 + random.int(4) };
}
