import type { StreamCondition } from './rfc7395-framing.ts';

/** Bounds of one frame. The frame's bytes are the gateway's to bound, before this. Over a bound: policy-violation. */
export interface FrameLimits {
  /** elements inside one another; the root is 1 */
  readonly depthMax: number;
  /** attributes of one element, namespace declarations included */
  readonly attrsMax: number;
  /** UTF-16 units of an element or attribute name, prefix included */
  readonly nameLengthMax: number;
  /** elements of a frame */
  readonly elementsMax: number;
  /** prefixes declared by an element and those around it */
  readonly prefixesMax: number;
}

export const FRAME_LIMITS: FrameLimits = {
  depthMax: 32,
  attrsMax: 64,
  nameLengthMax: 256,
  elementsMax: 10_000,
  prefixesMax: 64,
};

/** A frame that cannot be taken. `condition` is for the stream error (RFC 6120 4.9.3); the message holds no content. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
  readonly condition: StreamCondition;
  constructor(condition: StreamCondition, reason: string) {
    super(reason);
    this.condition = condition;
  }
}

/** The fault of breaking XML 1.0 or Namespaces in XML 1.0 (RFC 6120 4.9.3.13). */
export function malformed(reason: string): FrameError {
  return new FrameError('not-well-formed', reason);
}
