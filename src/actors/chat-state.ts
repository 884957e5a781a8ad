import type { MessageRecord } from '../xmpp/message-record.ts';
import { isRefused, type Refusal, withRefusal } from './chat-refusals.ts';
import { Dedupe, type DedupeLimits, dedupeKey, retryKey } from './dedupe.ts';
import { SenderOrder } from './dedupe-order.ts';
import { ALL_DELIVERY_RULES, type DeliveryRules } from './delivery-rules.ts';
import { chatRow, directMembers, directPeer, isDirect, messageStream, sessionKey } from './keys.ts';
import type {
  ChatItem,
  ChatMessage,
  LiveMessage,
  PostItem,
  Send,
  SendOrder,
  SendOutcome,
  SessionMessage,
  Source,
} from './messages.ts';
import type { Turn } from './turn.ts';

/**
 * A chat: members, one dense sequence of messages, dedupe. Pure: `step` changes the state it is given and fills the
 * turn; the shell (entity.ts) commits it and runs the effects.
 *
 * Invariants
 * - `lastSeq` counts proposed messages, so the record of `lastSeq + 1` is always the next append of the stream.
 * - Every message goes to every member that is `here`, so a member's inbox can tell a gap by chatSeq alone.
 * - A direct chat comes into being with its first message, after the other side said that it exists. Any other chat is
 *   there when its row is, and takes messages of the members that are `here`.
 */
export interface ChatState {
  readonly id: string;
  members: Member[];
  lastSeq: number;
  lastTs: number;
  readonly dedupe: Dedupe;
  /** of sends that may have been lost or come twice */
  order: SenderOrder;
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

export type ChatEffect =
  | { readonly t: 'toSession'; readonly to: string; readonly msg: SessionMessage }
  | { readonly t: 'ackDelivery'; readonly source: Source };

export interface ChatLimits extends DedupeLimits {
  /** sends that may wait for the answer whether the other side exists; more get `resource-constraint` */
  readonly waitingMax: number;
  /** how long the other side's session may take to say that it exists, ms; then `remote-server-timeout` */
  readonly askTimeoutMs: number;
  /** … and after how long it is asked again, ms: the question may have been lost between nodes */
  readonly askAgainMs?: number;
  /** all of them when absent; the simulation takes one out at a time */
  readonly rules?: DeliveryRules;
}

export function newChat(
  id: string,
  row: ChatRow | undefined,
  lastSeq: number,
  tail: readonly MessageRecord[],
  limits: ChatLimits,
): ChatState {
  const dedupe = new Dedupe(limits);
  for (const record of tail) {
    const key = dedupeKey(record.oid, record.id, record.inner) ?? (record.tok && retryKey(record.tok));
    if (key !== undefined) dedupe.add(bare(record.from), key, record.ts);
  }
  return {
    id,
    members: row === undefined ? [] : [...row.members],
    lastSeq,
    lastTs: tail.at(-1)?.ts ?? 0,
    dedupe,
    order: new SenderOrder(limits.rules),
    waiting: [],
    askedAt: 0,
    askedAgainAt: 0,
  };
}

export function chatStep(chat: ChatState, message: ChatMessage, turn: Turn<ChatEffect>, limits: ChatLimits): void {
  switch (message.t) {
    case 'send':
      return onArrival(chat, message, turn, limits);
    case 'exists':
      return onExists(chat, message.member, message.exists, turn, limits);
    case 'sweep':
      return onSweep(chat, turn, limits);
    case 'deliver':
      if (message.item.t === 'memberGone') onMemberGone(chat, message.item, turn);
      if (message.item.t === 'refuses') onRefuses(chat, message.item, turn);
      turn.effects.push({ t: 'ackDelivery', source: message.source });
      return;
  }
}

/** A send may come late, twice, or before one that was lost: it is decided once, in its place. */
function onArrival(chat: ChatState, send: Send, turn: Turn<ChatEffect>, limits: ChatLimits): void {
  switch (chat.order.take(send)) {
    case 'next': {
      const broken = chat.order.brokenBy(send);
      if (broken !== undefined) return refuse(chat, send, broken, turn);
      return onSend(chat, send, turn, limits);
    }
    case 'gap': {
      const msg = { t: 'again', chat: chat.id, run: send.order?.run } as const;
      turn.immediate.push({ t: 'toSession', to: send.sender, msg });
      return;
    }
    case 'broken':
      return refuse(chat, send, 'resource-constraint', turn);
    case 'had':
      return onRetry(chat, send, turn);
  }
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

function isKnown(chat: ChatState, send: Send): boolean {
  const key = isStored(send) ? keyOf(send) : undefined;
  return key !== undefined && chat.dedupe.has(send.sender, key);
}

type StoredSend = Send & { readonly type: MessageRecord['type'] };

function isStored(send: Send): send is StoredSend {
  return send.store && send.type !== 'headline' && send.type !== 'error';
}

function keyOf({ oid, id, inner, order, token }: Send): string | undefined {
  const tok = tokOf(order, token);
  return dedupeKey(oid, id, inner) ?? (tok && retryKey(tok));
}

function tokOf(order: SendOrder | undefined, token: number): string | undefined {
  return order?.run === undefined ? undefined : `${order.run}.${token.toString(36)}`;
}

function onSend(chat: ChatState, send: Send, turn: Turn<ChatEffect>, limits: ChatLimits): void {
  if (!isDirect(chat.id)) {
    if (isHere(chat, send.sender)) accept(chat, send, turn, limits);
    else refuse(chat, send, 'forbidden', turn);
    return;
  }
  if (!directMembers(chat.id).includes(send.sender)) return refuse(chat, send, 'forbidden', turn);
  // One that was taken before is not: it joins the first one's answer.
  if (isRefused(chat.members, send) && !isKnown(chat, send)) return refuse(chat, send, 'service-unavailable', turn);
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

function accept(chat: ChatState, send: Send, turn: Turn<ChatEffect>, { rules = ALL_DELIVERY_RULES }: ChatLimits): void {
  // A sender whose account was removed and made anew is a member again from here on.
  if (!isHere(chat, send.sender)) join(chat, [send.sender], turn);
  if (!isStored(send)) return passOn(chat, send, turn);
  const ts = Math.max(turn.now, chat.lastTs);
  const named = dedupeKey(send.oid, send.id, send.inner);
  const tok = named === undefined ? tokOf(send.order, send.token) : undefined;
  const key = tok === undefined ? named : retryKey(tok);
  // A known one joins the first one's answer: the turn's order holds it back until the first is committed.
  const known = key !== undefined && !chat.dedupe.add(send.sender, key, ts);
  if (known && rules.resendsJoin) return answer(send, stored(chat, send), turn);
  const seq = chat.lastSeq + 1;
  chat.lastSeq = seq;
  chat.lastTs = ts;
  const { from, to, type, id, oid, lang, inner, flags } = send;
  const plain: MessageRecord =
    flags === undefined
      ? { v: 1, from, to, type, id, oid, ts, lang, inner }
      : { v: 1, from, to, type, id, oid, ts, lang, inner, x: flags };
  const record = tok === undefined ? plain : { ...plain, tok };
  turn.streams.push({ t: 'append', stream: messageStream(chat.id), seq, record });
  for (const member of chat.members) {
    if (!member.here) continue;
    const item: ChatItem = { t: 'msg', chat: chat.id, seq, first: seq === member.since + 1 };
    turn.outbox.push({ to: sessionKey(member.jid), body: item });
    turn.live.push(record);
  }
  if (rules.answerAfterCommit) answer(send, stored(chat, send), turn);
  else turn.immediate.push({ t: 'toSession', to: send.sender, msg: answerTo(send, { ok: true }) });
}

/** Of one that was known already only the chat knows the place: all of it is asked for then. */
function stored({ members, lastSeq }: ChatState, { sender }: Send): SendOutcome {
  const since = members.find(({ jid }) => jid === sender)?.since ?? lastSeq;
  return lastSeq > since ? { ok: true, upTo: lastSeq } : { ok: true };
}

/** Not logged: to the members' live streams, behind what is already proposed here. */
function passOn(chat: ChatState, send: Send, turn: Turn<ChatEffect>): void {
  const { from, to, type, id, lang, inner, flags } = send;
  const message: LiveMessage = { from, to, type, id, lang, inner, flags };
  // The turn's messages leave before its effects: one that comes behind this must not overtake it.
  turn.sealed = true;
  for (const member of chat.members) {
    if (member.here) turn.effects.push({ t: 'toSession', to: member.jid, msg: { t: 'live', chat: chat.id, message } });
  }
  answer(send, { ok: true }, turn);
}

function answer(send: Send, outcome: SendOutcome, turn: Turn<ChatEffect>): void {
  if (send.token === 0) return;
  turn.effects.push({ t: 'toSession', to: send.sender, msg: answerTo(send, outcome) });
  if (outcome.ok) {
    const failed: SendOutcome = {
      ok: false,
      condition: 'resource-constraint',
      text: 'The server cannot store messages right now',
    };
    turn.onFail.push({ t: 'toSession', to: send.sender, msg: answerTo(send, failed) });
  }
}

export function answerTo({ token, order }: Send, outcome: SendOutcome): SessionMessage {
  const run = order?.run;
  return run === undefined ? { t: 'answer', token, outcome } : { t: 'answer', token, outcome, run };
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

function bare(jid: string): string {
  const slash = jid.indexOf('/');
  return slash === -1 ? jid : jid.slice(0, slash);
}
