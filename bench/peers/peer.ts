import { existsSync } from 'node:fs';

/** A server that compare.ts can start, use and end. */
export interface Peer {
  readonly name: string;
  /** program it needs; the peer is left out when it is not installed */
  readonly needs: string;
  /**
   * Writes its configuration into `folder` and says how to start it in the foreground. `archive` switches the message
   * archive (users' and rooms') on.
   */
  prepare(folder: string, port: number, archive: boolean): PeerStart;
}

export interface PeerStart {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly url: string;
  readonly domain: string;
}

export function installed(peer: Peer): boolean {
  return existsSync(peer.needs);
}
