import type { Identity, Part } from './bus-frames.ts';

export interface AssemblyBounds {
  /** largest envelope, bytes */
  readonly envelopeBytesMax: number;
  /** most bytes held for envelopes that are not whole yet, of all senders */
  readonly assemblyBytesMax: number;
}

interface Open {
  readonly id: number;
  readonly count: number;
  readonly bytes: number;
  readonly parts: Buffer[];
  held: number;
}

/**
 * Puts split envelopes together again, pure. The parts of one envelope come one after the other from their sender, so
 * each sender has at most one open: a part that does not follow the last one ends it (something was lost, and what is
 * above the bus sends again). When the bytes held in all exceed the bound, the one begun first is given up.
 */
export class Assembly {
  readonly #bounds: AssemblyBounds;
  /** by sender, in the order they began */
  readonly #open = new Map<string, Open>();
  #held = 0;
  /** envelopes given up */
  dropped = 0;

  constructor(bounds: AssemblyBounds) {
    this.#bounds = bounds;
  }

  get heldBytes(): number {
    return this.#held;
  }

  /** Takes a part; answers the envelope when it was the last. The bytes are copied. */
  add(from: Identity, part: Part, body: Buffer): Buffer | undefined {
    const sender = `${from.node}/${from.inc}`;
    const open = this.#openFor(sender, part);
    if (open === undefined || body.length === 0 || open.held + body.length > open.bytes) {
      this.#drop(sender);
      return undefined;
    }
    open.parts.push(Buffer.from(body));
    open.held += body.length;
    this.#held += body.length;
    if (open.parts.length === open.count) {
      this.#forget(sender);
      if (open.held === open.bytes) return Buffer.concat(open.parts, open.bytes);
      this.dropped++;
      return undefined;
    }
    this.#makeRoom(sender);
    return undefined;
  }

  #openFor(sender: string, part: Part): Open | undefined {
    if (part.index === 0) {
      this.#drop(sender);
      if (part.bytes > this.#bounds.envelopeBytesMax || part.count < 1 || part.count > part.bytes) {
        this.dropped++;
        return undefined;
      }
      const open: Open = { id: part.id, count: part.count, bytes: part.bytes, parts: [], held: 0 };
      this.#open.set(sender, open);
      return open;
    }
    const open = this.#open.get(sender);
    return open !== undefined && open.id === part.id && open.parts.length === part.index ? open : undefined;
  }

  #makeRoom(newest: string): void {
    for (const sender of this.#open.keys()) {
      if (this.#held <= this.#bounds.assemblyBytesMax) return;
      if (sender !== newest) this.#drop(sender);
    }
  }

  #drop(sender: string): void {
    if (this.#forget(sender)) this.dropped++;
  }

  #forget(sender: string): boolean {
    const open = this.#open.get(sender);
    if (open === undefined) return false;
    this.#held -= open.held;
    return this.#open.delete(sender);
  }
}
