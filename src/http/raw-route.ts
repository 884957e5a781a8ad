import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * A part of the paths with methods and streams of its own. It answers, and never leaves a body unread (`discardBody`).
 * What it throws is answered 500.
 * @param path percent-encoded, without the prefix and the query
 */
export type RawRoute = (request: IncomingMessage, response: ServerResponse, path: string) => Promise<void>;
