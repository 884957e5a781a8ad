import type { RuntimeOptions } from '../../src/actors/runtime.ts';
import { PAGE_DEFAULTS } from '../../src/xmpp/mam-page.ts';
import { ROSTER_LIMITS } from '../../src/xmpp/rfc6121-limits.ts';

/** What differs between the simulations, ms each: one has real times, in another they are a tenth. */
export interface RuntimeTimes {
  readonly idleMs: number;
  readonly resendMs: number;
  readonly resendMsMax: number;
  readonly sweepMs: number;
  /** of a chat that asks whether its other side exists */
  readonly askTimeoutMs: number;
  readonly resumeMs: number;
  readonly ackTimeoutMs: number;
  /** how often rooms ask for who is in them */
  readonly askEveryMs: number;
  /** how often members of large rooms are told to fetch */
  readonly pointerMs: number;
}

export const REAL_TIMES: RuntimeTimes = {
  idleMs: 20_000,
  resendMs: 5000,
  resendMsMax: 10_000,
  // Swept by the simulation.
  sweepMs: 2 ** 31 - 1,
  askTimeoutMs: 5000,
  resumeMs: 60_000,
  ackTimeoutMs: 30_000,
  askEveryMs: 10_000,
  pointerMs: 1000,
};

type Limits = Pick<
  RuntimeOptions,
  | 'mailboxMax'
  | 'turnsMax'
  | 'busyOps'
  | 'busyTickMs'
  | 'idleMs'
  | 'entitiesMax'
  | 'resendMs'
  | 'resendMsMax'
  | 'sweepMs'
  | 'rowsMax'
  | 'chat'
  | 'session'
  | 'groups'
>;

/** A service of every simulated domain. */
export const ROOM_DOMAIN = 'conference.sim.test';

/** Bounds and times of a node's entities. @param tight bounds that are reached all the time */
export function runtimeLimits(tight: boolean, times: RuntimeTimes): Limits {
  const { idleMs, resendMs, resendMsMax, sweepMs, askTimeoutMs, resumeMs, ackTimeoutMs, askEveryMs, pointerMs } = times;
  return {
    mailboxMax: tight ? 8 : 1000,
    turnsMax: 10_000,
    busyOps: Number.MAX_SAFE_INTEGER,
    busyTickMs: 0,
    idleMs,
    entitiesMax: 1000,
    resendMs,
    resendMsMax,
    sweepMs,
    rowsMax: 1000,
    chat: {
      dedupeMs: 86_400_000,
      dedupePerSenderMin: 64,
      dedupeMax: 1000,
      waitingMax: 100,
      askTimeoutMs,
      // Never reached: what is found must not depend on how fast a run is.
      retractLookBackMax: 1_000_000,
    },
    groups: {
      roomDomain: ROOM_DOMAIN,
      membersMax: 60,
      pointersFrom: tight ? 1 : 3,
      pointerMs,
      occupantsMax: 100,
      presenceMax: 50,
      historyMax: 100,
      historyDefault: 20,
      mayCreate: true,
      askEveryMs,
      iqsMax: 100,
      iqTimeoutMs: 5000,
      receiptsMs: Math.min(100, askEveryMs),
      page: PAGE_DEFAULTS,
      searchWordsMax: 100,
    },
    session: {
      resourcesMax: 4,
      unackedStanzasMax: tight ? 12 : 1000,
      unackedBytesMax: 1_000_000,
      outQueueBytesMax: tight ? 6000 : 1_000_000,
      inflightMax: tight ? 4 : 100,
      resumeMs,
      ackEvery: 5,
      ackTimeoutMs,
      sendsPerSecond: 0,
      sendsBurst: 1,
      iqsPerSecond: 0,
      iqsBurst: 1,
      presencesPerSecond: 0,
      presencesBurst: 1,
      catchUpPage: tight ? 4 : 20,
      catchUpMax: 100_000,
      lateMs: times.resendMs,
      chatsMax: 1000,
      searchWordsMax: 100,
      indexWordsBytesMax: 1_048_576,
      indexLagMax: 1,
      heldMax: 10,
      roomsMax: 100,
      conflict: 'replace',
      roster: ROSTER_LIMITS,
    },
  };
}
