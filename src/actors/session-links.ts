import { ENDINGS, type Ending, endingFor } from '../xmpp/close-codes.ts';
import type { StreamCondition } from '../xmpp/rfc7395-framing.ts';
import { parseChecked } from '../xmpp/xml.ts';
import { type LinkOptions, LinkState } from './link-state.ts';
import type { CloseReason, ConnPort, SessionMessage } from './messages.ts';
import type { Outgoing } from './outgoing.ts';
import type { LinkReport, Up } from './wire.ts';

/**
 * The session's end of links: client sockets at gateways of other nodes, whose sessions live here. A link is a ConnPort
 * like any local socket. When it breaks (a gap, a dead gateway) the session hears `gone` and detaches the stream.
 *
 * Bound: one a remote stream, so `resourcesMax` a session; frames on their way to a client count as `queuedBytes`
 * until its socket took them, and the session's `outQueueBytesMax` bounds them.
 */
export interface SessionLinksParts {
  readonly outgoing: Outgoing;
  readonly link: LinkOptions;
  /** frames younger than this do not count as queued: the gateway cannot have reported them yet, ms */
  readonly queuedAfterMs: number;
  /** how long what comes for a session that has left is sent on, ms */
  readonly movedMs: number;
  /** true while the user's session is about to move: frames wait, to go where it goes */
  isPaused(user: string): boolean;
  now(): number;
  tell(user: string, message: SessionMessage): boolean;
  onFault(error: unknown): void;
}

export class SessionLinks {
  readonly #parts: SessionLinksParts;
  readonly #links = new Map<string, SessionLink>();
  /** links that have left lately: what still comes for them is sent on; entries last `movedMs` */
  readonly #moved = new Map<string, Departed>();

  constructor(parts: SessionLinksParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#links.size;
  }

  /** A socket of another node asks for a stream of this user. */
  open(node: string, cid: number, user: string, counts?: LinkCounts): SessionLink {
    this.get(node, cid)?.lost('the gateway uses its number again');
    const link = new SessionLink(this, this.#parts, node, cid, user, counts);
    this.#links.set(keyOf(node, cid), link);
    return link;
  }

  get(node: string, cid: number): SessionLink | undefined {
    return this.#links.get(keyOf(node, cid));
  }

  forget(link: SessionLink): void {
    const key = keyOf(link.node, link.cid);
    if (this.#links.get(key) === link) this.#links.delete(key);
  }

  onUp(node: string, up: Up): void {
    const link = this.get(node, up.cid);
    if (link !== undefined) return link.receive(up);
    const departed = this.#moved.get(keyOf(node, up.cid));
    if (departed !== undefined) this.#sendOn(departed, node, up);
    else if (up.end === undefined) this.#report(node, false, [[up.cid, NO_LINK, 0, 0]]);
  }

  onReports(node: string, ask: boolean, states: readonly LinkReport[]): void {
    const answers: LinkReport[] = [];
    for (const state of states) {
      const [cid, sent] = state;
      const link = this.get(node, cid);
      if (this.#moved.has(keyOf(node, cid))) continue;
      if (link === undefined) answers.push([cid, NO_LINK, 0, 0]);
      else if (sent === NO_LINK) link.lost('the gateway does not know it');
      // What waits has not been counted yet.
      else if (this.#parts.isPaused(link.user)) answers.push(link.report());
      else if (link.compare(state)) answers.push(link.report());
    }
    if (ask && answers.length > 0) this.#report(node, false, answers);
  }

  nodeGone(node: string): void {
    for (const link of [...this.#links.values()]) if (link.node === node) link.lost('its gateway is gone');
  }

  /** The link's session has left; what comes for it waits until its new place is known. */
  departed(link: SessionLink, waiting: readonly Up[]): void {
    const { node, cid } = link;
    const until = this.#parts.now() + this.#parts.movedMs;
    this.#moved.set(keyOf(node, cid), { to: undefined, waiting: [...waiting], until });
  }

  /** … which is this one. */
  arrived(node: string, cid: number, to: string): void {
    const departed = this.#moved.get(keyOf(node, cid));
    if (departed === undefined) return;
    departed.to = to;
    for (const up of departed.waiting.splice(0)) this.#sendOn(departed, node, up);
  }

  #sendOn({ to, waiting }: Departed, node: string, up: Up): void {
    if (to !== undefined) this.#parts.outgoing.send(to, { t: 'relay', node, up });
    else if (waiting.length < WAITING_MAX) waiting.push(up);
  }

  /** The user's session stays: frames that waited go on. */
  resume(users: ReadonlySet<string>): void {
    for (const link of [...this.#links.values()]) if (users.has(link.user)) link.resume();
  }

  sweep(): void {
    const now = this.#parts.now();
    for (const [key, { until }] of this.#moved) if (until <= now) this.#moved.delete(key);
    const due = new Map<string, LinkReport[]>();
    for (const link of [...this.#links.values()]) {
      const verdict = link.sweep();
      if (verdict === 'dead') link.lost('its gateway does not answer');
      if (verdict !== 'report') continue;
      const states = due.get(link.node);
      if (states === undefined) due.set(link.node, [link.report()]);
      else states.push(link.report());
    }
    for (const [node, states] of due) this.#report(node, true, states);
  }

  #report(node: string, ask: boolean, states: readonly LinkReport[]): void {
    this.#parts.outgoing.send(node, { t: 'links', side: 'down', ask, states });
  }
}

interface Departed {
  to: string | undefined;
  /** came before the new place was known; what does not fit is lost, which ends the socket there */
  readonly waiting: Up[];
  readonly until: number;
}

export const NO_LINK = -1;

/** Where the numbers of a link go on after its session moved. */
export interface LinkCounts {
  readonly sent: number;
  readonly got: number;
  readonly units: number;
  readonly took: number;
}

export class SessionLink implements ConnPort {
  readonly node: string;
  readonly cid: number;
  readonly user: string;
  /** of the stream that it carries; 0 until it is bound */
  sid = 0;
  closing = false;
  readonly #home: SessionLinks;
  readonly #parts: SessionLinksParts;
  readonly #state: LinkState;
  #frames: string[] = [];
  /** came while the session was about to move */
  #waiting: Up[] = [];
  /** UTF-16 units sent, and taken by the client's socket as far as is known */
  #units: number;
  #took: number;
  /** `#units` as of at least `queuedAfterMs` ago, and the later value that becomes it */
  #agedUnits: number;
  #nextAged: { readonly units: number; readonly at: number };

  constructor(
    home: SessionLinks,
    parts: SessionLinksParts,
    node: string,
    cid: number,
    user: string,
    counts: LinkCounts | undefined,
  ) {
    this.#home = home;
    this.#parts = parts;
    this.node = node;
    this.cid = cid;
    this.user = user;
    this.#state = new LinkState(parts.link, parts.now(), counts);
    this.#units = counts?.units ?? 0;
    this.#took = counts?.took ?? 0;
    this.#agedUnits = this.#units;
    this.#nextAged = { units: this.#units, at: parts.now() };
  }

  get queuedBytes(): number {
    const now = this.#parts.now();
    if (now - this.#nextAged.at >= this.#parts.queuedAfterMs) {
      this.#agedUnits = this.#nextAged.units;
      this.#nextAged = { units: this.#units, at: now };
    }
    return Math.max(0, this.#agedUnits - this.#took);
  }

  send(xml: string): void {
    if (this.closing) return;
    this.#frames.push(xml);
    this.#units += xml.length;
    if (this.#frames.length === 1) this.#parts.outgoing.beforeFlush(() => this.#flush(undefined));
  }

  close(reason: CloseReason): void {
    if (this.closing) return;
    this.#flush(reason);
    this.#leave(!isResumable(reason));
  }

  /** The session took the socket for this stream. */
  bound(sid: number): void {
    this.sid = sid;
    // It broke while the session decided.
    if (this.closing) this.#parts.tell(this.user, { t: 'gone', sid, conn: this, clean: false });
  }

  /** The session did not: the gateway hears it as the answer. */
  refused(): void {
    this.closing = true;
    this.#home.forget(this);
  }

  /** Lets go without a word to the gateway, which has another place to turn to. @returns where its numbers stand */
  handOver(): { readonly counts: LinkCounts; readonly waiting: readonly Up[] } {
    this.#flush(undefined);
    const { sent, got } = this.#state;
    this.closing = true;
    this.#home.forget(this);
    return { counts: { sent, got, units: this.#units, took: this.#took }, waiting: this.#waiting.splice(0) };
  }

  resume(): void {
    for (const up of this.#waiting.splice(0)) this.receive(up);
  }

  /** It has just come from another node: for a while its frames come by two ways. */
  arrived(): void {
    this.#state.moved(this.#parts.now());
  }

  /** The link is broken: the socket is ended where it still is, and the stream waits for a resumption. */
  lost(why: string): void {
    if (this.closing) return;
    this.close({ t: 'detached', why });
  }

  receive(up: Up): void {
    if (this.#parts.isPaused(this.user)) {
      if (this.#waiting.length >= WAITING_MAX) return this.lost('too many frames wait for the session to move');
      this.#waiting.push(up);
      return;
    }
    this.#noteTook(up.took);
    this.#state.confirm(up.got, this.#parts.now());
    const received = this.#state.receive(up.n, up.frames, this.#parts.now());
    if (received.t === 'gap') return this.lost('frames were lost on the way from the gateway');
    for (const text of received.frames) {
      if (this.closing) return;
      this.take(text);
    }
    if (up.end === undefined || this.closing) return;
    this.#frames = [];
    this.#leave(up.end === 'clean');
  }

  compare(state: LinkReport): boolean {
    this.#noteTook(state[3]);
    if (this.#state.compare(state, this.#parts.now())) return true;
    this.lost('frames were lost on the way from the gateway');
    return false;
  }

  report(): LinkReport {
    this.#state.reported();
    return [this.cid, this.#state.sent, this.#state.got, 0];
  }

  sweep(): ReturnType<LinkState['sweep']> {
    return this.#state.sweep(this.#parts.now());
  }

  /** A frame of the client, in its turn. */
  take(text: string): void {
    const { user, sid } = this;
    let frame: ReturnType<typeof parseChecked>;
    try {
      frame = parseChecked(text);
    } catch (error) {
      this.#parts.onFault(error);
      return this.lost('a frame came broken');
    }
    if (!this.#parts.tell(user, { t: 'frame', sid, frame })) this.lost('the mailbox of the session is full');
  }

  #noteTook(took: number): void {
    if (took > this.#took) this.#took = took;
  }

  #flush(close: CloseReason | undefined): void {
    const frames = this.#frames;
    if (this.closing || (frames.length === 0 && close === undefined)) return;
    this.#frames = [];
    const n = this.#state.send(frames.length, this.#parts.now());
    this.#state.reported();
    const { cid, node } = this;
    const down = { t: 'down', cid, n, frames, got: this.#state.got } as const;
    this.#parts.outgoing.send(node, close === undefined ? down : { ...down, close });
  }

  #leave(clean: boolean): void {
    this.closing = true;
    this.#home.forget(this);
    if (this.sid !== 0) this.#parts.tell(this.user, { t: 'gone', sid: this.sid, conn: this, clean });
  }
}

/** Messages of a gateway that wait for one link while its session is about to move. */
const WAITING_MAX = 64;

/** Is the stream kept, as the gateway's own end of the socket would say (close-codes.ts)? */
function isResumable(reason: CloseReason): boolean {
  if (reason.t === 'detached') return true;
  const ending: Ending = reason.t === 'end' ? ENDINGS.closed : endingFor(reason.condition as StreamCondition);
  return ending.resumable;
}

function keyOf(node: string, cid: number): string {
  return `${node} ${cid}`;
}
