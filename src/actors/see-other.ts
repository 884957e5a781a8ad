import { shardOf } from '../base/hash.ts';
import { BoundedMap } from '../xmpp/bounded-map.ts';
import { sessionKey } from './keys.ts';

/**
 * Whether a client that has logged in here is sent on to the node where its session is (RFC 7395 3.6.1, `see-other-uri`):
 * its stanzas then take one way less. Off by default, since any node serves any client.
 *
 * Never in a loop: somebody who was sent on and comes here again within `againMs` (the client does not follow, or the
 * session has moved meanwhile) is served here. So a client is sent on at most once by each node in that time.
 */
export interface SeeOtherOptions {
  /** ms for which somebody who was sent on is not sent on again */
  readonly againMs: number;
  /** people remembered for that; beyond it the one longest ago is forgotten, and may be sent on once more */
  readonly rememberedMax: number;
}

export const seeOtherDefaults: SeeOtherOptions = { againMs: 60_000, rememberedMax: 50_000 };

export interface SeeOtherParts {
  readonly nodeId: string;
  readonly shards: number;
  /** node that leads the shard, undefined while nobody is known to */
  leader(shard: number): string | undefined;
  /** WebSocket address of a node that takes clients, undefined when it has none to tell, or takes none now */
  address(node: string): string | undefined;
  now(): number;
}

export class SeeOther {
  readonly #parts: SeeOtherParts;
  readonly #options: SeeOtherOptions;
  /** bare JID → ms since the epoch at which it was sent on */
  readonly #sentOn: BoundedMap<number>;

  constructor(parts: SeeOtherParts, options: SeeOtherOptions = seeOtherDefaults) {
    this.#parts = parts;
    this.#options = options;
    this.#sentOn = new BoundedMap(options.rememberedMax);
  }

  /**
   * The address of the user's own node, when the client is to go there; then it is remembered as sent on.
   * @param user bare JID, authenticated
   * @param secure the client came by TLS, so only a wss: address may be named to it (RFC 7395 3.6.1)
   */
  where(user: string, secure: boolean): string | undefined {
    const { nodeId, shards, leader, address, now } = this.#parts;
    const node = leader(shardOf(sessionKey(user), shards));
    if (node === undefined || node === nodeId) return undefined;
    const uri = address(node);
    // One address for all nodes is that of a load balancer, which may lead anywhere.
    if (uri === undefined || uri === address(nodeId) || (secure && !uri.startsWith('wss:'))) return undefined;
    const last = this.#sentOn.get(user);
    const at = now();
    if (last !== undefined && at - last < this.#options.againMs) return undefined;
    this.#sentOn.set(user, at);
    return uri;
  }
}
