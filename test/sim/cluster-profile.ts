import { type Random, seededRandom } from '../../src/base/random.ts';
import { REPLICA_DEFAULTS, type ReplicaOptions } from '../../src/cluster/replica-types.ts';
import { WHOLE_EVERY, type WholeProfile, type WholeTheme, wholeProfileOf } from './whole-profile.ts';

/** One thing that is done to the cluster. Times in ms; nodes and shards by number. Node LEADER is whoever leads the shard. */
export interface Op {
  readonly at: number;
  readonly t:
    | 'crash'
    | 'wipe'
    | 'pause'
    | 'cut'
    | 'cutOneWay'
    | 'isolate'
    | 'storeCut'
    | 'storeDown'
    | 'slowDisk'
    | 'drain'
    | 'transfer'
    | 'swap'
    | 'readd'
    | 'drop'
    | 'join';
  readonly a: number;
  readonly b: number;
  readonly shard: number;
  readonly ms: number;
}

/** How bad the world is, and what is done to it. Everything that a shrunk run may leave out is a number or a list. */
export interface Profile {
  readonly seed: number;
  readonly nodes: number;
  readonly shards: number;
  readonly durationMs: number;
  readonly loss: number;
  readonly dup: number;
  /** share of messages that come late, and how late at most */
  readonly late: number;
  readonly lateMs: number;
  /** share of the store's answers and requests that are lost */
  readonly storeLoss: number;
  /** share of watch events that are late or old */
  readonly staleWatch: number;
  readonly clockDrift: boolean;
  /** whether peer views tell since when a lease has not lapsed */
  readonly tellsSince: boolean;
  /** a synced write takes up to so long, and some more */
  readonly syncMs: number;
  /** mean ms between a shard's client writes */
  readonly writeMs: number;
  readonly options: ReplicaOptions;
  readonly ops: readonly Op[];
  /** what runs on the replicas; undefined: nothing */
  readonly whole?: WholeProfile;
}

export const LEADER = -1;

/** Times are a tenth of the real ones; windows and tails are so small that they fill up. */
const FAST: ReplicaOptions = {
  ...REPLICA_DEFAULTS,
  windowBytes: 400,
  appendBytesMax: 150,
  uncommittedBytesMax: 1_000,
  uncommittedEntriesMax: 30,
  tailBytesMax: 600,
  tailEntriesMax: 12,
  catchUpBytesMax: 4_000,
  resendMs: 20,
  laggardMs: 300,
  leaveMs: 100,
  staggerMs: 10,
  spreadMs: 4,
  duelMs: 50,
  duelMsMax: 400,
  casRetryMs: 5,
  casRetryMsMax: 80,
  transferMs: 60,
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
  'transfer',
  'swap',
  'readd',
  'drop',
];

/** Every run has some kinds of faults only: what two kinds do together shows best when others do not cover it up. */
function kindsOf(random: Random): readonly Op['t'][] {
  const some = KINDS.filter(() => random.int(3) === 0);
  return some.length > 0 ? some : KINDS;
}

/**
 * Themes, for what faults drawn at random seldom bring about.
 * leases: what a deposed leader that does not know it may still say. It is cut off for about the grace time, from its
 * followers, the store, or both, and comes back.
 * moves: what late messages and old records do to copies that are taken away and given back.
 */
export type Theme = 'leases' | 'moves';

const THEMES: Readonly<Record<Theme, readonly Op['t'][]>> = {
  leases: ['isolate', 'cut', 'cut', 'cutOneWay', 'storeCut', 'crash'],
  moves: ['readd', 'readd', 'readd', 'swap', 'drop', 'crash', 'transfer'],
};

/** One run in eight for each theme; the others have none. */
function themeOf(random: Random): Theme | undefined {
  const themes: readonly Theme[] = ['leases', 'moves'];
  return themes[random.int(8)];
}

export type SimTheme = Theme | WholeTheme;

/** Every theme by name: those of the replicas alone, and those with whole nodes and clients. */
export const THEME_NAMES: readonly SimTheme[] = ['leases', 'moves', 'handOvers', 'activations', 'rooms', 'retractions'];

/** The run that a seed stands for when only one theme is looked at; without one as `profileOf`. */
export function themedProfileOf(seed: number, theme: SimTheme | undefined): Profile {
  if (theme === undefined || theme === 'leases' || theme === 'moves') return profileOf(seed, theme);
  return wholeProfileOf(seed, profileOf(seed, 'moves'), theme);
}

/** The run that a seed stands for. Most are short, so that many fit into a second; what they lack the long ones have. */
export function profileOf(seed: number, wanted?: Theme): Profile {
  if (wanted === undefined && seed % WHOLE_EVERY === 0) return wholeProfileOf(seed, profileOf(seed, 'moves'));
  const random = seededRandom(seed);
  const theme = wanted ?? themeOf(random);
  const rough = (most: number): number => (theme === undefined && random.int(2) === 0 ? 0 : random.float() * most);
  const short = random.int(8) > 0;
  const shortMs = theme === 'leases' ? 400 + random.int(500) : 60 + random.int(400);
  const durationMs = short ? shortMs : 500 + random.int(1_500);
  const nodes = 3 + random.int(3);
  const shards = random.int(4) > 0 ? 1 : 2 + random.int(2);
  const kinds = theme === undefined ? kindsOf(random) : THEMES[theme];
  const count = 1 + random.int(short ? 6 : 16);
  const ops = Array.from(
    { length: count },
    (): Op => ({
      at: Math.floor(random.float() * durationMs),
      t: kinds[random.int(kinds.length)] ?? 'crash',
      a: random.int(theme === 'leases' ? 2 : 3) === 0 ? LEADER : random.int(nodes),
      b: random.int(nodes),
      shard: random.int(shards),
      ms: theme === 'leases' ? 100 + random.int(200) : 10 + Math.floor(random.float() ** 2 * 500),
    }),
  ).sort((a, b) => a.at - b.at);
  return {
    seed,
    nodes,
    shards,
    durationMs,
    loss: rough(0.2),
    dup: rough(theme === undefined ? 0.2 : 0.5),
    late: rough(theme === undefined ? 0.2 : 0.5),
    lateMs: random.int(2) === 0 ? 30 : 300,
    storeLoss: rough(0.5),
    staleWatch: rough(0.5),
    clockDrift: random.int(2) === 0,
    tellsSince: random.int(2) === 0,
    syncMs: random.int(3) === 0 ? 10 : 1,
    writeMs: 4 + random.int(40),
    options: random.int(8) === 0 ? { ...FAST, copies: 2 } : FAST,
    ops,
  };
}
