interface Due {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** What is to happen, by simulated time; what falls on the same moment happens in the order it was put in. */
export class Queue {
  readonly #heap: Due[] = [];
  #order = 0;
  now = 0;

  after(delayMs: number, run: () => void): void {
    const due: Due = { at: this.now + delayMs, order: this.#order++, run };
    const heap = this.#heap;
    let at = heap.push(due) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Due;
      if (!before(due, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = due;
  }

  /** Runs the next event that is due until `until`. @returns false when there is none */
  next(until: number): boolean {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.at > until) {
      this.now = until;
      return false;
    }
    const last = heap.pop() as Due;
    if (heap.length > 0) this.#sink(last);
    this.now = first.at;
    first.run();
    return true;
  }

  #sink(due: Due): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const left = heap[child];
      if (left === undefined) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, left)) child += 1;
      const least = heap[child] as Due;
      if (!before(least, due)) break;
      heap[at] = least;
      at = child;
    }
    heap[at] = due;
  }
}

function before(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
