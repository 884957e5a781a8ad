import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { EXIT, ExitError } from '../base/errors.ts';
import { type Io, tell } from './io.ts';

export interface PasswordFlags {
  readonly password?: string;
  readonly passwordStdin?: boolean;
}

/** Bytes read from standard input before giving up on a line end. */
const STDIN_BYTES_MAX = 64 * 1024;

/**
 * The new password: asked for twice at the terminal without echo, or the first line of standard input, or the flag's
 * with a warning. @throws ExitError (usage) when there is none or the two differ
 */
export async function passwordFor(io: Io, flags: PasswordFlags): Promise<string> {
  const password = await given(io, flags);
  if (password === '') throw new ExitError('the password is empty', EXIT.usage);
  return password;
}

async function given(io: Io, flags: PasswordFlags): Promise<string> {
  if (flags.passwordStdin === true) return firstLine(io.stdin);
  if (flags.password !== undefined) {
    tell(io, 'warning: --password is visible in the process list and the shell history; --password-stdin is not');
    return flags.password;
  }
  if (io.stdin.isTTY !== true)
    throw new ExitError('there is no terminal to ask for the password; use --password-stdin', EXIT.usage);
  const password = await ask(io, 'Password: ');
  if (password !== (await ask(io, 'Again: '))) throw new ExitError('the two passwords differ', EXIT.usage);
  return password;
}

async function firstLine(stdin: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stdin) {
    text += chunk.toString();
    if (text.includes('\n') || text.length > STDIN_BYTES_MAX) break;
  }
  return text.split(/\r?\n/, 1)[0] ?? '';
}

/** Reads a line at the terminal; the terminal is in raw mode meanwhile, and what it would echo goes nowhere. */
function ask(io: Io, question: string): Promise<string> {
  io.stderr.write(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: io.stdin, output: nowhere, terminal: true, historySize: 0 });
  return new Promise((resolve, reject) => {
    let answer: string | undefined;
    lines.once('line', (line) => {
      answer = line;
      lines.close();
    });
    lines.once('SIGINT', () => lines.close());
    lines.once('close', () => {
      io.stderr.write('\n');
      if (answer === undefined) reject(new ExitError('no password was given', EXIT.usage));
      else resolve(answer);
    });
  });
}
