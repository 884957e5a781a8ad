import type { Config } from '../config.ts';
import type { AdminApi } from '../http/admin.ts';

/** A started node, as the command sees it. */
export interface RunningNode {
  readonly webUrl: string;
  readonly webSocketUrls: readonly string[];
  /** Resolves when everything accepted is on disk and the folder is free. Idempotent. */
  close(): Promise<void>;
}

/** What the command needs of src/node.ts, loaded only when used: `--help` stays fast, and tests bring their own. */
export interface NodeModule {
  startNode(config: Config): Promise<RunningNode>;
  /** Opens the data folder without listening, to manage users while no node runs. */
  openAdmin(config: Config): Promise<{ readonly api: AdminApi; close(): Promise<void> }>;
}

/** The outside world of one run of the command. */
export interface Io {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  /** for SIGINT and SIGTERM */
  readonly signals: Pick<NodeJS.EventEmitter, 'on' | 'off'>;
  exit(code: number): void;
  /** milliseconds on a clock that never jumps */
  monotonicMs(): number;
  loadNode(): Promise<NodeModule>;
}

/** One line to the person at the terminal. Standard output is kept for logs, tables and JSON. */
export function tell(io: Io, line: string): void {
  io.stderr.write(`${line}\n`);
}
