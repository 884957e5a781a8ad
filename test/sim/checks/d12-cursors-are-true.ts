import type { Check } from '../cluster-world.ts';

/**
 * D12: how far a room counts a member never falls while it is one, and is never ahead of what its devices have had; what
 * is read was had.
 */
export const cursorsAreTrue: Check = {
  name: 'cursors-are-true',
  reads: ['got', 'affiliated', 'cursored'],
  begin(world) {
    // Of one without stream management all that is known is that it was sent to it (RFC 6120 knows no more).
    const isManaged = (user: string): boolean =>
      world.whole?.clients.every((client) => client.user !== user || client.managed) === true;
    /** by room and user: chatSeqs that some device of the user has had */
    const got = new Map<string, Set<number>>();
    const sinces = new Map<string, number>();
    const cursors = new Map<string, { readonly had: number; readonly read: number }>();
    return {
      onFact(fact) {
        if (fact.t === 'got') {
          const at = `${fact.room} ${fact.user}`;
          const known = got.get(at);
          if (known === undefined) got.set(at, new Set([fact.seq]));
          else known.add(fact.seq);
        } else if (fact.t === 'affiliated') {
          const at = `${fact.chat} ${fact.user}`;
          if (fact.member) sinces.set(at, fact.since);
        } else if (fact.t === 'cursored') {
          const { chat, user, had, read } = fact;
          const at = `${chat} ${user}`;
          if (had === 0) {
            cursors.delete(at);
            return undefined;
          }
          const since = sinces.get(at) ?? 0;
          const before = cursors.get(at) ?? { had: since, read: since };
          cursors.set(at, { had, read });
          if (had < before.had || read < before.read || read > had)
            return `${user} in ${chat} had ${before.had} and read ${before.read}, then ${had} and ${read}`;
          for (let seq = before.had + 1; seq <= had && isManaged(user); seq++)
            if (got.get(at)?.has(seq) !== true) return `${user} counts as having had ${seq} of ${chat}`;
        }
        return undefined;
      },
    };
  },
};
