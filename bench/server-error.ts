/** The server answered with an error. `condition` is the defined condition of the stanza or SASL error. */
export class ServerError extends Error {
  readonly condition: string;
  constructor(what: string, xml: string) {
    const condition =
      [...xml.matchAll(/<(?:[\w.-]+:)?([a-z][a-z-]+)[\s/>]/g)]
        .map((match) => match[1] ?? '')
        .find((name) => !ignoredTags.has(name)) ?? 'unknown';
    super(`${what}: ${condition}`);
    this.condition = condition;
  }
}
const ignoredTags = new Set(['iq', 'error', 'failure', 'failed', 'query', 'bind', 'text', 'username', 'password']);
