/**
 * Puts a WebSocket where browsers have one: Node 20 has none of its own. Strophe gives up on sockets that are still
 * connecting, which `ws` tells as an error, and a browser tells nobody.
 */
import { WebSocket } from 'ws';

class QuietSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols);
    this.on('error', () => {});
  }
}
Object.assign(globalThis, { WebSocket: QuietSocket });
