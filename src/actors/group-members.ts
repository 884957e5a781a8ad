import { type Affiliation, isMember } from '../xmpp/muc-words.ts';
import { type GroupStep, membersOf, putAffiliate } from './group-state.ts';

/** Changes of membership: ops of the group's own log, so ordered with its messages. */

/**
 * Sets an affiliation. Who becomes a member gets every message from the next one on; who ceases to be one none any more.
 * @returns 'full' when the group has as many members as it may, and nothing has changed
 */
export function setAffiliation(
  step: GroupStep,
  user: string,
  affiliation: Affiliation,
  reason?: string,
): 'changed' | 'full' {
  const { group, limits } = step;
  const known = group.affiliates.get(user);
  const was = known !== undefined && isMember(known.affiliation);
  const is = isMember(affiliation);
  if (is && !was && membersOf(group) >= limits.membersMax) return 'full';
  // As many rows for others as for members: bans count.
  if (!is && known === undefined && group.affiliates.size - membersOf(group) >= limits.membersMax) {
    const former = [...group.affiliates].find(([, one]) => one.affiliation === 'none');
    if (former === undefined) return 'full';
    putAffiliate(step, former[0], undefined);
  }
  const before = was ? Math.max(group.lastSeq > known.since ? group.lastSeq : 0, known.before) : (known?.before ?? 0);
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
          ...(nick !== undefined && { nick }),
          ...(reason !== undefined && { reason }),
        }
      : undefined,
  );
  return 'changed';
}
