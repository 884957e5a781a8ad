import { element } from '../xmpp/stanza.ts';
import { type LinkOptions, LinkState } from './link-state.ts';
import type { ConnPort, Frame } from './messages.ts';
import type { Outgoing } from './outgoing.ts';
import { NO_LINK } from './session-links.ts';
import type { Down, LinkReport } from './wire.ts';

/**
 * The gateway's end of links: client sockets of this node whose sessions live on another. It parses nothing again and
 * decides nothing: frames go there as text, what comes back is written. When a link breaks its socket just goes, which
 * every client takes for a network failure: it connects again and resumes, or binds anew if the session was lost.
 *
 * Bound: one a socket. What waits in a socket is the session's to bound: it hears what the kernel took every
 * `tookUnits`, at the latest with the next report.
 */
export interface GatewayLinksParts {
  readonly outgoing: Outgoing;
  readonly link: LinkOptions;
  /** UTF-16 units that a socket took since the last report, from which on the session is told at once */
  readonly tookUnits: number;
  /** how long to wait before looking what a socket took, ms */
  readonly tookMs: number;
  /** sockets of a node that is gone end within this time, so that their clients do not all come back together, ms */
  readonly spreadMs: number;
  now(): number;
  later(delayMs: number, run: () => void): void;
  /** in [0, 1) */
  random(): number;
}

interface Link {
  readonly cid: number;
  readonly conn: ConnPort;
  /** node of the session, as far as is known */
  node: string;
  readonly state: LinkState;
  frames: string[];
  /** UTF-16 units got for the client, and those that the session knows the socket took */
  units: number;
  told: number;
  /** it is over: nothing goes either way, the socket ends soon */
  over: boolean;
}

export class GatewayLinks {
  readonly #parts: GatewayLinksParts;
  readonly #byConn = new Map<ConnPort, Link>();
  readonly #byCid = new Map<number, Link>();
  /** links whose sockets got more than the session was told of */
  readonly #thirsty = new Set<Link>();
  #looking = false;
  #next: number;

  /** @param first number of the first link; no earlier life of this node may have used it or any above */
  constructor(parts: GatewayLinksParts, first: number) {
    this.#parts = parts;
    this.#next = first;
  }

  get size(): number {
    return this.#byCid.size;
  }

  /** A socket turns to a session elsewhere. An earlier attempt of the same socket is given up. @returns its number */
  open(conn: ConnPort, node: string, counts?: { readonly sent: number; readonly got: number }): number {
    const before = this.#byConn.get(conn);
    if (before !== undefined) this.#forget(before);
    const { link, now } = this.#parts;
    const cid = this.#next++;
    const state = new LinkState(link, now(), counts);
    const made: Link = { cid, conn, node, state, frames: [], units: 0, told: 0, over: false };
    this.#byConn.set(conn, made);
    this.#byCid.set(cid, made);
    return cid;
  }

  /** The other end is at this node now. Until that is known frames wait. */
  redirect(cid: number, node: string): void {
    const link = this.#byCid.get(cid);
    if (link === undefined) return;
    link.node = node;
    if (link.frames.length > 0) this.#parts.outgoing.beforeFlush(() => this.#flush(link));
  }

  /** The session found no other node: the socket ends. */
  abandon(cid: number): void {
    const link = this.#byCid.get(cid);
    if (link !== undefined) this.#end(link, 'its session found no other node');
  }

  /** The session did not take the socket; what it may have bound late is let go of. */
  refused(cid: number, told: boolean): void {
    const link = this.#byCid.get(cid);
    if (link === undefined) return;
    if (!told) this.#sendUp(link, 'lost');
    this.#forget(link);
  }

  has(conn: ConnPort): boolean {
    return this.#byConn.has(conn);
  }

  frame(conn: ConnPort, frame: Frame): void {
    const link = this.#byConn.get(conn);
    if (link === undefined) return conn.close({ t: 'detached', why: 'its session is elsewhere' });
    if (link.over) return;
    link.frames.push(element(frame.el.name, frame.el.attrs, frame.inner));
    if (link.frames.length === 1) this.#parts.outgoing.beforeFlush(() => this.#flush(link));
  }

  gone(conn: ConnPort, clean: boolean): void {
    const link = this.#byConn.get(conn);
    if (link === undefined) return;
    if (!link.over) this.#sendUp(link, clean ? 'clean' : 'lost');
    this.#forget(link);
  }

  onDown(node: string, down: Down): void {
    const link = this.#byCid.get(down.cid);
    if (link === undefined) {
      const gone: LinkReport = [down.cid, NO_LINK, 0, 0];
      if (down.close === undefined) this.#report(node, false, [gone]);
      return;
    }
    if (link.over) return;
    const { state, conn } = link;
    const now = this.#parts.now();
    state.confirm(down.got, now);
    const received = state.receive(down.n, down.frames, now);
    if (received.t === 'gap') return this.#end(link, 'frames were lost on the way from the session');
    for (const xml of received.frames) {
      link.units += xml.length;
      conn.send(xml);
    }
    if (down.close !== undefined) {
      this.#forget(link);
      return conn.close(down.close);
    }
    if (link.units - link.told < this.#parts.tookUnits) return;
    this.#thirsty.add(link);
    this.#look();
  }

  onReports(node: string, ask: boolean, states: readonly LinkReport[]): void {
    const answers: LinkReport[] = [];
    for (const report of states) {
      const [cid, sent] = report;
      const link = this.#byCid.get(cid);
      if (link === undefined) {
        answers.push([cid, NO_LINK, 0, 0]);
        continue;
      }
      // Of the place that the session has left.
      if (link.over || (link.node !== node && sent === NO_LINK)) continue;
      if (sent === NO_LINK) this.#end(link, 'its session was lost');
      else if (!link.state.compare(report, this.#parts.now())) this.#end(link, 'frames to the client were lost');
      else answers.push(this.#stateOf(link));
    }
    if (ask && answers.length > 0) this.#report(node, false, answers);
  }

  /** The sessions of these sockets go on at this node. */
  onMoved(node: string, cids: readonly number[]): void {
    for (const cid of cids) {
      const link = this.#byCid.get(cid);
      if (link === undefined) continue;
      link.node = node;
      link.state.moved(this.#parts.now());
    }
  }

  nodeGone(node: string): void {
    for (const link of this.#byCid.values()) {
      if (link.node !== node || link.over) continue;
      link.over = true;
      const why = 'the node of its session is gone';
      this.#parts.later(Math.floor(this.#parts.random() * this.#parts.spreadMs), () => this.#end(link, why));
    }
  }

  sweep(): void {
    const due = new Map<string, LinkReport[]>();
    for (const link of [...this.#byCid.values()]) {
      if (link.over || link.node === '') continue;
      const verdict = link.state.sweep(this.#parts.now());
      if (verdict === 'dead') this.#end(link, 'the node of its session does not answer');
      if (verdict !== 'report') continue;
      const states = due.get(link.node);
      if (states === undefined) due.set(link.node, [this.#stateOf(link)]);
      else states.push(this.#stateOf(link));
    }
    for (const [node, states] of due) this.#report(node, true, states);
  }

  #stateOf(link: Link): LinkReport {
    link.state.reported();
    link.told = took(link);
    return [link.cid, link.state.sent, link.state.got, link.told];
  }

  #report(node: string, ask: boolean, states: readonly LinkReport[]): void {
    this.#parts.outgoing.send(node, { t: 'links', side: 'up', ask, states });
  }

  /** After the flusher has written: what did the sockets take? One that takes nothing is looked at again later. */
  #look(): void {
    if (this.#looking || this.#thirsty.size === 0) return;
    this.#looking = true;
    this.#parts.later(this.#parts.tookMs, () => {
      this.#looking = false;
      const due = new Map<string, LinkReport[]>();
      for (const link of this.#thirsty) {
        if (took(link) > link.told) {
          const states = due.get(link.node);
          if (states === undefined) due.set(link.node, [this.#stateOf(link)]);
          else states.push(this.#stateOf(link));
        }
        if (link.units - link.told < this.#parts.tookUnits) this.#thirsty.delete(link);
      }
      for (const [node, states] of due) this.#report(node, false, states);
      this.#look();
    });
  }

  #flush(link: Link): void {
    if (link.node !== '' && link.frames.length > 0 && this.#byCid.get(link.cid) === link && !link.over)
      this.#sendUp(link, undefined);
  }

  #sendUp(link: Link, end: 'clean' | 'lost' | undefined): void {
    const { cid, state, node } = link;
    const frames = link.frames;
    link.frames = [];
    const n = state.send(frames.length, this.#parts.now());
    state.reported();
    link.told = took(link);
    const up = { t: 'up', cid, n, frames, got: state.got, took: link.told } as const;
    this.#parts.outgoing.send(node, end === undefined ? up : { ...up, end });
  }

  #end(link: Link, why: string): void {
    if (this.#byCid.get(link.cid) !== link) return;
    if (!link.over) this.#sendUp(link, 'lost');
    this.#forget(link);
    link.conn.close({ t: 'detached', why });
  }

  #forget(link: Link): void {
    if (this.#byConn.get(link.conn) === link) this.#byConn.delete(link.conn);
    this.#byCid.delete(link.cid);
    this.#thirsty.delete(link);
  }
}

/** Units of the client's frames that its socket has taken; what it counts as queued may be a little more. */
function took({ units, conn }: Link): number {
  return Math.max(0, units - conn.queuedBytes);
}
