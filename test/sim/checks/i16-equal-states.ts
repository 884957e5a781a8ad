import { sameAtPlace } from './place.ts';

/** I16: every copy's state at an index has the same checksum. */
export const equalStates = sameAtPlace(
  'equal-states',
  'applied',
  ({ shard, idx }) => shard * 100_000 + idx,
  ({ cell }) => cell.sum,
  ({ idx, node }) => `the state of n${node} at ${idx} is another one`,
);
