import { CommanderError } from 'commander';
import { program } from './program.ts';

try {
  await program().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
// Sockets of an aborted set-up may linger; the report is out.
process.exit();
