import type { PeerView } from '../../src/cluster/replica-types.ts';
import type { Member } from '../../src/cluster/shard-config.ts';

export const GRACE_MS = 150;
export const LEASE_MS = 100;

interface Heard {
  readonly inc: string;
  readonly at: number;
}

interface Lease extends Heard {
  readonly since: number;
}

/** What a process knows from heartbeats: when it heard whom, and until when who cannot suspect it. Own clock. */
export class Peers implements PeerView {
  readonly #self: string;
  readonly #nodes: ReadonlyMap<string, number>;
  readonly #clock: () => number;
  readonly #startedAt: number;
  readonly #heard: (Heard | undefined)[] = [];
  readonly #lease: (Lease | undefined)[] = [];
  readonly leaseSince?: (member: Member) => number;

  /** @param tellsSince whether it answers leaseSince, which a peer view need not */
  constructor(self: string, nodes: ReadonlyMap<string, number>, clock: () => number, tellsSince: boolean) {
    this.#self = self;
    this.#nodes = nodes;
    this.#clock = clock;
    this.#startedAt = clock();
    if (tellsSince)
      this.leaseSince = ({ node, inc }) => {
        const lease = this.#lease[this.#nodes.get(node) ?? -1];
        return lease?.inc === inc ? lease.since : Number.POSITIVE_INFINITY;
      };
  }

  heard(from: number, inc: string): void {
    this.#heard[from] = { inc, at: this.#clock() };
  }

  /** That node answered a heartbeat of ours, sent at that time. */
  answered(by: number, inc: string, sentAt: number): void {
    const was = this.#lease[by];
    const now = this.#clock();
    const unbroken = was !== undefined && was.inc === inc && now < was.at;
    this.#lease[by] = { inc, at: sentAt + LEASE_MS, since: unbroken ? was.since : now };
  }

  isSuspect({ node, inc }: Member): boolean {
    if (node === this.#self) return false;
    const heard = this.#heard[this.#nodes.get(node) ?? -1];
    if (heard !== undefined && heard.inc !== inc) return true;
    return this.#clock() - Math.max(heard?.at ?? Number.NEGATIVE_INFINITY, this.#startedAt) > GRACE_MS;
  }

  leaseUntil({ node, inc }: Member): number {
    const lease = this.#lease[this.#nodes.get(node) ?? -1];
    return lease?.inc === inc ? lease.at : Number.NEGATIVE_INFINITY;
  }

  /** Changes whenever an answer of isSuspect does, for the members named. */
  digest(members: readonly Member[]): string {
    let text = '';
    for (const member of members) if (this.isSuspect(member)) text += `${member.node}/${member.inc} `;
    return text;
  }
}
