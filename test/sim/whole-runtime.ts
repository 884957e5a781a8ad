import { CROSSING_DEFAULTS, type CrossingOptions } from '../../src/actors/crossing-options.ts';
import type { DeliveryRules } from '../../src/actors/delivery-rules.ts';
import type { RuntimeOptions } from '../../src/actors/runtime.ts';
import { type RuntimeTimes, runtimeLimits } from './runtime-limits.ts';

/** Wall clock at the beginning of a run, ms since the epoch. */
export const WALL_MS = Date.UTC(2026, 0, 1);

/** Times are a tenth of the real ones, as those of the replicas are (cluster-profile.ts). */
export function fastCrossing(rules: DeliveryRules): Partial<CrossingOptions> {
  const { gatewayLink, sessionLink } = CROSSING_DEFAULTS;
  const link = { checkMs: 100, timeoutMs: 1000, reorderMs: 200, rules };
  return {
    sendRetryMs: 100,
    sendTimeoutMs: 1500,
    askTimeoutMs: 900,
    askRepeatMs: 100,
    parkMs: 300,
    parkPollMs: 2,
    hintMs: 100,
    againMs: 5,
    gatewayLink: { ...gatewayLink, ...link, idleCheckMs: 1000 },
    sessionLink: { ...sessionLink, ...link, idleCheckMs: 2500 },
    queuedAfterMs: 20,
    tookMs: 2,
    spreadMs: 100,
    orphansAfterMs: 800,
    orphansSpreadMs: 800,
    handOverMs: 1000,
  };
}

/** Bounds and times of a node's entities. */
export function fastRuntime(tight: boolean): ReturnType<typeof runtimeLimits> & Pick<RuntimeOptions, 'nackMs'> {
  return { ...runtimeLimits(tight, FAST_TIMES), nackMs: 2 };
}

const FAST_TIMES: RuntimeTimes = {
  idleMs: 400,
  resendMs: 300,
  resendMsMax: 1000,
  // Swept by the simulation.
  sweepMs: 0,
  askTimeoutMs: 500,
  resumeMs: 3000,
  ackTimeoutMs: 1000,
  askEveryMs: 300,
  pointerMs: 50,
};
