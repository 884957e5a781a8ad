/**
 * Counts acknowledgements (XEP-0198) from outside, off the frames that a client sends and gets: which of its messages
 * has the server promised to keep? And in what order did others' messages come?
 */
export class StreamTap {
  /** bodies of acknowledged messages, in the order of sending */
  readonly acked: string[] = [];
  /** times the stream was made or resumed */
  sessions = 0;
  /** bodies of messages that came, neither from an archive nor as copies, each where it came first */
  readonly heard: string[] = [];
  /** what streams were ended for */
  readonly errors: string[] = [];
  /** bodies (undefined: not a message with one) of stanzas sent on this stream */
  #sent: (string | undefined)[] = [];
  #handled = 0;

  sent(frame: string): void {
    if (/^<enable[\s/>]/.test(frame)) {
      this.#sent = [];
      this.#handled = 0;
    } else if (/^<(message|presence|iq)[\s/>]/.test(frame)) this.#sent.push(/<body>([^<]*)<\/body>/.exec(frame)?.[1]);
  }

  received(frame: string): void {
    if (frame.startsWith('<stream:error')) this.errors.push(frame);
    if (/^<(enabled|resumed)[\s/>]/.test(frame)) this.sessions += 1;
    if (/^<message\s/.test(frame) && !frame.includes('<forwarded')) {
      const body = /<body>([^<]*)<\/body>/.exec(frame)?.[1];
      if (body !== undefined && !this.heard.includes(body)) this.heard.push(body);
    }
    const [, name, h] = /^<(a|resumed)\s[^>]*\bh=['"](\d+)['"]/.exec(frame) ?? [];
    if (name === undefined) return;
    for (; this.#handled < Number(h); this.#handled++) {
      const body = this.#sent[this.#handled];
      if (body !== undefined) this.acked.push(body);
    }
    // What was not handled is sent again now, and counted again.
    if (name === 'resumed') this.#sent.length = Number(h);
  }
}
