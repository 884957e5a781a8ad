import type { Writable } from 'node:stream';
import { type Logger, pino, stdTimeFunctions } from 'pino';
import pretty from 'pino-pretty';

export type Log = Logger;

export interface LogOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  /** `auto` is `pretty` on a terminal, `json` elsewhere */
  readonly format: 'auto' | 'json' | 'pretty';
}

/**
 * Field names that never reach a log: secrets, and what people write to each other. A second line of defence, at the
 * top level and one below; the first is not to pass them.
 */
const NEVER_LOGGED = [
  'password',
  'secret',
  'token',
  'salt',
  'storedKey',
  'serverKey',
  'saltedPassword',
  'clientFinal',
  'proof',
  'authorization',
  'cookie',
  'body',
  'inner',
  'xml',
  'stanza',
];

/**
 * The process's log. Lines are one message in plain words plus fields with ids (`streamId`, `user`, `chat`, `shard`);
 * pass an error as `err`. Writes are synchronous, so that the last lines before a crash are there.
 * @param destination where to write, standard output by default
 */
export function createLog(options: LogOptions, destination?: Writable): Log {
  const onTerminal = destination === undefined && process.stdout.isTTY === true;
  const settings = {
    level: options.level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: NEVER_LOGGED.flatMap((field) => [field, `*.${field}`]), censor: '[redacted]' },
  };
  if (options.format === 'json' || (options.format === 'auto' && !onTerminal))
    return pino(settings, destination ?? pino.destination({ dest: 1, sync: true }));
  const colorize = onTerminal && process.env['NO_COLOR'] === undefined;
  const translateTime = 'SYS:HH:MM:ss.l';
  return pino(settings, pretty({ colorize, translateTime, destination: destination ?? 1, sync: true }));
}

/** A log that says nothing, for tests. */
export function silentLog(): Log {
  return pino({ level: 'silent' });
}
