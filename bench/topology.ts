/** Who talks with whom: what a load sends, who is to get it, and which delivery lets a sender go on. */
export interface Topology {
  /** users that send, in the order in which an open loop uses them */
  readonly senders: readonly number[];
  /** sender of each flow (a flow is one sender as one receiver sees it) */
  readonly flows: readonly number[];
  /** copies that are to arrive of each message */
  readonly copies: number;
  /** index of the flow from `sender` to `receiver`, -1 when there is none */
  flow(receiver: number, sender: number): number;
  /** true when this delivery ends the message's turn in a closed loop */
  closes(receiver: number, sender: number): boolean;
  /** opening tag of a message of `sender`, up to the value of its id */
  head(sender: number): string;
}

/** 2n users in pairs: i talks with i ^ 1, both ways. `to(i)` is the address of user i. */
export function pairTopology(users: number, to: (user: number) => string): Topology {
  const all = Array.from({ length: users }, (_, i) => i);
  return {
    senders: all,
    flows: all,
    copies: 1,
    flow: (receiver, sender) => (sender === (receiver ^ 1) ? sender : -1),
    closes: () => true,
    head: (sender) => `<message xmlns='jabber:client' to='${to(sender ^ 1)}' type='chat' id='`,
  };
}

/**
 * Groups of `members`: user i is member i % members of group floor(i / members). The first `speaking` members of each
 * group send; everyone gets everything, a sender its own reflection, which lets it go on.
 */
export function groupTopology(
  groups: number,
  members: number,
  speaking: number,
  room: (group: number) => string,
): Topology {
  const senders: number[] = [];
  for (let m = 0; m < speaking; m++) for (let g = 0; g < groups; g++) senders.push(g * members + m);
  const flows: number[] = [];
  for (let receiver = 0; receiver < groups * members; receiver++) {
    const first = receiver - (receiver % members);
    for (let m = 0; m < speaking; m++) flows.push(first + m);
  }
  return {
    senders,
    flows,
    copies: members,
    flow(receiver, sender) {
      const m = sender % members;
      const same = Math.floor(receiver / members) === Math.floor(sender / members);
      return same && m < speaking ? receiver * speaking + m : -1;
    },
    closes: (receiver, sender) => receiver === sender,
    head: (sender) => `<message xmlns='jabber:client' to='${room(Math.floor(sender / members))}' type='groupchat' id='`,
  };
}
