import type { IncomingHttpHeaders } from 'node:http';
import type { ClientAddress } from './client-address.ts';

/** What a route is asked. The method is GET or HEAD: the server answers HEAD itself, by leaving out the body. */
export interface HttpRequest {
  /** percent-encoded, without the query, beginning with `/` */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly client: ClientAddress;
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** One read. Data in, data out: sockets, HEAD, lengths and errors are the server's. */
export type Route = (request: HttpRequest) => Reply | Promise<Reply>;

/** Plain text for people; one line, without the line end. */
export function text(status: number, line: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers }, body: `${line}\n` };
}

export function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: `${JSON.stringify(value)}\n` };
}
