import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';

/**
 * Frames of one loop turn leave a socket in one write: a commit often has several for the same client, and a write call
 * costs more than the frame in it (docs/performance.md).
 *
 * ws writes header and payload of each frame as two chunks, which makes every send a `writev`. Without compression a
 * server's text frame is 2 to 10 bytes of header and the text (RFC 6455 5.2), so what has gathered is put into one
 * buffer and written to ws's own socket in one call. Nothing of ws can come in between: it only queues frames of its
 * own while compressing or reading a Blob, which never happens here.
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
      const { _socket: socket } = ws as unknown as { readonly _socket: Socket | null };
      if (socket?.writable === true) socket.write(textFrames(frames));
    },
  };
}

const FIN_TEXT = 0x81;

/** Unmasked text frames of a server, one after the other (RFC 6455 5.2). */
export function textFrames(frames: readonly string[]): Buffer {
  let size = 0;
  // UTF-8 takes at most three bytes a code unit; the buffer is cut to what was written.
  for (const frame of frames) size += 10 + frame.length * 3;
  if (size > SCRATCH_BYTES) return exactFrames(frames);
  let at = 0;
  for (const frame of frames) at = putFrame(scratch, at, frame);
  return Buffer.from(scratch.subarray(0, at));
}

const SCRATCH_BYTES = 262_144;
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

/** Writes the payload where it will lie if its header is as long as its length in code units suggests. */
function putFrame(target: Buffer, start: number, frame: string): number {
  const guess = headerBytes(frame.length);
  let length = target.write(frame, start + guess, 'utf8');
  const needed = headerBytes(length);
  if (needed !== guess) length = target.write(frame, start + needed, 'utf8');
  putHeader(target, start, length);
  return start + needed + length;
}

function exactFrames(frames: readonly string[]): Buffer {
  const lengths = frames.map((frame) => Buffer.byteLength(frame));
  const target = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + headerBytes(length) + length, 0));
  let at = 0;
  for (const [i, frame] of frames.entries()) {
    const length = lengths[i] as number;
    putHeader(target, at, length);
    at += headerBytes(length);
    at += target.write(frame, at, 'utf8');
  }
  return target;
}

function headerBytes(length: number): number {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10;
}

function putHeader(target: Buffer, at: number, length: number): void {
  target[at] = FIN_TEXT;
  if (length < 126) target[at + 1] = length;
  else if (length < 65_536) {
    target[at + 1] = 126;
    target.writeUInt16BE(length, at + 2);
  } else {
    target[at + 1] = 127;
    target.writeBigUInt64BE(BigInt(length), at + 2);
  }
}
