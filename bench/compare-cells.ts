import type { CommonOptions, Context } from './context.ts';
import type { Report } from './report.ts';
import { connect } from './scenarios/connect.ts';
import { fanout, fanoutFloor } from './scenarios/fanout.ts';
import { history } from './scenarios/history.ts';
import { idle } from './scenarios/idle.ts';
import { pairs } from './scenarios/pairs.ts';
import { type Floor, pairFloor } from './scenarios/relay.ts';

/** One thing that is measured on every server. */
export interface Cell {
  readonly key: string;
  readonly title: string;
  /** the relay's pattern; absent where a relay says nothing */
  readonly floor?: Floor;
  /** needs a message archive: servers are tried with it only */
  readonly archive?: true;
  /** scenario options beside the common ones; `done` holds the cells before this one */
  options(variant: string, done: readonly Report[]): object | undefined;
  // Each scenario types its own options; a table of scenarios cannot.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly work: (context: Context<any>) => Promise<void>;
}

export interface CellOptions {
  /** seconds of each measured stretch */
  readonly duration: number;
  readonly sessions: number;
  readonly messages: number;
  readonly sm: boolean;
}

/** Everything that is compared, in order. */
export function cells(common: CommonOptions, { duration, sessions, messages, sm }: CellOptions): readonly Cell[] {
  const load = { body: 100, warmup: 3, duration, relay: false };
  const pair = (users: number, outstanding: number): Cell => ({
    key: `pairs-${users}x${outstanding}`,
    title: `1:1, ${users} users × ${outstanding} outstanding`,
    floor: pairFloor({ ...common, users }),
    options: () => ({ ...load, users, outstanding, sm, smEvery: 5, verify: sm }),
    work: pairs,
  });
  const busy = pair(200, 5);
  const groups = { groups: 20, members: 10, speaking: 2, outstanding: 1 };
  return [
    busy,
    pair(1000, 1),
    {
      key: 'half-load',
      title: '1:1 at half of what each server delivers with 200 users × 5',
      options(variant, done) {
        const most = done
          .find((report) => report.scenario === busy.title)
          ?.phases.find((phase) => phase.name === variant);
        if (most === undefined) return undefined;
        const rate = Math.max(1, Math.round(most.perSecond / 2));
        return { ...load, users: 200, outstanding: 1, rate, sm: false, smEvery: 5, verify: false };
      },
      work: pairs,
    },
    {
      key: 'fanout',
      title: 'groups of 10',
      floor: fanoutFloor({ ...common, ...groups }),
      options: () => ({ ...load, ...groups }),
      work: fanout,
    },
    {
      key: 'connect',
      title: 'logins and resumptions',
      options: () => ({ users: 100, parallel: 20, duration, resume: true }),
      work: connect,
    },
    {
      key: 'idle',
      title: `${sessions} idle sessions`,
      options: () => ({ sessions, settle: 30, hold: 10 }),
      work: idle,
    },
    {
      key: 'history',
      title: `history of ${messages} messages by 50`,
      archive: true,
      options: () => ({ messages, page: 50, body: 100, duration, skipLoad: false }),
      work: history,
    },
  ];
}
