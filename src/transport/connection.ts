import { type RawData, WebSocket } from 'ws';
import type { CloseReason } from '../base/close-reason.ts';
import { ENDINGS, type Ending, endingFor } from '../xmpp/close-codes.ts';
import { closeXml, isClose, type StreamCondition, streamErrorXml } from '../xmpp/rfc7395-framing.ts';
import { FrameError, type FrameLimits, type ParsedFrame, parseFrame } from '../xmpp/xml.ts';
import type { Flusher } from './flusher.ts';

/** Who is at the other end of a socket, as far as the gateway knows. */
export interface Peer {
  /** address for limits and logs, proxies resolved */
  readonly address: string;
  /** TLS, or a trusted proxy says so */
  readonly secure: boolean;
  /** the peer is on this machine */
  readonly loopback: boolean;
}

/** What a connection does with frames changes from login to bound stream; each phase is one object. */
export interface Phase {
  frame(frame: ParsedFrame): void;
  /** the socket is gone, or going: `clean` when the client closed its stream */
  gone(clean: boolean): void;
}

export interface ConnectionCounts {
  readonly frames: { received: number; sent: number };
  readonly ended: Record<string, number>;
}

export interface ConnectionOptions {
  readonly stanzaBytesMax: number;
  /** bytes of a frame before login */
  readonly loginBytesMax: number;
  readonly frameLimits: FrameLimits;
  readonly flusher: Flusher;
  /** a fresh `<open/>` of this server, for a stream that ends before the client's has been answered (RFC 6120 4.9.1.2) */
  open(): string;
  /** something was thrown that nobody expected */
  onFault(error: unknown): void;
  /** shared by all connections of a listener */
  readonly counts: ConnectionCounts;
  now(): number;
}

/** A socket that knows its connection, so that all sockets share their listeners: closures took 0.4 KB each. */
export class ClientSocket extends WebSocket {
  connection: Connection | undefined = undefined;
}

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  (this as ClientSocket).connection?.message(data as Buffer, isBinary);
}

function onSign(this: WebSocket): void {
  (this as ClientSocket).connection?.heard();
}

function onClose(this: WebSocket): void {
  (this as ClientSocket).connection?.closed();
}

const NONE: string[] = [];

/**
 * One client socket: framing, limits and closing (RFC 7395). It knows nothing of chat. It is the ConnPort of a session.
 */
export class Connection {
  readonly peer: Peer;
  phase: Phase | undefined;
  /** bare JID once logged in, for logs */
  user = '';
  /** ms since the epoch */
  lastHeard: number;
  readonly since: number;
  /** ms since the epoch of the ping that nothing has come after, 0 when there is none */
  pingedAt = 0;
  /** an RFC 7395 open has been answered, so errors may be told as stream errors */
  opened = false;
  closing = false;
  /** frames of this loop turn, written together by the flusher */
  #pendingFrames: string[] = NONE;
  readonly #ws: ClientSocket;
  readonly #options: ConnectionOptions;
  readonly #onClosed: (connection: Connection) => void;

  constructor(ws: ClientSocket, peer: Peer, options: ConnectionOptions, onClosed: (connection: Connection) => void) {
    this.#ws = ws;
    this.peer = peer;
    this.#options = options;
    this.#onClosed = onClosed;
    this.since = options.now();
    this.lastHeard = this.since;
    ws.connection = this;
    ws.on('message', onMessage);
    ws.on('pong', onSign);
    ws.on('close', onClose);
    // ws closes the socket itself (1007 bad UTF-8, 1009 too long, 1002 bad frame); `close` follows.
    ws.on('error', onSign);
  }

  heard(): void {
    this.lastHeard = this.#options.now();
    this.pingedAt = 0;
  }

  /** … of a frame, as things stand */
  get bytesMax(): number {
    return this.user === '' ? this.#options.loginBytesMax : this.#options.stanzaBytesMax;
  }

  get queuedBytes(): number {
    return this.#ws.bufferedAmount;
  }

  send(xml: string): void {
    if (this.closing) return;
    this.#options.counts.frames.sent += 1;
    if (this.#pendingFrames.length > 0) return void this.#pendingFrames.push(xml);
    this.#pendingFrames = [xml];
    this.#options.flusher.add(this);
  }

  /** Writes what has gathered; called by the flusher. */
  flush(): void {
    const frames = this.#pendingFrames;
    this.#pendingFrames = NONE;
    if (frames.length === 0) return;
    if (this.#ws.readyState === WebSocket.OPEN) this.#options.flusher.write(this.#ws, frames);
  }

  ping(): void {
    this.pingedAt = this.#options.now();
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.ping();
  }

  close(reason: CloseReason): void {
    switch (reason.t) {
      case 'detached':
        if (this.closing) return;
        this.closing = true;
        this.#count('detached');
        this.#ws.terminate();
        return;
      case 'error':
        return this.end(endingFor(reason.condition as StreamCondition), reason.text, reason.app);
      case 'end':
        return this.end(ENDINGS.closed);
    }
  }

  /** Sends the client on to another node (RFC 7395 3.6.1); safe only before it has bound a stream. */
  sendOn(uri: string): void {
    this.end(ENDINGS.elsewhere, undefined, undefined, uri);
  }

  /** Stream error (when the ending has one), `<close/>`, then the closing handshake with the ending's code. */
  end(ending: Ending, text?: string, app?: string, seeOtherUri?: string): void {
    if (this.closing) return;
    this.#count(ending.condition ?? (seeOtherUri === undefined ? 'end' : 'see-other-uri'));
    if (ending.condition !== undefined) {
      if (!this.opened) this.send(this.#options.open());
      this.send(streamErrorXml(ending.condition, text, app));
    }
    this.send(closeXml(seeOtherUri));
    this.flush();
    this.closing = true;
    this.#ws.close(ending.code, ending.reason);
    // Not only when the peer has answered: until then its stream would look alive to everyone.
    this.#leave(!ending.resumable);
  }

  /** The peer had its time to answer the closing handshake. */
  terminate(): void {
    this.#ws.terminate();
  }

  fail(condition: StreamCondition, text?: string): void {
    this.end(endingFor(condition), text);
  }

  #count(why: string): void {
    const { ended } = this.#options.counts;
    ended[why] = (ended[why] ?? 0) + 1;
  }

  /** A frame came in. */
  message(data: Buffer, isBinary: boolean): void {
    this.heard();
    if (this.closing) return;
    this.#options.counts.frames.received += 1;
    // RFC 7395 3.2: text frames only.
    if (isBinary) return this.end(ENDINGS.binary, 'binary frames are not part of XMPP over WebSocket');
    const { frameLimits } = this.#options;
    const bytesMax = this.bytesMax;
    if (data.length > bytesMax) return this.end(ENDINGS.tooBig, `a stanza may have ${bytesMax} bytes`);
    let frame: ParsedFrame;
    try {
      frame = parseFrame(data.toString(), frameLimits);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      return this.fail(error.condition, error.message);
    }
    if (isClose(frame.el)) {
      this.#leave(true);
      return this.close({ t: 'end' });
    }
    try {
      this.phase?.frame(frame);
    } catch (error) {
      this.fault(error);
    }
  }

  /** A broken invariant on this connection: it ends, the others and the process go on. */
  fault(error: unknown): void {
    this.#options.onFault(error);
    this.end(ENDINGS.internal);
  }

  #leave(clean: boolean): void {
    const { phase } = this;
    this.phase = undefined;
    phase?.gone(clean);
  }

  /** The socket is gone. */
  closed(): void {
    this.closing = true;
    this.#leave(false);
    this.#onClosed(this);
  }
}
