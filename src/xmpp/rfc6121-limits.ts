/** Bounds of a user's roster and presence, each with the answer beyond it. */
export interface RosterLimits {
  /** roster items; more are refused with `policy-violation` */
  readonly rosterItemsMax: number;
  /** groups of one item; more are `not-acceptable` */
  readonly groupsPerItemMax: number;
  /** UTF-16 units of an item's name; longer is `not-acceptable` */
  readonly nameCharsMax: number;
  /** UTF-16 units of a group's name; longer is `not-acceptable` */
  readonly groupCharsMax: number;
  /** UTF-16 units of an item's name and groups together; more are `not-acceptable`. All rosters in use are in memory */
  readonly itemCharsMax: number;
  /** requests of people who are not in the roster; further ones are answered `unsubscribed` */
  readonly strangersMax: number;
  /** UTF-16 units kept of a request's children; a longer one is shown once as it came, and kept without them */
  readonly requestCharsMax: number;
  /** tombstones and cursors; beyond, the oldest quarter is dropped and older clients get the whole roster */
  readonly ghostsMax: number;
  /** changes sent one by one to a client that knows an older version; beyond, it gets the whole roster */
  readonly changesMax: number;
  /** entities one resource owes an unavailable to (4.6); further directed presence is `resource-constraint` */
  readonly directedMax: number;
}

export const ROSTER_LIMITS: RosterLimits = {
  rosterItemsMax: 10_000,
  groupsPerItemMax: 64,
  nameCharsMax: 1023,
  groupCharsMax: 1023,
  itemCharsMax: 2048,
  strangersMax: 1000,
  requestCharsMax: 4096,
  ghostsMax: 1000,
  changesMax: 500,
  directedMax: 1000,
};
