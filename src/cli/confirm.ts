import { EXIT, ExitError } from '../base/errors.ts';
import type { Io } from './io.ts';

/**
 * Asks at the terminal and goes on when `word` is typed.
 * @param otherwise what to say when it is not
 * @throws ExitError (usage) when there is no terminal, or something else is typed
 */
export async function confirmed(io: Io, question: string, word: string, otherwise: string): Promise<void> {
  if (io.stdin.isTTY !== true) throw new ExitError('there is no terminal to ask; use --yes', EXIT.usage);
  io.stderr.write(question);
  for await (const chunk of io.stdin) {
    io.stdin.pause();
    if (chunk.toString().trim() === word) return;
    break;
  }
  throw new ExitError(otherwise, EXIT.usage);
}
