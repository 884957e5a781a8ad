/** One conversation of a user's inbox (XEP-0430). */
export interface Conversation {
  readonly chat: string;
  /** a group, whose archive is its own */
  readonly room: boolean;
  /** with an occupant of a room (XEP-0045 7.5): its last message tells under which nick */
  readonly occupant?: boolean;
  /** bare JID of the other party, or of the room */
  readonly jid: string;
  readonly unread: number;
  /** inboxSeq of its last message with something to read: its place in the inbox, unlike any other's */
  readonly last: number;
  /** seq of its last archived message in the chat's index stream */
  readonly n: number;
}

/** Conversations in order of their last message. A rank counts them from the longest silent one. */
export interface ConversationList {
  readonly size: number;
  /** how many have their last message at or before this inboxSeq */
  rankOf(seq: number): number;
  /** those with ranks from < rank ≤ to, the longest silent first */
  slice(from: number, to: number): Conversation[];
}

export interface InboxView {
  readonly all: ConversationList;
  /** those with something unread */
  readonly unread: ConversationList;
  /** unread messages of all conversations */
  readonly unreadMessages: number;
  /** last inboxSeq given out: nothing can have been named after it */
  readonly lastSeq: number;
}
