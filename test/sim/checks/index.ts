import type { DeliveryRules } from '../../../src/actors/delivery-rules.ts';
import type { Rules } from '../../../src/cluster/rules.ts';
import type { Check } from '../cluster-world.ts';
import { chatIsGapless } from './d1-chat-is-gapless.ts';
import { messageOnce } from './d2-message-once.ts';
import { senderOrder } from './d3-sender-order.ts';
import { inboxInOrder } from './d4-inbox-in-order.ts';
import { shownInOrder } from './d5-shown-in-order.ts';
import { everybodyHasEverything } from './d6-everybody-has-everything.ts';
import { devicesSeeEverything } from './d7-devices-see-everything.ts';
import { membersGetEverything } from './d8-members-get-everything.ts';
import { roomInOrder } from './d9-room-in-order.ts';
import { occupantsAreDevices } from './d10-occupants-are-devices.ts';
import { retractedIsGone } from './d11-retracted-is-gone.ts';
import { cursorsAreTrue } from './d12-cursors-are-true.ts';
import { oneWinner } from './i01-one-winner.ts';
import { promises } from './i02-promises.ts';
import { commitIsEverywhere } from './i03-commit-is-everywhere.ts';
import { joinerHoldsAll } from './i05-joiner-holds-all.ts';
import { inSyncHoldsAll } from './i06-in-sync-holds-all.ts';
import { inSyncTakesOver } from './i07-in-sync-takes-over.ts';
import { committedStays } from './i08-committed-stays.ts';
import { oneEntryAPlace } from './i09-one-entry-a-place.ts';
import { twoInSync } from './i10-two-in-sync.ts';
import { ackedInLaterLeaders } from './i11-acked-in-later-leaders.ts';
import { toldIsKept } from './i11-told-is-kept.ts';
import { neverBackwards } from './i12-never-backwards.ts';
import { cursorWithItem } from './i13-cursor-with-item.ts';
import { effectsAfterCommit } from './i14-effects-after-commit.ts';
import { releasedIsTaken } from './i14-released-is-taken.ts';
import { chained } from './i15-chained.ts';
import { equalStates } from './i16-equal-states.ts';
import { noAlarms } from './no-alarms.ts';
import { readsAreFresh } from './x1-reads-are-fresh.ts';
import { inSyncCopyStays } from './x4-in-sync-copy-stays.ts';
import { contestOnDisk } from './x8-contest-on-disk.ts';

export const CHECKS: readonly Check[] = [
  oneWinner,
  promises,
  commitIsEverywhere,
  joinerHoldsAll,
  inSyncHoldsAll,
  inSyncTakesOver,
  committedStays,
  oneEntryAPlace,
  twoInSync,
  ackedInLaterLeaders,
  neverBackwards,
  effectsAfterCommit,
  chained,
  equalStates,
  readsAreFresh,
  inSyncCopyStays,
  contestOnDisk,
  noAlarms,
];

/** What is checked beside them where there are chats, sessions and clients on the replicas. */
export const DELIVERY_CHECKS: readonly Check[] = [
  chatIsGapless,
  messageOnce,
  senderOrder,
  inboxInOrder,
  cursorWithItem,
  releasedIsTaken,
  toldIsKept,
  shownInOrder,
  everybodyHasEverything,
  devicesSeeEverything,
  membersGetEverything,
  roomInOrder,
  occupantsAreDevices,
  retractedIsGone,
  cursorsAreTrue,
];

/** Which checker must notice that a rule is gone. */
export const CATCHERS: Readonly<Record<keyof Rules, Check>> = {
  oneWinner,
  promiseBeforeAck: promises,
  countUntilRemoved: commitIsEverywhere,
  countFromAdd: commitIsEverywhere,
  joinerHoldsAll,
  wipedIsNew: inSyncHoldsAll,
  inSyncTakesOver,
  truncateByEpoch: committedStays,
  newEpochAfterRestart: oneEntryAPlace,
  twoInSync,
  commitNeedsAll: ackedInLaterLeaders,
  neverBackwards,
  effectsAfterCommit,
  chained,
  applyAtCommit: equalStates,
  leaseReads: readsAreFresh,
  settleByNonce: commitIsEverywhere,
  sessionEcho: joinerHoldsAll,
  revisionGuardsWipe: inSyncCopyStays,
  offerOnce: inSyncCopyStays,
  promiseBeforeLeading: oneEntryAPlace,
  confirmAfterLapse: readsAreFresh,
  contestOnDisk: contestOnDisk,
};

/** The same for the rules of the delivery. */
export const DELIVERY_CATCHERS: Readonly<Record<keyof DeliveryRules, Check>> = {
  cursorWithItem,
  ackAfterCommit: releasedIsTaken,
  answerAfterCommit: toldIsKept,
  handledBehindInbox: toldIsKept,
  deliveriesChained: inboxInOrder,
  knownIsDropped: inboxInOrder,
  resendsJoin: messageOnce,
  outboxOutlivesLeader: everybodyHasEverything,
  sendsChained: senderOrder,
  refusalsChained: senderOrder,
  latestSessionSends: senderOrder,
  settledBeforeHandOver: devicesSeeEverything,
  linksChained: toldIsKept,
  oneSessionAtWork: devicesSeeEverything,
  roomGapsFetched: roomInOrder,
  membershipsChained: inboxInOrder,
  occupantsAsked: occupantsAreDevices,
  leaversPointed: membersGetEverything,
  relaysAckedDecided: releasedIsTaken,
  retractedIsGone,
  wordsForgotten: retractedIsGone,
  hadWhenAcked: cursorsAreTrue,
};
