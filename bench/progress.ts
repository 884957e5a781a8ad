/** ms between lines when the output is no terminal */
const plainEveryMs = 5_000;
const terminalEveryMs = 200;

/**
 * The one line that says what is going on. In place on a terminal, else a fresh line every 5 s, on stderr, so that
 * stdout holds the report alone.
 */
export class Progress {
  #last = 0;
  #shown = false;
  readonly #out: NodeJS.WriteStream;

  constructor(out: NodeJS.WriteStream = process.stderr) {
    this.#out = out;
  }

  /** Shows `text` unless something was shown too recently. Cheap to call often. */
  show(text: string): void {
    const now = performance.now();
    if (this.#last !== 0 && now - this.#last < (this.#out.isTTY ? terminalEveryMs : plainEveryMs)) return;
    this.#last = now;
    if (!this.#out.isTTY) {
      this.#out.write(`${text}\n`);
      return;
    }
    const width = this.#out.columns || 80;
    this.#out.write(`\r\x1b[2K${text.slice(0, width - 1)}`);
    this.#shown = true;
  }

  /** Says something that stays. */
  say(text: string): void {
    this.clear();
    this.#out.write(`${text}\n`);
    this.#last = 0;
  }

  clear(): void {
    if (this.#shown) this.#out.write('\r\x1b[2K');
    this.#shown = false;
  }
}

/** `12.3 s of 20 s` and so on, for progress lines. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
