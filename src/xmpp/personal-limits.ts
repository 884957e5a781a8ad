/** Bounds of what a user keeps on the server beside roster and archive, each with the answer beyond it. */
export interface PersonalLimits {
  /** addresses that one user blocks (XEP-0191); more are refused with `policy-violation` */
  readonly blockedMax: number;
  /** bytes of UTF-8 of a vCard (XEP-0054); a larger one is refused with `policy-violation` */
  readonly vcardBytesMax: number;
  /** elements that one user stores (XEP-0049), each with a namespace of its own; more: `policy-violation` */
  readonly privateItemsMax: number;
  /** bytes of UTF-8 of all of them together; more: `policy-violation` */
  readonly privateBytesMax: number;
}

export const PERSONAL_LIMITS: PersonalLimits = {
  blockedMax: 1000,
  vcardBytesMax: 131_072,
  privateItemsMax: 100,
  privateBytesMax: 262_144,
};
