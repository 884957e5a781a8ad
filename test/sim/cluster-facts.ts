import type { ConfigAt, Member } from '../../src/cluster/shard-config.ts';

/** One entry as the simulation sees it: `op` is the number of the client's write, 0 for a no-op. */
export interface Cell {
  readonly epoch: number;
  readonly op: number;
  /** checksum of the state with everything up to this entry applied */
  readonly sum: number;
}

interface At {
  readonly node: number;
  readonly shard: number;
}

/** What happened, as the checkers read it. Nodes and shards by number. */
export type Fact =
  /** the store took a record; `current` was the revision before */
  | {
      readonly t: 'config';
      readonly shard: number;
      readonly expected: number;
      readonly before: ConfigAt | undefined;
      readonly at: ConfigAt;
    }
  /** a replica takes up a configuration */
  | (At & { readonly t: 'adopt'; readonly life: number; readonly revision: number; readonly epoch: number })
  /** an acknowledgement leaves a follower */
  | (At & { readonly t: 'answer'; readonly epoch: number; readonly session: number; readonly leader: Member })
  /** an entry is given to the journal */
  | (At & {
      readonly t: 'logged';
      readonly idx: number;
      readonly epoch: number;
      readonly op: number;
      readonly prevEpoch: number;
    })
  /** entries behind `to` go from the journal */
  | (At & { readonly t: 'truncated'; readonly to: number; readonly gone: readonly Cell[] })
  /** a copy is made void */
  | (At & { readonly t: 'wiped' })
  | (At & { readonly t: 'applied'; readonly idx: number; readonly cell: Cell; readonly leads: number | undefined })
  /** a leader puts its first entry into its log */
  | (At & { readonly t: 'leads'; readonly epoch: number })
  /** a client hears that its write is safe */
  | (At & { readonly t: 'acked'; readonly idx: number; readonly epoch: number; readonly op: number })
  | (At & { readonly t: 'read'; readonly idx: number })
  /** a member sends a compare-and-set that makes it the leader in place of another one */
  | (At & { readonly t: 'deposes'; readonly expected: number })
  | (At & { readonly t: 'alarm'; readonly detail: string })
  /** a chat numbers a message: its op is committed */
  | {
      readonly t: 'numbered';
      readonly shard: number;
      readonly idx: number;
      readonly chat: string;
      readonly seq: number;
      readonly from: string;
      readonly oid: string;
      /** id of the message that it takes back */
      readonly takesBack?: string;
    }
  /** a message of a chat becomes another one: its op is committed */
  | {
      readonly t: 'replaced';
      readonly shard: number;
      readonly idx: number;
      readonly chat: string;
      readonly seq: number;
      readonly inner: string;
      /** chatSeq of the message before it in the op: it took that back */
      readonly by: number;
    }
  /** an inbox takes a message: its op is committed; `cursor` is what the op makes of the chat's cursor */
  | {
      readonly t: 'inboxed';
      readonly shard: number;
      readonly idx: number;
      readonly user: string;
      readonly inboxSeq: number;
      readonly chat: string;
      readonly chatSeq: number;
      readonly cursor: number | undefined;
    }
  /** an op with an outbox is committed */
  | {
      readonly t: 'posted';
      readonly shard: number;
      readonly idx: number;
      readonly items: readonly { readonly to: string; readonly body: unknown }[];
    }
  /** a node takes all outbox items of an op for acknowledged */
  | (At & { readonly t: 'released'; readonly idx: number })
  /** `h` tells a client that its message is safe */
  | { readonly t: 'told'; readonly user: string; readonly oid: string }
  /** a message of the archive reaches a client; `stream` is one stream over all its sockets */
  | {
      readonly t: 'shown';
      readonly user: string;
      readonly stream: string;
      readonly inboxSeq: number;
      readonly oid: string;
    }
  /** a room makes somebody a member, or one no more: its op is committed */
  | {
      readonly t: 'affiliated';
      readonly shard: number;
      readonly idx: number;
      readonly chat: string;
      readonly user: string;
      readonly member: boolean;
      /** chatSeq from behind which on it is so */
      readonly since: number;
    }
  /** a room writes how far a member is, or that it is none any more (both 0): its op is committed */
  | {
      readonly t: 'cursored';
      readonly shard: number;
      readonly idx: number;
      readonly chat: string;
      readonly user: string;
      readonly had: number;
      readonly read: number;
    }
  /** a message of a room's reaches a device in it; `stay` is from its entering on, `nth` counts in it from 0 */
  | {
      readonly t: 'heard';
      readonly user: string;
      readonly stay: string;
      readonly room: string;
      readonly nth: number;
      readonly seq: number;
      readonly oid: string;
    }
  /** … of whatever stay, or of none */
  | { readonly t: 'got'; readonly user: string; readonly room: string; readonly seq: number }
  /** a process starts on what its disk has */
  | { readonly t: 'boot'; readonly node: number };

/** Checksum of a state after one more entry. */
export function nextSum(sum: number, epoch: number, op: number): number {
  let mixed = Math.imul(sum ^ (op * 0x9e3779b1), 0x85ebca6b) ^ Math.imul(epoch + 1, 0xc2b2ae35);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x27d4eb2f);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}
