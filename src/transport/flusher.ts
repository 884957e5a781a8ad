import type { WebSocket } from 'ws';

/**
 * Frames of one loop turn leave a socket in one write: a commit often has several for the same client. Measured: a
 * write call costs more than the frame in it (docs/performance.md).
 */
export interface Flusher {
  add(connection: { flush(): void }): void;
  write(ws: WebSocket, frames: readonly string[]): void;
}

export function createFlusher(): Flusher {
  let dirty: { flush(): void }[] = [];

  function flushAll(): void {
    const connections = dirty;
    dirty = [];
    for (const connection of connections) connection.flush();
  }

  return {
    add(connection) {
      if (dirty.length === 0) process.nextTick(flushAll);
      dirty.push(connection);
    },
    write(ws, frames) {
      const { _socket: socket } = ws as unknown as { _socket: import('node:net').Socket };
      if (frames.length === 1) {
        ws.send(frames[0] as string);
        return;
      }
      socket.cork();
      for (const frame of frames) ws.send(frame);
      socket.uncork();
    },
  };
}
