import { type Affiliation, isMember } from '../xmpp/muc-words.ts';
import { ALL_DELIVERY_RULES } from './delivery-rules.ts';
import { postPointer } from './group-fan-out.ts';
import { affiliationOf, type GroupStep, membersOf, putAffiliate } from './group-state.ts';

/** Changes of membership: ops of the group's own log, so ordered with its messages. */

/** What is said with `resource-constraint` when they do not fit. */
export const FULL = 'the group has as many members, or bans, as it may';

/**
 * The group has room for these affiliations: for `membersMax` members, and as many bans. What makes neither more always
 * fits.
 */
export function fits({ group, limits }: GroupStep, given: ReadonlyMap<string, Affiliation>): boolean {
  let members = membersOf(group);
  let banned = 0;
  for (const { affiliation } of group.affiliates.values()) if (affiliation === 'outcast') banned += 1;
  const [membersBefore, bannedBefore] = [members, banned];
  for (const [user, affiliation] of given) {
    const was = affiliationOf(group, user);
    members += Number(isMember(affiliation)) - Number(isMember(was));
    banned += Number(affiliation === 'outcast') - Number(was === 'outcast');
  }
  const max = limits.membersMax;
  return (members <= max || members <= membersBefore) && (banned <= max || banned <= bannedBefore);
}

/**
 * Sets an affiliation that fits. Who becomes a member gets every message from the next one on; who ceases to be one none
 * any more. What is known of former members goes first when there are more rows than members and bans may have.
 */
export function setAffiliation(step: GroupStep, user: string, affiliation: Affiliation, reason?: string): void {
  const { group, limits } = step;
  const known = group.affiliates.get(user);
  const was = known !== undefined && isMember(known.affiliation);
  const is = isMember(affiliation);
  const before = was ? Math.max(group.lastSeq > known.since ? group.lastSeq : 0, known.before) : (known?.before ?? 0);
  const ends = was && !is && before > 0;
  // What was said before that is the member's still.
  const { rules = ALL_DELIVERY_RULES } = limits;
  if (was && !is && group.posted < group.lastSeq && rules.leaversPointed) postPointer(step, user);
  const since = was && is ? known.since : group.lastSeq;
  const keep = affiliation !== 'none' || before > 0;
  const nick = is ? known?.nick : undefined;
  putAffiliate(
    step,
    user,
    keep
      ? {
          v: 1,
          affiliation,
          since,
          before: was && is ? known.before : before,
          beforeMs: ends ? group.lastTs : (known?.beforeMs ?? 0),
          ...(nick !== undefined && { nick }),
          ...(is && known?.registered && { registered: true as const }),
          ...(reason !== undefined && { reason }),
        }
      : undefined,
  );
  if (is || group.affiliates.size - membersOf(group) <= limits.membersMax) return;
  for (const [former, one] of group.affiliates) {
    if (one.affiliation !== 'none') continue;
    putAffiliate(step, former, undefined);
    return;
  }
}
