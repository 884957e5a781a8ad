export interface QueueBounds<T> {
  /** most items held */
  readonly itemsMax: number;
  /** most bytes held, as told by `bytesOf`; without them only items count */
  readonly bytesMax?: number;
  readonly bytesOf?: (item: T) => number;
}

const SLOTS_MIN = 16;
const nothing = (): number => 0;

/**
 * First in, first out, with a bound. When full, `push` answers false and takes nothing: the caller says what that
 * means. A ring that grows by doubling and lets go of its memory when it runs empty.
 */
export class BoundedQueue<T> {
  readonly #itemsMax: number;
  readonly #bytesMax: number;
  readonly #bytesOf: (item: T) => number;
  #slots: (T | undefined)[] = [];
  #head = 0;
  #length = 0;
  #bytes = 0;

  constructor(bounds: QueueBounds<T>) {
    this.#itemsMax = bounds.itemsMax;
    this.#bytesMax = bounds.bytesMax ?? Number.POSITIVE_INFINITY;
    this.#bytesOf = bounds.bytesOf ?? nothing;
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Appends, or answers false when that would exceed a bound. One item larger than `bytesMax` is never taken. */
  push(item: T): boolean {
    const bytes = this.#bytesOf(item);
    if (this.#length >= this.#itemsMax || this.#bytes + bytes > this.#bytesMax) return false;
    if (this.#length === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#length) & (this.#slots.length - 1)] = item;
    this.#length++;
    this.#bytes += bytes;
    return true;
  }

  /** Takes the oldest. */
  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#slots[this.#head] as T;
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#length--;
    this.#bytes -= this.#bytesOf(item);
    if (this.#length === 0 && this.#slots.length > SLOTS_MIN) this.clear();
    return item;
  }

  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#slots[this.#head];
  }

  clear(): void {
    this.#slots = [];
    this.#head = 0;
    this.#length = 0;
    this.#bytes = 0;
  }

  /** Oldest first, taking nothing. */
  *[Symbol.iterator](): Generator<T> {
    for (let i = 0; i < this.#length; i++) yield this.#slots[(this.#head + i) & (this.#slots.length - 1)] as T;
  }

  /** The number of slots stays a power of two, so that wrapping is a mask. */
  #grow(): void {
    const slots: (T | undefined)[] = [...this];
    slots.length = Math.max(SLOTS_MIN, this.#slots.length * 2);
    this.#slots = slots;
    this.#head = 0;
  }
}
