/**
 * The rules that keep the promise above the logs: between chats, sessions and their clients. As in
 * src/cluster/rules.ts, production runs with all of them on, and the simulation switches one off at a time to see that
 * its checker notices. I-numbers are DESIGN's invariants.
 */
export interface DeliveryRules {
  /** I13: an inbox item and the cursor of its chat change in one op. */
  readonly cursorWithItem: boolean;
  /** I14: a delivery is acknowledged after the op that took it is committed. */
  readonly ackAfterCommit: boolean;
  /** I14: a chat answers a send after the op that holds the message is committed. */
  readonly answerAfterCommit: boolean;
  /** A send is handled, and acknowledged, after the sender's own inbox has the message. */
  readonly handledBehindInbox: boolean;
  /** I15: an inbox takes a message only right behind the one before it in its chat. */
  readonly deliveriesChained: boolean;
  /** A delivery that an inbox has had is dropped. */
  readonly knownIsDropped: boolean;
  /** A message that its chat knows joins the first one's answer. */
  readonly resendsJoin: boolean;
  /** Who leads a shard next sends its unacknowledged outboxes again. */
  readonly outboxOutlivesLeader: boolean;
  /** A send is taken only behind the one that it names as the one before. */
  readonly sendsChained: boolean;
  /** Behind a send that was refused for now nothing is taken until the client has heard of it. */
  readonly refusalsChained: boolean;
  /** Once the latest activation of a session has sent something, an earlier one's sends are not taken. */
  readonly latestSessionSends: boolean;
  /** A session is handed over only when nothing of it is on its way to the log. */
  readonly settledBeforeHandOver: boolean;
  /** Frames behind a gap in a link are not taken. */
  readonly linksChained: boolean;
  /** A handed over session goes on only where none of the user is at work. */
  readonly oneSessionAtWork: boolean;
  /** What a device in a room lacks is fetched before it gets what comes behind. */
  readonly roomGapsFetched: boolean;
  /** Who is a member again takes the first message since behind those of the membership before. */
  readonly membershipsChained: boolean;
  /** Sessions of occupants are asked whether they are still in the room. */
  readonly occupantsAsked: boolean;
  /** Who is taken out of a large group is pointed to what was said before. */
  readonly leaversPointed: boolean;
  /** What a group hands to a direct chat is acknowledged when it is decided there. */
  readonly relaysAckedDecided: boolean;
  /** A message that its sender takes back leaves the log's state with the op of the retraction. */
  readonly retractedIsGone: boolean;
  /** … and its words leave the inboxes that have it. */
  readonly wordsForgotten: boolean;
  /** A device counts as having had of a group's messages what it has acknowledged. */
  readonly hadWhenAcked: boolean;
}

export const ALL_DELIVERY_RULES: DeliveryRules = {
  cursorWithItem: true,
  ackAfterCommit: true,
  answerAfterCommit: true,
  handledBehindInbox: true,
  deliveriesChained: true,
  knownIsDropped: true,
  resendsJoin: true,
  outboxOutlivesLeader: true,
  sendsChained: true,
  refusalsChained: true,
  latestSessionSends: true,
  settledBeforeHandOver: true,
  linksChained: true,
  oneSessionAtWork: true,
  roomGapsFetched: true,
  membershipsChained: true,
  occupantsAsked: true,
  leaversPointed: true,
  relaysAckedDecided: true,
  retractedIsGone: true,
  wordsForgotten: true,
  hadWhenAcked: true,
};

/** All rules but one. For tests. */
export function withoutDelivery(rule: keyof DeliveryRules): DeliveryRules {
  return { ...ALL_DELIVERY_RULES, [rule]: false };
}
