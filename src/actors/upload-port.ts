import type { SlotOutcome, SlotUrls, UploadFile, UploadPort } from '../xmpp/xep0363-http-upload.ts';
import type { SessionState } from './session-state.ts';

/** Where slots come from: the HTTP side (src/http/uploads.ts). */
export interface SlotSource {
  readonly maxBytes: number;
  readonly quota: UploadPort['quota'];
  refusal(bytes: number): 'full' | 'unavailable' | undefined;
  /** @param owner bare JID. @throws when the store cannot make one now */
  slot(file: UploadFile, owner: string): Promise<SlotUrls>;
  count(outcome: SlotOutcome): void;
}

/** Slots for sessions: made after the turn that charges the quota is committed, answered in a later turn. */
export function createUploadPort(source: SlotSource, onFault: (error: unknown) => void): UploadPort {
  return {
    maxBytes: source.maxBytes,
    quota: source.quota,
    refusal: (bytes) => source.refusal(bytes),
    count: (outcome) => source.count(outcome),
    slot(session, file, done) {
      const work = async (): Promise<() => void> => {
        try {
          const urls = await source.slot(file, session.user);
          return () => done(urls);
        } catch (error) {
          onFault(error);
          return () => done(undefined);
        }
      };
      (session as SessionState).turn.effects.push({ t: 'outside', work });
    },
  };
}
