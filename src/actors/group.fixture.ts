import type { MessageRecord } from '../xmpp/message-record.ts';
import { defaultConfig, type RoomConfig } from '../xmpp/muc-config.ts';
import { type Affiliation, NS_MUC, NS_MUC_ADMIN } from '../xmpp/muc-words.ts';
import { fulltextWordsOf } from '../xmpp/xep0431-fulltext.ts';
import { newChatLog } from './chat-log.ts';
import type { History } from './chat-retract.ts';
import {
  type Affiliate,
  type GroupEffect,
  type GroupLimits,
  type GroupLog,
  type GroupState,
  newGroup,
  type OccupantRow,
  type Room,
} from './group-state.ts';
import { groupStep } from './group-step.ts';
import type { ChatItem, ChatMessage, Send, SessionMessage } from './messages.ts';
import { CHAT_LIMITS, DOMAIN, GROUP_OPTIONS, NO_HISTORY } from './runtime.fixture.ts';
import { newTurn, type Turn } from './turn.ts';

/** A group by itself, for tests of its rules: what it is told, and what it does then, in words. */

export const ROOM = `room@${GROUP_OPTIONS.roomDomain}`;
export const ALICE = `alice@${DOMAIN}`;
export const BOB = `bob@${DOMAIN}`;
export const CAROL = `carol@${DOMAIN}`;

export const LIMITS: GroupLimits = { ...CHAT_LIMITS, ...GROUP_OPTIONS, domain: DOMAIN, newId: () => 'salt' };

export interface TestRoom {
  readonly config?: Partial<RoomConfig>;
  readonly locked?: boolean;
  readonly affiliates?: Readonly<Record<string, Affiliation | Partial<Affiliate>>>;
  /** nick by full JID */
  readonly occupants?: Readonly<Record<string, string | OccupantRow>>;
  readonly lastSeq?: number;
  /** of a large group: what all members were told */
  readonly posted?: number;
}

/** A group as it is read from its rows. Without affiliates, alice owns it. */
export function room(
  { config, locked = false, affiliates = { [ALICE]: 'owner' }, occupants = {}, lastSeq = 0, posted }: TestRoom = {},
  limits: GroupLimits = LIMITS,
  history: History = NO_HISTORY,
): GroupState {
  const row: Room = {
    v: 1,
    config: { ...defaultConfig(limits.occupantsMax), ...config },
    locked,
    salt: 's',
    first: 0,
    created: 0,
  };
  const rows: [string, unknown][] = [['c', row]];
  for (const [user, one] of Object.entries(affiliates)) {
    const more = typeof one === 'string' ? { affiliation: one } : one;
    rows.push([`a/${user}`, { v: 1, affiliation: 'member', since: 0, before: 0, ...more }]);
  }
  for (const [jid, one] of Object.entries(occupants))
    rows.push([`o/${jid}`, typeof one === 'string' ? { v: 1, nick: one, role: 'participant' } : one]);
  if (posted !== undefined) rows.push(['p', posted]);
  return newGroup(newChatLog(ROOM, lastSeq, [], limits, history), rows);
}

/** The messages of one turn. */
export function turnOf(
  group: GroupState,
  messages: readonly ChatMessage[],
  { now = 1000, limits = LIMITS }: { readonly now?: number; readonly limits?: GroupLimits } = {},
): Turn<GroupEffect> {
  const turn = newTurn<GroupEffect>(now);
  for (const message of messages) groupStep(group, message, turn, limits);
  return turn;
}

let tokens = 0;

/** What a device sends to the room, a message unless told otherwise. */
export function send(from: string, inner: string, more: Partial<Send> = {}): Send {
  tokens += 1;
  return {
    t: 'send',
    from,
    sender: from.slice(0, from.indexOf('/')),
    to: ROOM,
    type: 'groupchat',
    id: 'i1',
    oid: undefined,
    lang: undefined,
    inner,
    flags: undefined,
    store: more.kind === undefined,
    token: tokens,
    ...more,
  };
}

export function enter(from: string, nick: string, x = '', more: Partial<Send> = {}): Send {
  const what = { kind: 'presence', type: 'available', to: `${ROOM}/${nick}` } as const;
  return send(from, `<x xmlns='${NS_MUC}'>${x}</x>`, { ...what, ...more });
}

export function leaving(from: string, nick: string): Send {
  return send(from, '', { kind: 'presence', type: 'unavailable', to: `${ROOM}/${nick}` });
}

/** A request of muc#admin. @param item attributes of the only item */
export function admin(from: string, item: string, type: 'get' | 'set' = 'set', more: Partial<Send> = {}): Send {
  const inner = `<query xmlns='${NS_MUC_ADMIN}'><item ${item}/></query>`;
  return send(from, inner, { kind: 'iq', type, ...more });
}

/** Inbox items of a turn: who gets which chatSeq, `!` when it is the first of a membership, with what was before it. */
export function items(turn: Turn<GroupEffect>): string[] {
  return turn.posts().flatMap(({ to, body }) => {
    const item = body as ChatItem;
    if (item.t !== 'msg') return [];
    const name = to.slice('session:'.length, to.indexOf('@'));
    return [`${name} ${item.seq}${item.first ? `!${item.before}` : ''}`];
  });
}

const NOTHING = logOf(0);

/** What a turn tells sessions. @param log what is committed */
export function told(turn: Turn<GroupEffect>, log: GroupLog = NOTHING): { to: string; msg: SessionMessage }[] {
  return turn.effects.flatMap((effect) => {
    if (effect.t === 'ackDelivery') return [];
    return [{ to: effect.to, msg: effect.t === 'read' ? effect.answer(log) : effect.msg }];
  });
}

/**
 * … in words: outcomes, conditions of what is refused, who hears of whose presence.
 * An answer is `alice: ok`, `alice: forbidden` (an error stanza too), `alice: joined`.
 */
export function said(turn: Turn<GroupEffect>, log: GroupLog = NOTHING): string[] {
  return told(turn, log).map(({ to, msg }) => `${to.slice(0, to.indexOf('@'))}: ${inWords(msg)}`);
}

function inWords(msg: SessionMessage): string {
  if (msg.t === 'room') return `${what(msg.xml)} to ${msg.resources.join()}${msg.left === true ? ' (left)' : ''}`;
  if (msg.t === 'present?') return `present? ${msg.resources.join()}`;
  if (msg.t === 'said') return `said ${msg.seq}`;
  if (msg.t !== 'answer') return msg.t;
  const { outcome, group } = msg;
  if (!outcome.ok) return outcome.condition;
  const error = group?.xml.map((xml) => /<error[^>]*><([a-z-]+)/.exec(xml)?.[1]).find((one) => one !== undefined);
  if (error !== undefined) return error;
  if (group?.joined !== undefined) return 'joined';
  if (group?.left === true) return 'left';
  return outcome.upTo === undefined ? 'ok' : `ok ${outcome.upTo}`;
}

/** `+nick` is here, `-nick` is gone, else the name of the stanza. */
function what(xml: string): string {
  const nick = /from="[^"]*\/([^"]*)"|from='[^']*\/([^']*)'/.exec(xml);
  const name = nick?.[1] ?? nick?.[2] ?? '';
  if (!xml.startsWith('<presence')) return xml.slice(1, xml.indexOf(' '));
  return `${/type=.unavailable/.test(xml) ? '-' : '+'}${name}`;
}

/** A log of messages that say their number, a second apart, from 1 on. */
export function logOf(count: number, inner = (seq: number): string => String(seq)): GroupLog {
  const entries = Array.from({ length: count }, (_, i) => {
    const record = { v: 1, from: `${ALICE}/a`, to: ROOM, type: 'groupchat', ts: (i + 1) * 1000, inner: inner(i + 1) };
    return { seq: i + 1, record: record as unknown as MessageRecord };
  });
  const read: GroupLog['read'] = (from, to, limit) =>
    entries.filter(({ seq }) => seq >= from && seq <= to).slice(0, limit);
  return {
    read,
    fulltext: () => ({
      first: 1,
      last: () => count,
      shows: () => true,
      spans: () => 0,
      rows: () => new Map(),
      read: ({ from, to, limit }) =>
        read(from, to, limit).map(({ seq, record }) => {
          const w = fulltextWordsOf(record, 100);
          return { seq, record: { c: ROOM, q: seq, ts: record.ts, ...(w !== '' && { w }) } };
        }),
    }),
  };
}
