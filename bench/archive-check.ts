import type { Client } from './client.ts';
import { Flow, findMark, readMark } from './flow.ts';
import { mamPage } from './mam.ts';
import { pool } from './pool.ts';
import type { Progress } from './progress.ts';
import type { Acks } from './report.ts';

export interface ArchiveCheck {
  /** user i talks with user i ^ 1 */
  readonly clients: readonly Client[];
  readonly run: string;
  /** user i's messages 1..acked[i] were acknowledged */
  readonly acked: readonly number[];
  /** those of them that the server answered with an error: they may be there or not */
  readonly refused?: (user: number, seq: number) => boolean;
  /** called for an acknowledged message that an archive does not hold, for the first ones only */
  readonly onMissing?: (archiveOf: number, sender: number, seq: number) => void;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Accounts whose archives are read at once. */
const parallel = 4;
const pageSize = 100;
/** Missing messages that are named. */
const toldMax = 10;
/** Pages read of one archive before it is called endless. */
const pagesMax = 20_000;

/** Reads both archives of every pair and compares them with what was acknowledged. @throws Error on a failing query */
export async function verifyArchives(check: ArchiveCheck): Promise<NonNullable<Acks['archived']>> {
  const { clients, acked, progress, signal } = check;
  const result = { archives: 0, missing: 0, duplicated: 0, reordered: 0, ordersDiffer: 0 };
  const orders: string[] = [];
  let told = 0;
  await pool(clients, parallel, signal, async (client, i) => {
    if (client.ended) return;
    const flows = [new Flow(), new Flow()];
    const order: number[] = [];
    await readRun(
      client,
      check.run,
      `${clients[i ^ 1]!.options.account.user}@${client.options.domain}`,
      (sender, seq) => {
        flows[sender & 1]!.see(seq);
        order.push(sender, seq);
      },
    );
    for (const sender of [i, i ^ 1]) {
      const flow = flows[sender & 1]!;
      for (const seq of flow.missing(acked[sender]!)) {
        if (check.refused?.(sender, seq) !== true && told++ < toldMax) check.onMissing?.(i, sender, seq);
      }
      result.missing += Math.max(
        0,
        flow.lost(acked[sender]!, (seq) => check.refused?.(sender, seq) ?? false),
      );
      result.duplicated += flow.duplicated;
      result.reordered += flow.reordered;
    }
    const seen = order.join();
    const other = orders[i >> 1];
    if (other === undefined) orders[i >> 1] = seen;
    else if (other !== seen) result.ordersDiffer++;
    progress.show(`archives: ${++result.archives}/${clients.length} read`);
  });
  return result;
}

/** Calls `see` with every message of this run, newest page first read, handed over oldest first. */
async function readRun(
  client: Client,
  run: string,
  peer: string,
  see: (sender: number, seq: number) => void,
): Promise<void> {
  const pages: { sender: number; seq: number }[][] = [];
  let before = '';
  for (let n = 0; n < pagesMax; n++) {
    const page = await mamPage(client, { with: peer, max: pageSize, before });
    const ours = page.results.flatMap((xml) => {
      const at = findMark(xml, run);
      return at < 0 ? [] : [readMark(xml, at)];
    });
    pages.push(ours);
    // Runs before this one lie behind: a page with none of ours ends it.
    if (page.complete || page.results.length === 0 || ours.length === 0) break;
    before = page.first;
  }
  for (const page of pages.reverse()) for (const { sender, seq } of page) see(sender, seq);
}
