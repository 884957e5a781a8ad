import type { Element } from 'ltx';
import { assert } from '../base/assert.ts';
import { BoundedQueue } from '../base/bounded-queue.ts';
import type { StanzaCondition, XmppModule } from './module.ts';
import { escapeAttr } from './stanza.ts';

export const NS_SM = 'urn:xmpp:sm:3';

/** For the stream features. */
export const SM_FEATURE = `<sm xmlns='${NS_SM}'/>`;

/** 2^32: counters start again at 0 after 2^32 - 1 (XEP-0198 section 4). */
const WRAP = 0x1_0000_0000;

export type SmNonza =
  | { readonly t: 'enable'; readonly resume: boolean; readonly maxSeconds: number | undefined }
  | { readonly t: 'resume'; readonly previd: string; readonly h: number }
  | { readonly t: 'r' }
  | { readonly t: 'a'; readonly h: number }
  /** in the namespace, but not valid: the caller closes the stream with policy-violation or answers `<failed/>` */
  | { readonly t: 'invalid'; readonly name: string; readonly reason: string };

/** xs:unsignedInt, undefined for anything else. */
function unsignedInt(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value < WRAP ? value : undefined;
}

/** Reads a nonza of XEP-0198; undefined when the element is of another namespace. */
export function parseSm(el: Element): SmNonza | undefined {
  if (el.getNS() !== NS_SM) return undefined;
  const name = el.getName();
  const invalid = (reason: string): SmNonza => ({ t: 'invalid', name, reason });
  switch (name) {
    case 'enable': {
      const resume = el.attrs['resume'];
      return { t: 'enable', resume: resume === 'true' || resume === '1', maxSeconds: unsignedInt(el.attrs['max']) };
    }
    case 'resume': {
      const h = unsignedInt(el.attrs['h']);
      const previd = el.attrs['previd'];
      if (h === undefined) return invalid('h is not an unsigned 32-bit number');
      if (previd === undefined || previd === '' || previd.length > 4000)
        return invalid('previd is missing or too long');
      return { t: 'resume', previd, h };
    }
    case 'r':
      return { t: 'r' };
    case 'a': {
      const h = unsignedInt(el.attrs['h']);
      return h === undefined ? invalid('h is not an unsigned 32-bit number') : { t: 'a', h };
    }
    default:
      return invalid('unknown element');
  }
}

/** `<enabled/>` (section 3). With `resume`, an id by which the stream can be taken up again. */
export function enabledXml(options: { resume?: { id: string; maxSeconds: number }; location?: string } = {}): string {
  const { resume, location } = options;
  const resumable =
    resume === undefined ? '' : ` id='${escapeAttr(resume.id)}' resume='true' max='${resume.maxSeconds}'`;
  return `<enabled xmlns='${NS_SM}'${resumable}${location === undefined ? '' : ` location='${escapeAttr(location)}'`}/>`;
}

export function resumedXml(previd: string, h: number): string {
  return `<resumed xmlns='${NS_SM}' h='${h}' previd='${escapeAttr(previd)}'/>`;
}

/** `<failed/>` (section 6); with `h` when the timed-out stream's count is still known (section 5). */
export function failedXml(condition: StanzaCondition, h?: number): string {
  const count = h === undefined ? '' : ` h='${h}'`;
  return `<failed xmlns='${NS_SM}'${count}><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>`;
}

export function ackXml(h: number): string {
  return `<a xmlns='${NS_SM}' h='${h}'/>`;
}

export const ACK_REQUEST = `<r xmlns='${NS_SM}'/>`;

/** What to put beside `<undefined-condition/>` in the stream error (section 6). */
export function tooHighXml(h: number, sendCount: number): string {
  return `<handled-count-too-high xmlns='${NS_SM}' h='${h}' send-count='${sendCount}'/>`;
}

export type AckResult =
  /** `lastTag` is the highest tag of the stanzas that this ack took off, 0 when none; an older count takes off none */
  | { readonly count: number; readonly lastTag: number }
  /** more than was sent: close the stream with undefined-condition and `tooHighXml(h, sendCount)` */
  | { readonly error: string; readonly h: number; readonly sendCount: number };

interface Sent {
  readonly xml: string;
  readonly tag: number;
  readonly ts: number;
}

const lengthOf = ({ xml }: Sent): number => xml.length;

/**
 * What was sent on a stream and not yet acknowledged by the client, in order. `sent` and `acked` count modulo 2^32;
 * sent - acked is always the number of stanzas held. Full is an answer, not an error: the caller detaches the stream or
 * gives it up, and what is durable reaches the client through its inbox.
 */
export class AckQueue {
  readonly #stanzas: BoundedQueue<Sent>;
  #acked: number;

  /**
   * @param bounds `bytesMax` counts UTF-16 units: exact for ASCII, a lower bound otherwise
   * @param acked count to go on from
   */
  constructor(bounds: { readonly stanzasMax: number; readonly bytesMax: number }, acked = 0) {
    this.#acked = acked % WRAP;
    this.#stanzas = new BoundedQueue<Sent>({
      itemsMax: bounds.stanzasMax,
      bytesMax: bounds.bytesMax,
      bytesOf: lengthOf,
    });
  }

  /** stanzas sent since stream management was enabled, modulo 2^32 */
  get sent(): number {
    return (this.#acked + this.#stanzas.length) % WRAP;
  }

  /** … and of those the ones that the client has acknowledged */
  get acked(): number {
    return this.#acked;
  }

  /** stanzas held */
  get size(): number {
    return this.#stanzas.length;
  }

  get bytes(): number {
    return this.#stanzas.bytes;
  }

  /**
   * Counts a stanza as sent and keeps it; 'full' takes and counts nothing.
   * @param tag what the caller wants to hear of once the client has it, such as the inboxSeq it carries; 0 is nothing
   * @param ts of a message that does not say when it was sent, ms since the epoch; 0 otherwise
   */
  push(xml: string, tag = 0, ts = 0): 'ok' | 'full' {
    return this.#stanzas.push({ xml, tag, ts }) ? 'ok' : 'full';
  }

  /** Takes the client's count of handled stanzas, from an `<a/>` or a `<resume/>`. */
  ack(h: number): AckResult {
    const count = (h - this.#acked + WRAP) % WRAP;
    if (count > this.#stanzas.length) {
      // Counts wrap: behind and ahead are told apart by which way round is shorter.
      if (count > WRAP / 2) return { count: 0, lastTag: 0 };
      return { error: `${h} handled of ${this.sent} sent`, h, sendCount: this.sent };
    }
    let lastTag = 0;
    for (let i = 0; i < count; i++) lastTag = Math.max(lastTag, this.#stanzas.shift()?.tag ?? 0);
    this.#acked = h;
    return { count, lastTag };
  }

  /**
   * Oldest first, with tags and times: to be sent again after a resumption, or pushed into a queue elsewhere that goes on
   * from `acked`.
   */
  *entries(): Generator<readonly [xml: string, tag: number, ts: number]> {
    for (const { xml, tag, ts } of this.#stanzas) yield [xml, tag, ts];
  }
}

/**
 * Counts what a stream has handled. Stanzas complete in any order (each when its effects are committed), but `h` may
 * only say "all up to here": it is the length of the completed prefix, modulo 2^32.
 *
 *     begin 1, 2, 3 · done 1 → h 1 · done 3 → h 1 · done 2 → h 3
 */
export class InboundWindow {
  readonly #windowMax: number;
  #begun: number;
  #prefix: number;
  /** completed above the prefix; only numbers in (prefix, begun] */
  #ahead: Set<number> | undefined;

  /**
   * @param windowMax most stanzas begun and not in the prefix; when `full`, read no more from the socket
   * @param handled count to go on from
   */
  constructor(windowMax = 1000, handled = 0) {
    this.#windowMax = windowMax;
    this.#begun = handled;
    this.#prefix = handled;
  }

  /** to be sent in `<a/>` and `<resumed/>` */
  get h(): number {
    return this.#prefix % WRAP;
  }

  /** number of the last stanza that came in, 0 before the first */
  get begun(): number {
    return this.#begun;
  }

  /** stanzas that hold `h` back, complete or not */
  get open(): number {
    return this.#begun - this.#prefix;
  }

  get full(): boolean {
    return this.open >= this.#windowMax;
  }

  /** A stanza came in. @returns its number, for `done` @throws InvariantError when the window is full */
  begin(): number {
    assert(!this.full, 'a stanza was begun in a full window');
    this.#begun += 1;
    return this.#begun;
  }

  /** Its effects are committed. @throws InvariantError when `n` was not begun, or is done already */
  done(n: number): void {
    assert(n > this.#prefix && n <= this.#begun && this.#ahead?.has(n) !== true, `stanza ${n} is not open`);
    if (n > this.#prefix + 1) {
      this.#ahead ??= new Set();
      this.#ahead.add(n);
      return;
    }
    this.#prefix = n;
    while (this.#ahead?.delete(this.#prefix + 1) === true) this.#prefix += 1;
    if (this.#ahead?.size === 0) this.#ahead = undefined;
  }
}

export const streamManagementModule: XmppModule = {
  spec: {
    id: 'XEP-0198',
    title: 'Stream Management',
    version: '1.6.3',
    url: 'https://xmpp.org/extensions/xep-0198.html',
    note: '`h` counts a stanza when its effects are on disk; with resumption',
  },
};
