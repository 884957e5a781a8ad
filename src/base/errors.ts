/** Exit codes of the `rookery` command; docs/errors.md explains them to operators. */
export const EXIT = {
  ok: 0,
  /** unexpected: a bug, or an I/O error nobody foresaw */
  failure: 1,
  /** faulty configuration or command line */
  usage: 2,
  /** the data folder cannot be used by this process */
  storageRefused: 3,
  /** cannot listen: address in use, not permitted, certificate unreadable */
  cannotListen: 4,
  /** no node runs on this data folder */
  notRunning: 5,
  /** the node understood and said no: user exists, user unknown, … */
  refused: 6,
  /** NATS cannot be reached, or is not fit for a cluster: too old, without JetStream, with another bucket */
  clusterRefused: 7,
  /** a second signal cut the shutdown short */
  forced: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends the command with one line for people and an exit code for scripts; no stack trace. */
export class ExitError extends Error {
  override readonly name: string = 'ExitError';
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** What to show of a caught value: an Error's message, anything else as text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a Node system error (`EADDRINUSE`, `ENOENT`, …), of the error or of the first cause that has one. */
export function codeOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === 'string') return code;
  }
  return undefined;
}
