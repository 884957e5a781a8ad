import type { ListedRoom, RoomsPort } from '../xmpp/xep0045-muc.ts';
import type { SessionState } from './session-state.ts';

/**
 * The service's list of rooms, asked of all nodes and kept for a moment, since clients ask often and a list costs a look
 * at every shard.
 */
export function createRoomsPort(
  listRooms: () => Promise<readonly ListedRoom[]>,
  options: { readonly keepMs: number; now(): number; onFault(error: unknown): void },
): RoomsPort {
  let kept: { readonly at: number; readonly rooms: Promise<readonly ListedRoom[]> } | undefined;
  return {
    list(session, done) {
      const now = options.now();
      if (kept === undefined || now - kept.at >= options.keepMs) kept = { at: now, rooms: listRooms() };
      const { rooms } = kept;
      const work = async (): Promise<() => void> => {
        try {
          const found = await rooms;
          return () => done(found);
        } catch (error) {
          kept = undefined;
          options.onFault(error);
          return () => done(undefined);
        }
      };
      (session as SessionState).turn.effects.push({ t: 'outside', work });
    },
  };
}
