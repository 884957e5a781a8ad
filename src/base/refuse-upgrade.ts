import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

/**
 * Answers an upgrade request with an HTTP error and ends the socket. Node takes its own listeners off an upgraded socket, so
 * a reset would end the process; and it is not left half open, for the peer may never end its half.
 * @param line for people
 */
export function refuseUpgrade(
  socket: Duplex,
  status: number,
  line: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const extra = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}\r\n` +
      `content-type: text/plain; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(line) + 1}\r\n` +
      `connection: close\r\n${extra.join('')}\r\n${line}\n`,
    () => socket.destroy(),
  );
}
