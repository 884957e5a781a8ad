import type { MessageRecord } from '../xmpp/message-record.ts';
import { retractedIdOf, tombstone } from '../xmpp/xep0424-retraction.ts';
import {
  answer,
  answerTo,
  append,
  type ChatEffect,
  type ChatLog,
  type Extras,
  isKnown,
  isStored,
  type LogLimits,
  newChatLog,
  placeOf,
} from './chat-log.ts';
import { isRefused, type Refusal, withRefusal } from './chat-refusals.ts';
import { backTo, findSent, type History, mayLookBack, type Sent, takeBack } from './chat-retract.ts';
import { ALL_DELIVERY_RULES } from './delivery-rules.ts';
import { chatRow, directMembers, directPeer, isDirect, sessionKey } from './keys.ts';
import type { ChatItem, ChatMessage, LiveMessage, MessageType, PostItem, Send, SendOutcome } from './messages.ts';
import type { Turn } from './turn.ts';

/**
 * A chat: members, one dense sequence of messages, dedupe. Pure: `step` changes the state it is given and fills the
 * turn; the shell (entity.ts) commits it and runs the effects.
 *
 * Invariants
 * - Every message goes to every member that is `here`, so a member's inbox can tell a gap by chatSeq alone.
 * - A direct chat comes into being with its first message, after the other side said that it exists. Any other chat is
 *   there when its row is, and takes messages of the members that are `here`.
 */
export interface ChatState extends ChatLog {
  members: Member[];
  /** sends that wait for `exists` of a member; bounded by `waitingMax` */
  waiting: Send[];
  /** ms since the epoch when `exists?` was first asked, 0 when no answer is owed */
  askedAt: number;
  /** … and last */
  askedAgainAt: number;
}

export interface Member {
  readonly jid: string;
  /** chatSeq of the last message before this member was here: its first one is `since + 1` */
  readonly since: number;
  /** false once its account was removed; messages to it then end in service-unavailable */
  readonly here: boolean;
  /** absent when it blocks nobody here */
  readonly refuses?: Refusal;
}

/** The chat's row. */
export interface ChatRow {
  readonly v: 1;
  readonly members: readonly Member[];
}

export interface ChatLimits extends LogLimits {
  /** sends that may wait for the answer whether the other side exists; more get `resource-constraint` */
  readonly waitingMax: number;
  /** how long the other side's session may take to say that it exists, ms; then `remote-server-timeout` */
  readonly askTimeoutMs: number;
  /** … and after how long it is asked again, ms: the question may have been lost between nodes */
  readonly askAgainMs?: number;
}

export function newChat(
  id: string,
  row: ChatRow | undefined,
  lastSeq: number,
  tail: readonly MessageRecord[],
  limits: ChatLimits,
  history: History,
): ChatState {
  return Object.assign(newChatLog(id, lastSeq, tail, limits, history), {
    members: row === undefined ? [] : [...row.members],
    waiting: [],
    askedAt: 0,
    askedAgainAt: 0,
  });
}

export function chatStep(chat: ChatState, message: ChatMessage, turn: Turn<ChatEffect>, limits: ChatLimits): void {
  switch (message.t) {
    case 'send':
      return onArrival(chat, message, turn, limits);
    case 'exists':
      return onExists(chat, message.member, message.exists, turn, limits);
    case 'sweep':
      return onSweep(chat, turn, limits);
    case 'absent':
    case 'cursors':
      return;
    case 'deliver':
      if (message.item.t === 'relay') return onRelay(chat, message, message.item.send, turn, limits);
      if (message.item.t === 'memberGone') onMemberGone(chat, message.item, turn);
      if (message.item.t === 'refuses') onRefuses(chat, message.item, turn);
      turn.effects.push({ t: 'ackDelivery', source: message.source });
      return;
  }
}

function onArrival(chat: ChatState, send: Send, turn: Turn<ChatEffect>, limits: ChatLimits): void {
  const place = placeOf(chat, send);
  switch (place) {
    case 'decide':
      return onSend(chat, send, turn, limits);
    case 'retry':
      return onRetry(chat, send, turn);
    case 'ignore':
      return;
    case 'again': {
      const msg = { t: 'again', chat: chat.id, run: send.order?.run } as const;
      turn.immediate.push({ t: 'toSession', to: send.sender, msg });
      return;
    }
    default:
      return refuse(chat, send, place, turn);
  }
}

/** A group hands a message over: acknowledged when it is decided, else it comes again. */
function onRelay(
  chat: ChatState,
  { source }: Extract<ChatMessage, { t: 'deliver' }>,
  relayed: Send,
  turn: Turn<ChatEffect>,
  limits: ChatLimits,
): void {
  const { shard, idx, pos } = source;
  const waits = chat.waiting.some(
    ({ source: other }) => other?.shard === shard && other.idx === idx && other.pos === pos,
  );
  if (limits.rules?.relaysAckedDecided === false) turn.immediate.push({ t: 'ackDelivery', source });
  if (!waits) onSend(chat, { ...relayed, source }, turn, limits);
}

/** The answer was lost, or is on its way: it is given again, behind the commit that it speaks of. */
function onRetry(chat: ChatState, send: Send, turn: Turn<ChatEffect>): void {
  const { sender, token } = send;
  if (chat.waiting.some((one) => one.token === token && one.sender === sender)) return;
  const refused = chat.order.refusal(send);
  if (refused !== undefined) return answer(send, refused, turn);
  if (isStored(send) && !isKnown(chat, send)) return refuse(chat, send, 'resource-constraint', turn);
  answer(send, isStored(send) ? stored(chat, send) : { ok: true }, turn);
}

function onSend(chat: ChatState, send: Send, turn: Turn<ChatEffect>, limits: ChatLimits): void {
  if (!isDirect(chat.id)) {
    if (isHere(chat, send.sender)) accept(chat, send, turn, limits);
    else refuse(chat, send, 'forbidden', turn);
    return;
  }
  if (!directMembers(chat.id).includes(send.sender)) return refuse(chat, send, 'forbidden', turn);
  // One that was taken before is not: it joins the first one's answer.
  if (isRefused(chat.members, send) && !(isStored(send) && isKnown(chat, send)))
    return refuse(chat, send, 'service-unavailable', turn);
  const gone = directMembers(chat.id).find((jid) => !isHere(chat, jid) && jid !== send.sender);
  if (gone === undefined) return accept(chat, send, turn, limits);
  if (chat.waiting.length >= limits.waitingMax) return refuse(chat, send, 'resource-constraint', turn);
  chat.waiting.push(send);
  if (chat.askedAt !== 0) return;
  chat.askedAt = turn.now;
  chat.askedAgainAt = turn.now;
  turn.immediate.push({ t: 'toSession', to: gone, msg: { t: 'exists?', chat: chat.id } });
}

/** An answer may be late, and about the other one than who is asked for now: it decides only sends that wait for it. */
function onExists(chat: ChatState, member: string, exists: boolean, turn: Turn<ChatEffect>, limits: ChatLimits): void {
  const { waiting } = chat;
  const others: Send[] = [];
  for (const send of waiting) {
    if (directPeer(chat.id, send.sender) !== member) others.push(send);
    else if (exists) {
      join(chat, [member], turn);
      accept(chat, send, turn, limits);
    } else refuse(chat, send, 'service-unavailable', turn);
  }
  chat.waiting = [];
  chat.askedAt = 0;
  for (const send of others) onSend(chat, send, turn, limits);
}

function onSweep(chat: ChatState, turn: Turn<ChatEffect>, limits: ChatLimits): void {
  if (chat.askedAt === 0) return;
  if (turn.now - chat.askedAt < limits.askTimeoutMs) return askAgain(chat, turn, limits);
  chat.askedAt = 0;
  for (const send of chat.waiting.splice(0)) refuse(chat, send, 'remote-server-timeout', turn);
}

function askAgain(chat: ChatState, turn: Turn<ChatEffect>, { askAgainMs }: ChatLimits): void {
  if (askAgainMs === undefined || turn.now - chat.askedAgainAt < askAgainMs) return;
  chat.askedAgainAt = turn.now;
  const asked = new Set(chat.waiting.map(({ sender }) => directPeer(chat.id, sender)));
  for (const to of asked) turn.immediate.push({ t: 'toSession', to, msg: { t: 'exists?', chat: chat.id } });
}

function onMemberGone(chat: ChatState, gone: Extract<PostItem, { t: 'memberGone' }>, turn: Turn<ChatEffect>): void {
  const jid = gone.member;
  const since = chat.members.find((member) => member.jid === jid && member.here)?.since;
  // Sent again after the name was registered anew and joined: it is the old account that went.
  if (since === undefined || since >= gone.cur) return;
  chat.members = chat.members.map((member) => (member.jid === jid ? { ...member, here: false } : member));
  putRow(chat, turn);
}

function onRefuses(chat: ChatState, item: Extract<PostItem, { t: 'refuses' }>, turn: Turn<ChatEffect>): void {
  const members = withRefusal(chat.members, item);
  if (members === undefined) return;
  chat.members = members;
  putRow(chat, turn);
}

function join(chat: ChatState, jids: readonly string[], turn: Turn<ChatEffect>): void {
  const added = [...new Set(jids)].filter((jid) => !isHere(chat, jid));
  if (added.length === 0) return;
  const kept = chat.members.filter((member) => !added.includes(member.jid));
  chat.members = [...kept, ...added.map((jid) => ({ jid, since: chat.lastSeq, here: true }))];
  putRow(chat, turn);
}

function putRow(chat: ChatState, turn: Turn<ChatEffect>): void {
  turn.rows.set(chatRow(chat.id), { v: 1, members: chat.members } satisfies ChatRow);
}

function isHere(chat: ChatState, jid: string): boolean {
  for (const member of chat.members) if (member.jid === jid) return member.here;
  return false;
}

function accept(chat: ChatState, send: Send, turn: Turn<ChatEffect>, limits: ChatLimits): void {
  const { rules = ALL_DELIVERY_RULES, retractLookBackMax } = limits;
  // A sender whose account was removed and made anew is a member again from here on.
  if (!isHere(chat, send.sender)) join(chat, [send.sender], turn);
  if (!isStored(send)) return passOn(chat, send, turn);
  const retracted = retractedIdOf(send);
  if (retracted !== undefined && !mayLookBack(chat, retractLookBackMax, turn.now))
    return refuse(chat, send, 'resource-constraint', turn);
  const finds = retracted !== undefined && rules.retractedIsGone && !isKnown(chat, send);
  const target = finds ? takenBack(chat, send, retracted, limits) : undefined;
  const record = append(chat, send, turn, rules.resendsJoin, extrasOf(send, target));
  if (record === undefined) return answer(send, stored(chat, send), turn);
  const seq = chat.lastSeq;
  if (target !== undefined)
    takeBack(chat, target.seq, tombstone(target.record, { id: record.id, ts: record.ts }), turn);
  // The log does without the words: only the members' inboxes are searched.
  const live = withWords(record, send.words);
  for (const member of chat.members) {
    if (!member.here) continue;
    const item: ChatItem = { t: 'msg', chat: chat.id, seq, first: seq === member.since + 1 };
    turn.outbox.push({ to: sessionKey(member.jid), body: item });
    turn.live.push(live);
  }
  if (rules.answerAfterCommit) answer(send, stored(chat, send), turn);
  else turn.immediate.push({ t: 'toSession', to: send.sender, msg: answerTo(send, { ok: true }) });
}

function extrasOf({ via }: Send, target: Sent | undefined): Extras | undefined {
  if (target === undefined) return via && { via };
  return via === undefined ? backTo(target) : { via, ...backTo(target) };
}

/** Once a message: the usual shape by itself, since spreading costs a microsecond. */
function withWords(record: MessageRecord, w: string | undefined): MessageRecord {
  if (w === undefined) return record;
  if (record.tok !== undefined || record.via !== undefined || record.x !== undefined || record.back !== undefined)
    return { ...record, w };
  const { v, from, to, type, id, oid, ts, lang, inner } = record;
  return { v, from, to, type, id, oid, ts, lang, inner, w };
}

/**
 * What the sender takes back is found by the id that it gave it. Of somebody else nothing can be taken back: such a
 * retraction is passed on as it is, and clients make nothing of it (XEP-0424 section 5).
 */
function takenBack(
  chat: ChatState,
  { sender }: Send,
  id: string,
  { retractLookBackMax }: ChatLimits,
): Sent | undefined {
  const since = chat.members.find(({ jid }) => jid === sender)?.since ?? 0;
  // What was said before by an account of its name that has been removed is not its own.
  const max = Math.min(retractLookBackMax, chat.lastSeq - since);
  const sent = findSent(chat, sender, id, chat.lastSeq + 1, max);
  return sent === undefined || retractedIdOf(sent.record) !== undefined ? undefined : sent;
}

/** Of one that was known already only the chat knows the place: all of it is asked for then. */
function stored({ members, lastSeq }: ChatState, { sender }: Send): SendOutcome {
  const since = members.find(({ jid }) => jid === sender)?.since ?? lastSeq;
  return lastSeq > since ? { ok: true, upTo: lastSeq } : { ok: true };
}

/** Not logged: to the members' live streams, behind what is already proposed here. */
function passOn(chat: ChatState, send: Send, turn: Turn<ChatEffect>): void {
  const { from, to, type, id, lang, inner, flags } = send;
  // Only groups get anything else than messages.
  const message: LiveMessage = { from, to, type: type as MessageType, id, lang, inner, flags };
  // The turn's messages leave before its effects: one that comes behind this must not overtake it.
  turn.sealed = true;
  for (const member of chat.members) {
    if (member.here) turn.effects.push({ t: 'toSession', to: member.jid, msg: { t: 'live', chat: chat.id, message } });
  }
  answer(send, { ok: true }, turn);
}

function refuse(
  chat: ChatState,
  send: Send,
  condition: Exclude<SendOutcome, { ok: true }>['condition'],
  turn: Turn<ChatEffect>,
): void {
  // RFC 6121 8.5.4: an error is never answered with an error, nor is a headline.
  const silent = send.type === 'error' || send.type === 'headline';
  const outcome: SendOutcome = silent ? { ok: true } : { ok: false, condition };
  if (!silent) chat.order.refuse(send, outcome);
  answer(send, outcome, turn);
}
