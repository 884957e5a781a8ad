/**
 * Where everything should end up: the present placement, mended with the fewest changes. What stays is never touched;
 * surplus copies go where most is held, missing ones come where least is held, and only then, and only while no node
 * is away, what is uneven is evened out. A target is made anew for every plan; since every step of it lowers the same
 * measure (levels, highest first), plans from half-way lead to the same evenness.
 */
import { evenOut, Rota } from './planner-even.ts';
import { Layout, nobody } from './planner-layout.ts';
import type { ShardSurvey, Survey } from './planner-survey.ts';
import { rendezvousScore } from './rendezvous.ts';

/** Layout of the target; shards by their index in `survey.shards`. */
export function targetOf(survey: Survey): Layout {
  const { shards, holders } = survey;
  const layout = new Layout(shards.length, holders, survey.zoneCap);
  for (const [at, { replicas, leader }] of shards.entries()) {
    for (const { holder } of replicas) {
      if (holder !== nobody && !layout.copies[at]!.includes(holder)) layout.addCopy(at, holder);
    }
    if (leader !== undefined && leader.holder !== nobody) layout.setLeader(at, leader.holder);
  }
  for (const [at, shard] of shards.entries()) if (!shard.fixed) trim(layout, survey, at);
  for (const [at, shard] of shards.entries()) if (!shard.fixed) fill(layout, survey, at, shard);
  if (survey.settled) evenCopies(layout, shards);
  placeLeaders(layout, shards);
  if (survey.settled) evenLeaders(layout, shards);
  return layout;
}

/** Takes out surplus copies, and those that crowd a zone while another zone has room. */
function trim(layout: Layout, survey: Survey, at: number): void {
  for (;;) {
    const held = layout.copies[at]!;
    const surplus = held.length > survey.wanted;
    if (!surplus && !survey.settled) return;
    const crowding = held.filter((holder) => layout.inZone(at, holder) > layout.zoneCap);
    if (!surplus && crowding.length === 0) return;
    const leaver = leaverOf(layout, at, crowding.length > 0 ? crowding : held);
    layout.dropCopy(at, leaver);
    if (layout.leaders[at] === leaver) layout.setLeader(at, nobody);
  }
}

/**
 * The holder that gives up its copy: the fullest, since a copy may just have been made to relieve it, and any other
 * choice could undo that for ever. Among equals not the leader: it would first have to hand over, and the choice after
 * that could fall on its heir, and so on.
 */
function leaverOf(layout: Layout, at: number, from: readonly number[]): number {
  const fuller = (a: number, b: number): number =>
    layout.copyLevel(a) - layout.copyLevel(b) || Number(layout.leaders[at] === b) - Number(layout.leaders[at] === a);
  return from.reduce((a, b) => (fuller(b, a) > 0 ? b : a));
}

/** Adds missing copies where least is held; among equals by the shard's own ranking, so that chance spreads them. */
function fill(layout: Layout, survey: Survey, at: number, { shard }: ShardSurvey): void {
  while (layout.copies[at]!.length < survey.wanted) {
    let best = nobody;
    let bestScore = 0;
    for (const [holder, { open, node }] of layout.holders.entries()) {
      if (!open || !layout.mayHold(at, holder)) continue;
      const less = best === nobody ? -1 : layout.copyLevel(holder) - layout.copyLevel(best);
      if (less > 0) continue;
      const score = rendezvousScore(shard, node);
      if (less === 0 && score <= bestScore) continue;
      best = holder;
      bestScore = score;
    }
    if (best === nobody) return;
    layout.addCopy(at, best);
  }
}

function evenCopies(layout: Layout, shards: readonly ShardSurvey[]): void {
  const lists: number[][] = layout.holders.map(() => []);
  for (const [at, { fixed, loading }] of shards.entries()) {
    if (!fixed && !loading) for (const holder of layout.copies[at]!) lists[holder]!.push(at);
  }
  const rota = new Rota(lists);
  const pick = (from: number, to: number): number => {
    return rota.find(from, (at) => {
      if (!layout.copies[at]!.includes(from)) return 'gone';
      if (!layout.mayHold(at, to, from)) return 'not';
      // A copy that is led must be handed over first.
      return layout.leaders[at] === from ? 'fair' : 'good';
    });
  };
  const move = (at: number, from: number, to: number): void => {
    layout.dropCopy(at, from);
    layout.addCopy(at, to);
    rota.add(to, at);
    layout.evened.push(at);
    if (layout.leaders[at] === from) layout.setLeader(at, nobody);
  };
  evenOut({ loads: layout.held, weights: layout.weights, pick, move }, roundsMax(layout.held));
}

/** A leader whose copy goes is followed by the one that leads least. */
function placeLeaders(layout: Layout, shards: readonly ShardSurvey[]): void {
  for (const [at, { fixed }] of shards.entries()) {
    const leader = layout.leaders[at]!;
    if (fixed || (leader !== nobody && layout.copies[at]!.includes(leader))) continue;
    const heirs = layout.copies[at]!.filter((holder) => layout.holders[holder]!.open);
    const heir = heirs.reduce(
      (a, b) => (a === nobody || layout.leaderLevel(b) < layout.leaderLevel(a) ? b : a),
      nobody,
    );
    layout.setLeader(at, heir);
  }
}

function evenLeaders(layout: Layout, shards: readonly ShardSurvey[]): void {
  const lists: number[][] = layout.holders.map(() => []);
  for (const [at, { fixed }] of shards.entries()) {
    if (!fixed && layout.leaders[at] !== nobody) lists[layout.leaders[at]!]!.push(at);
  }
  const rota = new Rota(lists);
  const pick = (from: number, to: number): number =>
    rota.find(from, (at) => {
      if (layout.leaders[at] !== from) return 'gone';
      if (!layout.copies[at]!.includes(to)) return 'not';
      // One that changes its leader anyway costs no further transfer.
      return shards[at]!.leader?.holder === from ? 'fair' : 'good';
    });
  const move = (at: number, _from: number, to: number): void => {
    layout.setLeader(at, to);
    rota.add(to, at);
  };
  evenOut({ loads: layout.led, weights: layout.weights, pick, move }, roundsMax(layout.led));
}

/** Far more than evening takes: a bound for the loop, not a limit that is met. */
const roundsMax = (loads: readonly number[]): number => 2 * (loads.reduce((sum, load) => sum + load, 0) + loads.length);
