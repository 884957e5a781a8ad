/**
 * Heartbeats between nodes, pure. Each node tells all others when it sent this heartbeat (by its own clock) and, of every
 * node it hears, when the last one heard was sent (by that one's clock). So a node learns two things of a peer, and
 * never compares clocks: it lives, and *it had heard me as I was at such a time of mine*. The second is what a lease may
 * stand on: what the peer had promised then it has not taken back before.
 *
 * The clock is monotonic and starts with the process, and a data folder keeps its incarnation through kill -9: an echo of
 * the process before would be a time of another clock. Hence `run`, drawn anew by every process; an echo counts for
 * the run it names.
 */
export interface HeartbeatSelf {
  readonly node: string;
  readonly inc: string;
  /** random, one a process */
  readonly run: string;
}

export interface Heartbeat extends HeartbeatSelf {
  /** from 1, of this run */
  readonly seq: number;
  /** the sender's monotonic clock, milliseconds */
  readonly sentAt: number;
  /** of each node heard lately: who, which run, and `sentAt` of the last heartbeat heard of it */
  readonly echo: readonly (readonly [node: string, run: string, sentAt: number])[];
}

export interface HeartbeatOptions {
  /** nodes remembered at most; those heard longest ago go first */
  readonly peersMax: number;
  /** a node not heard for this long is not echoed, and forgotten; milliseconds */
  readonly forgetMs: number;
}

interface Peer {
  readonly run: string;
  seq: number;
  sentAt: number;
  heardAt: number;
}

export interface HeartbeatState {
  readonly self: HeartbeatSelf;
  readonly options: HeartbeatOptions;
  seq: number;
  /** by node id, the one heard longest ago first */
  readonly peers: Map<string, Peer>;
}

export type Heard =
  /** `ofHeartbeatSentAt`: our clock when we sent the newest heartbeat that the peer had heard; undefined if it had none */
  | {
      readonly t: 'heard';
      readonly from: string;
      readonly inc: string;
      readonly ofHeartbeatSentAt: number | undefined;
    }
  | { readonly t: 'ignored'; readonly why: 'own' | 'late' }
  /** another process has our node id */
  | { readonly t: 'impostor'; readonly inc: string };

export function openHeartbeats(self: HeartbeatSelf, options: HeartbeatOptions): HeartbeatState {
  return { self, options, seq: 0, peers: new Map() };
}

/** The next heartbeat to send. @param now monotonic, milliseconds */
export function nextHeartbeat(state: HeartbeatState, now: number): Heartbeat {
  state.seq++;
  const echo: [string, string, number][] = [];
  for (const [node, { run, sentAt, heardAt }] of state.peers) {
    if (now - heardAt >= state.options.forgetMs) state.peers.delete(node);
    else echo.push([node, run, sentAt]);
  }
  return { ...state.self, seq: state.seq, sentAt: now, echo };
}

/** Takes a heartbeat that came. @param now monotonic, milliseconds */
export function hearHeartbeat(state: HeartbeatState, now: number, heartbeat: Heartbeat): Heard {
  const { node, inc, run, seq, sentAt } = heartbeat;
  const { self, peers } = state;
  if (node === self.node) return run === self.run ? { t: 'ignored', why: 'own' } : { t: 'impostor', inc };
  const before = peers.get(node);
  // Ways through NATS change; an old heartbeat that comes late says nothing new.
  if (before !== undefined && before.run === run && seq <= before.seq) return { t: 'ignored', why: 'late' };
  peers.delete(node);
  peers.set(node, { run, seq, sentAt, heardAt: now });
  if (peers.size > state.options.peersMax) peers.delete(peers.keys().next().value as string);
  return { t: 'heard', from: node, inc, ofHeartbeatSentAt: echoOf(self, now, heartbeat) };
}

/** A time that has not been yet is none of ours. */
function echoOf(self: HeartbeatSelf, now: number, { echo }: Heartbeat): number | undefined {
  const ours = echo.find(([node, run]) => node === self.node && run === self.run);
  return ours !== undefined && ours[2] <= now ? ours[2] : undefined;
}
