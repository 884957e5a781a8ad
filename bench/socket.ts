import type { Socket } from 'node:net';
import { WebSocket } from 'ws';

/** Sockets written to since the last flush. One flush per turn of the event loop writes each of them once. */
const dirty: LeanSocket[] = [];
let flushPlanned = false;

function flush(): void {
  flushPlanned = false;
  for (const socket of dirty) socket.uncork();
  dirty.length = 0;
}

export interface SocketOptions {
  readonly url: string;
  /** local address to connect from, e.g. 127.0.0.3: one address has about 28,000 ports */
  readonly localAddress?: string;
  /** ms until an opening handshake fails */
  readonly timeoutMs?: number;
}

/**
 * A WebSocket that costs the load generator little: text comes as a one-byte string (everything the bench sends is
 * ASCII), what is sent within one turn of the event loop leaves in one write.
 */
export class LeanSocket {
  onText: (text: string) => void = () => {};
  /** Called once, when the socket has ended for any reason. */
  onEnd: (reason: string) => void = () => {};
  readonly #ws: WebSocket;
  #tcp: Socket | undefined;
  #corked = false;
  #ended = false;

  private constructor(ws: WebSocket) {
    this.#ws = ws;
    ws.on('message', (data: Buffer) => this.onText(data.toString('latin1')));
    ws.on('upgrade', (response) => {
      this.#tcp = response.socket;
    });
  }

  /** @throws Error when the server refuses, or does not answer within `timeoutMs` (30 s) */
  static open(options: SocketOptions): Promise<LeanSocket> {
    return new Promise((resolve, reject) => {
      const ws = new WebSocket(options.url, ['xmpp'], {
        perMessageDeflate: false,
        skipUTF8Validation: true,
        handshakeTimeout: options.timeoutMs ?? 30_000,
        ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
      });
      const socket = new LeanSocket(ws);
      let error = '';
      ws.once('open', () => resolve(socket));
      ws.on('error', (err) => {
        error = err.message;
        reject(new Error(`${options.url}: ${err.message}`));
      });
      ws.once('close', (code) => {
        socket.#ended = true;
        socket.onEnd(error || `closed with code ${code}`);
      });
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Bytes that the kernel has not taken yet. */
  get bufferedBytes(): number {
    return this.#ws.bufferedAmount;
  }

  send(text: string): void {
    if (!this.#corked && this.#tcp !== undefined) {
      this.#corked = true;
      this.#tcp.cork();
      dirty.push(this);
      if (!flushPlanned) {
        flushPlanned = true;
        setImmediate(flush);
      }
    }
    this.#ws.send(text);
  }

  uncork(): void {
    this.#corked = false;
    this.#tcp?.uncork();
  }

  /** Closes with a handshake. */
  close(): void {
    this.#ws.close();
  }

  /** Cuts the connection without a word, like a lost network. */
  cut(): void {
    this.#ws.terminate();
  }
}
