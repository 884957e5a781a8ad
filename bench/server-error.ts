/** The server answered with an error. `condition` is the defined condition of the stanza or SASL error. */
export class ServerError extends Error {
  readonly condition: string;
  constructor(what: string, xml: string) {
    const error = xml.slice(Math.max(0, xml.search(/<(?:[\w.-]+:)?error[\s>]/)));
    const condition =
      [...error.matchAll(/<(?:[\w.-]+:)?([a-z][a-z-]+)[\s/>]/g)]
        .map((match) => match[1] ?? '')
        .find((name) => !aroundCondition.has(name)) ?? 'unknown';
    super(`${what}: ${condition}`);
    this.condition = condition;
  }
}
const aroundCondition = new Set(['error', 'failure', 'failed', 'text']);
