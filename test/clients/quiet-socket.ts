/**
 * Puts a WebSocket where browsers have one: Node 20 has none of its own. Strophe gives up on sockets that are still
 * connecting, which `ws` tells as an error, and a browser tells nobody. It also goes on with a login that was under way
 * when its server died, on the next socket before that is open: a browser throws into a promise that nobody awaits, Node
 * would end the process for that.
 */
import { WebSocket } from 'ws';

class QuietSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols);
    this.on('error', () => {});
  }

  override send(data: string): void {
    if (this.readyState !== WebSocket.CONNECTING) super.send(data);
  }
}
Object.assign(globalThis, { WebSocket: QuietSocket });
