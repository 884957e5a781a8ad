import type { Element } from 'ltx';
import {
  type MemberReceipt,
  pageById,
  parseReceiptsQuery,
  type ReceiptCounts,
  type ReceiptsQuery,
  renderNotice,
  renderReceipts,
} from '../xmpp/group-receipts.ts';
import type { PageLimits } from '../xmpp/mam-page.ts';
import { isMember } from '../xmpp/muc-words.ts';
import { stanza } from '../xmpp/stanza.ts';
import { errorInner } from '../xmpp/stanza-error.ts';
import { occupantId } from '../xmpp/xep0421-occupant-id.ts';
import { answerFailure, answerTo, bareOf } from './chat-log.ts';
import { fail } from './group-answers.ts';
import { cursorOf, type Move } from './group-cursors.ts';
import { resourceOf, tellDevices } from './group-presence.ts';
import {
  type Affiliate,
  affiliationOf,
  type GroupState,
  type GroupStep,
  type Occupant,
  type Room,
  readableFrom,
} from './group-state.ts';
import type { GroupAnswer, Send } from './messages.ts';

/** Who has had and who has read a message of a group: told to its sender, and to members who ask (docs/group-receipts.md). */

/** Messages in one notice, the newest: who has these has the older ones too. */
const NOTICE_MAX = 10;

type State = MemberReceipt['state'];

/** Members who were so before a message came, and how far each of them is with it. @param sender left out */
function* statesOf(
  group: GroupState,
  seq: number,
  sender?: string,
): Generator<readonly [user: string, affiliate: Affiliate, state: State]> {
  for (const [user, affiliate] of group.affiliates) {
    if (user === sender || !isMember(affiliate.affiliation) || seq <= affiliate.since) continue;
    const { had, read } = cursorOf(group, user, affiliate);
    yield [user, affiliate, read >= seq ? 'read' : had >= seq ? 'delivered' : 'pending'];
  }
}

function countsOf(states: Iterable<State>): ReceiptCounts {
  const counts = { total: 0, delivered: 0, read: 0 };
  for (const state of states) {
    counts.total += 1;
    if (state !== 'pending') counts.delivered += 1;
    if (state === 'read') counts.read += 1;
  }
  return counts;
}

/** Devices that asked for it hear of their user's messages that others have had or read since the last time. */
export function tellSenders(step: GroupStep, moves: ReadonlyMap<string, Move>): void {
  const { group } = step;
  const asking = new Map<string, Occupant[]>();
  for (const occupant of group.occupants.values()) {
    if (occupant.receipts !== true) continue;
    const known = asking.get(occupant.user);
    if (known === undefined) asking.set(occupant.user, [occupant]);
    else known.push(occupant);
  }
  for (const [user, devices] of asking) {
    const covered: number[] = [];
    for (let i = group.recent.length - 1; i >= 0 && covered.length < NOTICE_MAX; i--) {
      const one = group.recent[i];
      if (one?.user === user && isCovered(one.seq, user, moves)) covered.unshift(one.seq);
    }
    if (covered.length === 0) continue;
    const told = covered.map(
      (seq) => [seq, countsOf([...statesOf(group, seq, user)].map(([, , state]) => state))] as const,
    );
    const xml = stanza('message', { from: group.id, type: 'headline' }, renderNotice(told));
    tellDevices(
      step,
      user,
      devices.map(({ jid }) => resourceOf(jid)),
      xml,
      false,
    );
  }
}

function isCovered(seq: number, sender: string, moves: ReadonlyMap<string, Move>): boolean {
  for (const [user, { from, to }] of moves) {
    if (user === sender) continue;
    if ((from.had < seq && seq <= to.had) || (from.read < seq && seq <= to.read)) return true;
  }
  return false;
}

/** `<receipts id='…'/>` to a room: how far its members are with a message. */
export function onReceipts(step: GroupStep, room: Room, send: Send, payload: Element): void {
  const { group, turn, limits } = step;
  if (!isMember(affiliationOf(group, send.sender))) return fail(step, send, 'forbidden', 'for members');
  if (send.type !== 'get') return fail(step, send, 'bad-request', 'receipts are only asked for');
  const query = parseReceiptsQuery(payload);
  if ('error' in query) return fail(step, send, query.error, query.text);
  const { seq } = query;
  if (seq > group.lastSeq || seq < readableFrom(group, send.sender)) return fail(step, send, 'item-not-found');
  // As of now: what is written by the time of the answer, and nothing that came later and may be refused.
  const mine = affiliationOf(group, send.sender);
  const seesJid = room.config.whois === 'anyone' || mine === 'owner' || mine === 'admin';
  const states = [...statesOf(group, seq)];
  const answerXml = (sender: string): string => {
    const members = states
      .filter(([user]) => user !== sender)
      .map(([user, { nick }, state]): MemberReceipt => {
        return { occupantId: occupantId(room.salt, user), nick, jid: seesJid ? user : undefined, state };
      });
    return pageXml(members, query, limits.page);
  };
  turn.effects.push({
    t: 'read',
    to: send.sender,
    answer: (log) => {
      const record = log.read(seq, seq, 1)[0]?.record;
      const iq = { from: send.to, to: send.from, id: send.id ?? '' };
      const xml =
        record === undefined
          ? stanza('iq', { ...iq, type: 'error' }, errorInner('item-not-found'))
          : stanza('iq', { ...iq, type: 'result' }, answerXml(bareOf(record.from)));
      const said: GroupAnswer = { xml: [xml] };
      return { ...answerTo(send, { ok: true }), group: said };
    },
  });
  answerFailure(send, turn);
}

function pageXml(members: MemberReceipt[], { seq, rsm }: ReceiptsQuery, { pageDefault, pageMax }: PageLimits): string {
  members.sort((a, b) => (a.occupantId < b.occupantId ? -1 : 1));
  const { page, rsm: set } = pageById(members, ({ occupantId: id }) => id, rsm, { usual: pageDefault, most: pageMax });
  return renderReceipts(seq, countsOf(members.map(({ state }) => state)), page, set);
}
