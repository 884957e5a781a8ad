import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';

/** The server found nobody that listens, so the request had no effect: no stream leader at the moment, or no JetStream. */
export function isNobodyThere(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return [error, cause].some((one) => one instanceof errors.RequestError && one.isNoResponders());
}

/** Does JetStream answer with one of these `JetStreamApiCodes`? */
export function isApiError(error: unknown, ...codes: readonly number[]): boolean {
  return error instanceof JetStreamApiError && codes.includes(error.code);
}
