/**
 * The mark in every message body, and the check of what arrives. A mark is `@` + run (4) + sender (4) + seq (6) +
 * time (8), base 36, fixed widths: 23 characters. `time` is the µs since the run's start at which the message was
 * *meant* to leave, so an open loop measures from there (no coordinated omission) and no table of times is kept.
 */
export interface Mark {
  readonly sender: number;
  readonly seq: number;
  readonly timeUs: number;
}

export const markLength = 23;

const pad = (value: number, width: number) => value.toString(36).padStart(width, '0');

/** 4 base-36 characters that tell this run's messages from older ones. */
export function runTag(random: number): string {
  return pad(Math.floor(random * 36 ** 4), 4);
}

export function mark(run: string, sender: number, seq: number, timeUs: number): string {
  return `@${run}${pad(sender, 4)}${pad(seq, 6)}${pad(timeUs, 8)}`;
}

function number36(text: string, from: number, width: number): number {
  let value = 0;
  for (let i = from; i < from + width; i++) {
    const code = text.charCodeAt(i);
    value = value * 36 + (code < 58 ? code - 48 : code - 87);
  }
  return value;
}

/** Finds this run's mark in a stanza: where it is, or -1. */
export function findMark(xml: string, run: string, from = 0): number {
  return xml.indexOf(`>@${run}`, from);
}

export function readMark(xml: string, at: number): Mark {
  const start = at + 6;
  return { sender: number36(xml, start, 4), seq: number36(xml, start + 4, 6), timeUs: number36(xml, start + 10, 8) };
}

/** Characters of the mark, from its second on, that are a message's id: run, sender and seq. */
const idLength = 14;

export function idOf(mark: string): string {
  return mark.slice(1, 1 + idLength);
}

/** Whose message an id of this run is; undefined for any other id. An error need not bring the body back (RFC 6120 8.3.1). */
export function readId(id: string | undefined, run: string): Omit<Mark, 'timeUs'> | undefined {
  if (id?.length !== idLength || !id.startsWith(run)) return undefined;
  return { sender: number36(id, 4, 4), seq: number36(id, 8, 6) };
}

/** How many missing numbers a flow remembers before it calls the rest lost for good. */
const missingMax = 10_000;

/**
 * One sender's numbers as one receiver sees them, from 1. A number that is skipped is missing until it comes late
 * (reordered); one seen before is a duplicate; what is still missing at the end is lost.
 */
export class Flow {
  delivered = 0;
  duplicated = 0;
  reordered = 0;
  #next = 1;
  #missing = new Set<number>();
  #forgotten = 0;

  /** @returns true when this number is new */
  see(seq: number): boolean {
    if (seq === this.#next) {
      this.#next++;
      this.delivered++;
      return true;
    }
    if (seq > this.#next) {
      for (let n = this.#next; n < seq; n++) {
        if (this.#missing.size < missingMax) this.#missing.add(n);
        else this.#forgotten++;
      }
      this.#next = seq + 1;
      this.delivered++;
      return true;
    }
    if (this.#missing.delete(seq)) {
      this.reordered++;
      this.delivered++;
      return true;
    }
    this.duplicated++;
    return false;
  }

  /** Of the numbers 1..upto, how many never came, those not counted that `except` says. */
  lost(upto: number, except: (seq: number) => boolean = () => false): number {
    let missing = this.#forgotten;
    for (const seq of this.missing(upto)) if (!except(seq)) missing++;
    return missing;
  }

  /** Those of the numbers 1..upto that never came, as far as they are remembered. */
  *missing(upto: number): Generator<number> {
    for (const seq of this.#missing) if (seq <= upto) yield seq;
    for (let seq = this.#next; seq <= upto; seq++) yield seq;
  }
}

export interface Checks {
  lost: number;
  duplicated: number;
  reordered: number;
}

/** Sums over flows; `sent[i]` belongs to `flows[i]`. */
export function sumChecks(flows: readonly Flow[], sent: readonly number[]): Checks {
  const sum = { lost: 0, duplicated: 0, reordered: 0 };
  flows.forEach((flow, i) => {
    sum.lost += flow.lost(sent[i] ?? 0);
    sum.duplicated += flow.duplicated;
    sum.reordered += flow.reordered;
  });
  return sum;
}
