import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import ipaddr from 'ipaddr.js';

/** Who is at the other end, as far as it can be believed. */
export interface ClientAddress {
  /** IP address in its shortest form; IPv4 also when it came mapped into IPv6. `unknown` when the socket is gone */
  readonly address: string;
  /** TLS all the way to us, or to a trusted proxy that says so */
  readonly secure: boolean;
  /** this machine itself: its address is loopback, and no unbelieved header hints at a proxy in between */
  readonly loopback: boolean;
  /** host and port the client asked for; undefined when absent or not a host */
  readonly host: string | undefined;
}

/** The parts of a request that are looked at. */
export type AddressedRequest = Pick<IncomingMessage, 'headers'> & { readonly socket: { remoteAddress?: string } };

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** Headers that proxies add. From a peer that is not trusted they prove one thing only: that it may be a proxy. */
const FORWARDING_HEADERS: readonly string[] = [
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-real-ip',
  'via',
];

/** Hops of X-Forwarded-For looked at, from the nearest; real chains have one to three. */
const HOPS_MAX = 16;

const HOST = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

/**
 * Makes the function that tells a request's client. X-Forwarded-For, -Proto and -Host count only when the peer is
 * one of `trustedProxies`; then the client is the last hop that is not itself one of them.
 * @param trustedProxies IP addresses and CIDR ranges
 * @throws Error when one is neither
 */
export function clientAddresses(trustedProxies: readonly string[]): (request: AddressedRequest) => ClientAddress {
  const ranges = trustedProxies.map(toRange);
  const trusts = (address: string) => ranges.length > 0 && ranges.some((range) => isWithin(address, range));
  return (request) => {
    const { headers, socket } = request;
    const peer = normalise(socket.remoteAddress) ?? 'unknown';
    const encrypted = (socket as Partial<TLSSocket>).encrypted === true;
    if (!trusts(peer)) {
      const direct = FORWARDING_HEADERS.every((name) => headers[name] === undefined);
      return { address: peer, secure: encrypted, loopback: direct && isLoopback(peer), host: hostOf(headers.host) };
    }
    const hops = last(headers['x-forwarded-for'], HOPS_MAX);
    const address = originOf(peer, hops, trusts);
    const proto = last(headers['x-forwarded-proto'], 1)[0]?.toLowerCase();
    // A trusted proxy that forwards without saying for whom: the client may be anyone.
    const named = hops.length > 0 || FORWARDING_HEADERS.every((name) => headers[name] === undefined);
    return {
      address,
      secure: proto === undefined ? encrypted : proto === 'https' || proto === 'wss',
      loopback: named && isLoopback(address),
      host: hostOf(last(headers['x-forwarded-host'], 1)[0] ?? headers.host),
    };
  };
}

/** Walks from the nearest hop outwards while each is trusted; a hop that is no address ends the walk. */
function originOf(peer: string, hops: readonly string[], trusts: (address: string) => boolean): string {
  let address = peer;
  for (const hop of hops) {
    const next = normalise(hop);
    if (next === undefined) break;
    address = next;
    if (!trusts(next)) break;
  }
  return address;
}

/** The last `count` items of a comma-separated header, the last first. */
function last(header: string | string[] | undefined, count: number): string[] {
  if (header === undefined) return [];
  const items = (typeof header === 'string' ? header : header.join(',')).split(',').slice(-count);
  return items
    .map((item) => item.trim())
    .filter((item) => item !== '')
    .reverse();
}

function hostOf(header: string | undefined): string | undefined {
  if (header === undefined || header.length > 260 || !HOST.test(header)) return undefined;
  // Ports above 65535 and addresses such as 1.2.3.4.5: whoever makes a URL of it must not fail.
  return URL.canParse(`http://${header}`) ? header.toLowerCase() : undefined;
}

function normalise(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  const bare = address.replace(/^\[(.*)\](?::\d+)?$/, '$1').replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1');
  // Only the four-part form: ipaddr.js also takes `127.1` and octal, which no proxy sends.
  const valid = bare.includes(':') ? ipaddr.IPv6.isValid(bare) : ipaddr.IPv4.isValidFourPartDecimal(bare);
  return valid ? ipaddr.process(bare).toString() : undefined;
}

/** Whether an address, in any form, is this machine's own. */
export function isLoopback(address: string): boolean {
  const known = normalise(address);
  return known !== undefined && ipaddr.parse(known).range() === 'loopback';
}

function toRange(text: string): Range {
  if (text.includes('/')) return ipaddr.parseCIDR(text);
  const address = ipaddr.process(text);
  return [address, address.kind() === 'ipv4' ? 32 : 128];
}

function isWithin(address: string, [network, bits]: Range): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  return parsed.kind() === network.kind() && parsed.match(network, bits);
}
