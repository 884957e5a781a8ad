import type { Send, SendOrder } from './messages.ts';
import { onSendAnswer } from './session-stanzas.ts';
import type { SessionState } from './session-state.ts';
import type { EarlyAnswer, PendingSend, UserChatRow } from './session-types.ts';

/**
 * Sends that survive: a chat may be on another node, the way there loses without a word, and its leader may change in
 * between. Every `sendRetryMs` the unanswered sends to a chat go again, all and in order, under the same tokens; the
 * chat takes each once (dedupe-order.ts). After `sendTimeoutMs` the sender is told `remote-server-timeout`.
 *
 * Bound: `inflightMax` unanswered sends of a session.
 */
export interface CrossingLimits {
  /** ms after which an unanswered send goes again */
  readonly sendRetryMs: number;
  /** ms after which the sender is told that it may have failed */
  readonly sendTimeoutMs: number;
}

/** What `SendOrder` says of a send that leaves now. */
export function orderOf(session: SessionState, chat: string): SendOrder {
  const { run, era } = session;
  return { run, era, prev: session.unanswered.get(chat)?.at(-1) ?? 0 };
}

/** Keeps a send until it is answered; with `upTo`, until the inbox has what it waits for. */
export function keepSend(session: SessionState, token: number, pending: PendingSend): void {
  session.pendingSends.set(token, pending);
  const byChat = pending.upTo === undefined ? session.unanswered : session.untaken;
  const tokens = byChat.get(pending.chat);
  if (tokens === undefined) byChat.set(pending.chat, [token]);
  else tokens.push(token);
}

/** @returns what was kept under this token, which is now forgotten */
export function takeSend(session: SessionState, token: number): PendingSend | undefined {
  const pending = session.pendingSends.get(token);
  if (pending === undefined) return undefined;
  session.pendingSends.delete(token);
  noteAnswered(session, token, pending);
  return pending;
}

function noteAnswered({ unanswered }: SessionState, token: number, { chat }: PendingSend): void {
  const tokens = unanswered.get(chat);
  if (tokens === undefined) return;
  const at = tokens.indexOf(token);
  if (at >= 0) tokens.splice(at, 1);
  if (tokens.length === 0) unanswered.delete(chat);
}

/**
 * The chat has taken it, and its item for the sender's own inbox is not here yet, as when it was lost between nodes: the
 * stanza is handled when it comes, so that who hears `<a/>` and asks the archive finds the message. It surely comes, the
 * chat's outbox sees to that; if late, the client's window fills.
 * @returns false when there is nothing to wait for
 */
export function awaitItem(session: SessionState, token: number, upTo: number | undefined): boolean {
  const pending = session.pendingSends.get(token);
  if (pending === undefined || upTo === undefined || !session.parts.rules.handledBehindInbox) return false;
  if (cursorOf(session, pending.chat) >= upTo) return false;
  noteAnswered(session, token, pending);
  keepSend(session, token, { ...pending, upTo });
  return true;
}

/**
 * Between nodes a room's answer to presence may be lost, and comes again behind those to later stanzas: a device that left
 * would hear that it is out before it has left, enter again, and be taken for one that is still in. So these wait.
 * @returns true when this one does
 */
export function waitsForPresence(session: SessionState, token: number, answer: EarlyAnswer): boolean {
  const pending = session.pendingSends.get(token);
  if (pending === undefined || !isBehindPresence(session, token, pending)) return false;
  pending.early ??= answer;
  return true;
}

function isBehindPresence(
  { unanswered, pendingSends }: SessionState,
  token: number,
  { chat, stream }: PendingSend,
): boolean {
  return (unanswered.get(chat) ?? []).some((other) => {
    const before = other < token ? pendingSends.get(other) : undefined;
    return before?.stream === stream && before.send.kind === 'presence';
  });
}

/** The first of those that waited and need not any more. */
export function nextEarly(
  session: SessionState,
  chat: string,
): { readonly token: number; readonly answer: EarlyAnswer } | undefined {
  for (const token of session.unanswered.get(chat) ?? []) {
    const pending = session.pendingSends.get(token);
    if (pending?.early !== undefined && !isBehindPresence(session, token, pending))
      return { token, answer: pending.early };
  }
  return undefined;
}

/** The chat has taken it: what it answers to a repetition, as when the sender is no member any more, changes nothing. */
export function isTaken({ pendingSends }: SessionState, token: number): boolean {
  return pendingSends.get(token)?.upTo !== undefined;
}

/** @returns sends to this chat that the inbox now has, which are forgotten with that */
export function takeUntaken(session: SessionState, chat: string): PendingSend[] {
  const taken: PendingSend[] = [];
  const cur = cursorOf(session, chat);
  const tokens = session.untaken.get(chat) ?? [];
  for (let token = tokens[0]; token !== undefined; token = tokens[0]) {
    const pending = session.pendingSends.get(token);
    if ((pending?.upTo ?? 0) > cur) break;
    tokens.shift();
    session.pendingSends.delete(token);
    if (pending !== undefined) taken.push(pending);
  }
  if (tokens.length === 0) session.untaken.delete(chat);
  return taken;
}

function cursorOf(session: SessionState, chat: string): number {
  return session.get<UserChatRow>(session.namesOf(chat).rowKey)?.cur ?? 0;
}

/** The chat lacks an earlier one: everything that it has not answered goes again. */
export function onAgain(session: SessionState, chat: string, run: string | undefined): void {
  if (run !== undefined && run === session.run) sendAgain(session, chat);
}

/** About once a second while sends wait. */
export function sweepSends(session: SessionState): void {
  const { crossing } = session.parts;
  if (crossing === undefined) return;
  for (const [chat, tokens] of [...session.unanswered]) {
    for (const token of [...tokens]) {
      const pending = session.pendingSends.get(token);
      if (pending === undefined || session.now - pending.since < crossing.sendTimeoutMs) continue;
      const text = 'The chat did not answer in time';
      onSendAnswer(session, token, { ok: false, condition: 'remote-server-timeout', text });
    }
    const first = session.pendingSends.get(tokens[0] ?? 0);
    if (first !== undefined && session.now - first.sentAt >= crossing.sendRetryMs) sendAgain(session, chat);
  }
}

function sendAgain(session: SessionState, chat: string): void {
  const { run, era } = session;
  let prev = 0;
  for (const token of session.unanswered.get(chat) ?? []) {
    const pending = session.pendingSends.get(token);
    if (pending === undefined) continue;
    pending.sentAt = session.now;
    const msg: Send = { ...pending.send, order: { run, era, prev } };
    session.turn.immediate.push({ t: 'toChat', chat, msg });
    prev = token;
  }
}
