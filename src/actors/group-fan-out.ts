import type { MessageRecord } from '../xmpp/message-record.ts';
import { isMember } from '../xmpp/muc-words.ts';
import {
  type Affiliate,
  affiliationOf,
  type GroupLimits,
  type GroupState,
  type GroupStep,
  membersOf,
  putPosted,
} from './group-state.ts';
import { sessionKey } from './keys.ts';
import type { ChatItem } from './messages.ts';

/**
 * How a group's messages get into its members' inboxes. Usually each message is an item for each member, in the op that
 * numbers it. In a group with more than `pointersFrom` members an item is a pointer: it names the last chatSeq, goes to
 * all members once in `pointerMs` at most, and a session that lacks more than this one message fetches the rest from the
 * group. Who sent a message gets its item at once, for `<a/>` waits for it.
 *
 *     said 1 → all: 1 · said 2, 3 by Ann → Ann: 2, 3 · later → all: 3 (they lack 2 and fetch it)
 *
 * `posted` is in the log, so what is owed is posted by whoever leads the shard next.
 */
export function fanOut(step: GroupStep, record: MessageRecord, sender: string): void {
  const { group, turn } = step;
  const seq = group.lastSeq;
  if (!isLarge(step) && group.posted === seq - 1) postEach(step, record);
  else if (isPostDue(group, turn.now, step.limits)) postPointers(step, record);
  else {
    // From here on members lack something, which the next leader has to know: the group may have become large just now.
    if (!group.postedRow) putPosted(step, true);
    postPointer(step, sender, record);
  }
  const strangers = new Set<string>();
  for (const { user } of group.occupants.values()) if (!isMember(affiliationOf(group, user))) strangers.add(user);
  for (const to of strangers)
    turn.effects.push({ t: 'toSession', to, msg: { t: 'said', chat: group.id, seq, record } });
}

/** Members lack messages, and it is time that they hear of them. */
export function isPostDue(
  { posted, postedAt, lastSeq }: GroupState,
  now: number,
  { pointerMs }: Pick<GroupLimits, 'pointerMs'>,
): boolean {
  return posted < lastSeq && now - postedAt >= pointerMs;
}

function isLarge({ group, limits }: GroupStep): boolean {
  // Counted only where there may be so many.
  return group.affiliates.size > limits.pointersFrom && membersOf(group) > limits.pointersFrom;
}

function postEach(step: GroupStep, record: MessageRecord): void {
  const { group, turn } = step;
  const seq = group.lastSeq;
  group.posted = seq;
  putPosted(step, false);
  const usual: ChatItem = { t: 'msg', chat: group.id, seq, first: false };
  for (const [user, { affiliation, since, before, beforeMs }] of group.affiliates) {
    if (!isMember(affiliation)) continue;
    const body = seq === since + 1 ? { ...usual, first: true, before, ...(before > 0 && { beforeMs }) } : usual;
    turn.outbox.push({ to: sessionKey(user), body });
    turn.live.push(record);
  }
}

/** All members hear how far the group is. @param record the last message, when this turn has it */
export function postPointers(step: GroupStep, record?: MessageRecord): void {
  const { group, turn } = step;
  for (const [user, affiliate] of group.affiliates)
    if (isMember(affiliate.affiliation)) post(step, user, affiliate, record);
  group.posted = group.lastSeq;
  group.postedAt = turn.now;
  putPosted(step, isLarge(step));
}

/** This member hears how far the group is: it has just said something, or is about to be taken out. */
export function postPointer(step: GroupStep, user: string, record?: MessageRecord): void {
  const affiliate = step.group.affiliates.get(user);
  if (affiliate !== undefined && isMember(affiliate.affiliation)) post(step, user, affiliate, record);
}

function post(
  { group, turn }: GroupStep,
  user: string,
  { since, before, beforeMs }: Affiliate,
  record: MessageRecord | undefined,
): void {
  if (group.lastSeq <= since) return;
  const body: ChatItem = {
    t: 'msg',
    chat: group.id,
    seq: group.lastSeq,
    first: false,
    since,
    ...(before > 0 && { before, beforeMs }),
  };
  turn.outbox.push({ to: sessionKey(user), body });
  turn.live.push(record);
}
