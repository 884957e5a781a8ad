/** Finds a nats-server for the tests, or fetches it once, so that none of them has to: prints its path. */
import { findNatsServer, NatsServerMissingError } from './nats-server.ts';

try {
  process.stdout.write(`${await findNatsServer({ cacheDir: '.cache' })}\n`);
} catch (error) {
  if (!(error instanceof NatsServerMissingError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
