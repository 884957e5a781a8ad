/**
 * Keeps, of a tap run's output, what tells of failures: a log of 25,000 lines hides them, and who reads only its end should
 * see them.
 */

/** The last lines kept of a file that failed as a whole, without a failed assertion. */
const LAST_LINES_MAX = 20;
/** The most lines in a report. */
const LINES_MAX = 600;

export class FailedFiles {
  readonly #report: string[] = [];
  /** The newest lines of the file that runs, and whether an assertion of it failed. */
  #last: string[] = [];
  #assertionFailed = false;
  /** Where the line before stands: on a failure, inside what tap says of it (between --- and ...), or elsewhere. */
  #at: 'failure' | 'diagnostic' | 'elsewhere' = 'elsewhere';

  /** @param line one line of tap's output, without its end; the lines of a file's own tests are indented by four */
  take(line: string): void {
    const text = line.trimStart();
    const failed = /^not ok \d+/.test(text) && !/ # (todo|skip)\b/i.test(text);
    const diagnostic = this.#at === 'diagnostic' || (this.#at === 'failure' && text === '---');
    const endsFile = /^(not )?ok \d+ - /.test(line);
    if (endsFile && failed && !this.#assertionFailed) this.#keep(...this.#last);
    if (failed || diagnostic) this.#keep(line);
    if (failed) this.#at = 'failure';
    else this.#at = diagnostic && text !== '...' ? 'diagnostic' : 'elsewhere';
    if (endsFile) {
      this.#last = [];
      this.#assertionFailed = false;
    } else if (line.startsWith('    ')) {
      this.#assertionFailed ||= failed;
      this.#last.push(line);
      if (this.#last.length > LAST_LINES_MAX) this.#last.shift();
    }
  }

  /** @returns what failed, in the order of the run, each file's own line behind its assertions; empty when nothing did */
  report(): string {
    return this.#report.length === 0 ? '' : `\n== what failed\n${this.#report.join('\n')}\n`;
  }

  #keep(...lines: string[]): void {
    this.#report.push(...lines.slice(0, LINES_MAX - this.#report.length));
  }
}
