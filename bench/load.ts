import { setTimeout as sleep } from 'node:timers/promises';
import { type Checks, Flow, findMark, idOf, mark, readId, readMark, runTag, sumChecks } from './flow.ts';
import { type Meter, nowUs } from './meter.ts';
import type { Progress } from './progress.ts';
import type { Phase } from './report.ts';
import { attr } from './scan.ts';
import type { Topology } from './topology.ts';

export interface LoadOptions {
  readonly topology: Topology;
  /** closed loop: messages each sender keeps under way */
  readonly outstanding: number;
  /** open loop: messages per second over all users; replaces `outstanding` */
  readonly rate?: number;
  /** messages in all; the measured stretch ends when the last has arrived */
  readonly countMax?: number;
  readonly bodyBytes: number;
  readonly warmupMs: number;
  readonly durationMs: number;
  /** ms without any delivery after which what is still under way counts as lost */
  readonly drainQuietMs?: number;
  readonly send: (user: number, xml: string) => void;
  /** called, and waited for, just outside the measured stretch: to read what the meter does not */
  readonly edge?: (at: 'start' | 'stop') => Promise<void>;
  readonly meter: Meter;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Open loop: at most so many messages under way; the schedule goes on, so the wait shows in the latencies. */
const underWayMax = 50_000;

/** What bodies are filled with: words, as servers that index them have more to do with these than with one long one. */
const PROSE =
  ' shall we meet at noon near the old harbour and walk up to that little place with fish, bread and very good wine?';

/** Messages in a fixed pattern, and the check of every receiver's view. Knows nothing of XMPP but one stanza. */
export class Load {
  readonly run = runTag(Math.random());
  readonly sent: number[];
  bounced = 0;
  readonly #options: LoadOptions;
  readonly #flows: Flow[];
  readonly #heads: string[] = [];
  readonly #padding: string;
  /** what the times in marks count from, µs of `nowUs` */
  readonly originUs = nowUs();
  #sending = true;
  #delivered = 0;
  #totalSent = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    const { senders, flows } = options.topology;
    this.sent = new Array(Math.max(...senders) + 1).fill(0);
    this.#flows = flows.map(() => new Flow());
    for (const sender of senders) this.#heads[sender] = options.topology.head(sender);
    const padding = Math.max(0, options.bodyBytes - mark('0000', 0, 0, 0).length);
    this.#padding = PROSE.repeat(Math.ceil(padding / PROSE.length)).slice(0, padding);
  }

  get underWay(): number {
    return (this.#totalSent - this.bounced) * this.#options.topology.copies - this.#delivered;
  }

  checks(): Checks {
    const { flows, copies } = this.#options.topology;
    const sum = sumChecks(
      this.#flows,
      flows.map((sender) => this.sent[sender]!),
    );
    return { ...sum, lost: Math.max(0, sum.lost - this.bounced * copies) };
  }

  /** To be called with every stanza user `i` gets. */
  receive(i: number, xml: string): void {
    const at = findMark(xml, this.run);
    if (at < 0) return this.#bounce(i, xml);
    const { sender, seq, timeUs } = readMark(xml, at);
    const { topology, meter, rate } = this.#options;
    const flow = topology.flow(i, sender);
    // A bounce carries the sender's own mark back; in a group the reflection does too.
    if (sender === i && (flow < 0 || isError(xml))) this.bounced++;
    else if (flow < 0 || !this.#flows[flow]!.see(seq)) return;
    else {
      this.#delivered++;
      meter.done(timeUs + this.originUs, nowUs());
      if (!topology.closes(i, sender)) return;
    }
    if (this.#sending && rate === undefined) this.#send(sender, nowUs() - this.originUs);
  }

  /** An error without the body it is about. */
  #bounce(i: number, xml: string): void {
    if (!isError(xml) || readId(attr(xml, 'id'), this.run)?.sender !== i) return;
    this.bounced++;
    if (this.#sending && this.#options.rate === undefined) this.#send(i, nowUs() - this.originUs);
  }

  /** Warm up, measure, drain. The CPU and rate of the phase cover the measured stretch alone. */
  async drive(name: string, target: string): Promise<Phase> {
    const { meter, warmupMs, durationMs, rate, edge } = this.#options;
    if (rate === undefined) this.#fill();
    else this.#schedule(rate);
    await this.#wait(`${name}: warming up`, warmupMs);
    await edge?.('start');
    meter.start();
    await this.#wait(`${name}: measuring`, durationMs);
    const phase = meter.stop(name, target, 'delivered message');
    await edge?.('stop');
    this.#sending = false;
    await this.#drain(name);
    phase.checks = this.checks();
    if (this.bounced > 0) phase.errors = { bounced: this.bounced };
    return phase;
  }

  #fill(): void {
    const now = nowUs() - this.originUs;
    for (let k = 0; k < this.#options.outstanding; k++) {
      for (const sender of this.#options.topology.senders) this.#send(sender, now);
    }
  }

  /** Sends message n when its time n / rate has come, and tells the receiver that time, however late it really left. */
  #schedule(rate: number): void {
    const startUs = nowUs() - this.originUs;
    const gapUs = 1e6 / rate;
    const { senders } = this.#options.topology;
    let next = 0;
    const pump = () => {
      if (!this.#sending) return;
      const now = nowUs() - this.originUs;
      for (let due = startUs + next * gapUs; due <= now && this.underWay < underWayMax; due = startUs + next * gapUs) {
        this.#send(senders[next % senders.length]!, due);
        next++;
      }
      // A timer is one or two milliseconds late, which the figures count as the server's. To poll instead would keep one
      // core of the machine busy, which then is not the server's.
      setTimeout(pump, 1);
    };
    pump();
  }

  get #finished(): boolean {
    return this.#totalSent >= (this.#options.countMax ?? Number.POSITIVE_INFINITY) && this.underWay === 0;
  }

  #send(i: number, timeUs: number): void {
    if (this.#totalSent >= (this.#options.countMax ?? Number.POSITIVE_INFINITY)) return;
    const seq = ++this.sent[i]!;
    this.#totalSent++;
    const body = mark(this.run, i, seq, Math.round(timeUs));
    const id = idOf(body);
    this.#options.send(
      i,
      `${this.#heads[i]}${id}'><body>${body}${this.#padding}</body>` +
        `<origin-id xmlns='urn:xmpp:sid:0' id='${id}'/></message>`,
    );
  }

  async #wait(what: string, forMs: number): Promise<void> {
    const start = performance.now();
    let last = this.#delivered;
    for (let at = start; at - start < forMs && !this.#options.signal.aborted && !this.#finished; ) {
      await sleep(Math.min(100, forMs - (at - start)));
      const now = performance.now();
      const perSecond = Math.round(((this.#delivered - last) / (now - at)) * 1000);
      this.#options.progress.show(
        `${what} ${((now - start) / 1000).toFixed(0)}/${Math.round(forMs / 1000)} s · ${perSecond} delivered/s · ` +
          `${this.underWay} under way`,
      );
      at = now;
      last = this.#delivered;
    }
  }

  async #drain(name: string): Promise<void> {
    let last = this.#delivered;
    let since = performance.now();
    while (this.underWay > 0 && performance.now() - since < (this.#options.drainQuietMs ?? 10_000)) {
      await sleep(20);
      if (this.#delivered !== last) since = performance.now();
      last = this.#delivered;
      this.#options.progress.show(`${name}: waiting for ${this.underWay} messages under way`);
    }
  }
}

function isError(xml: string): boolean {
  return attr(xml, 'type') === 'error';
}
