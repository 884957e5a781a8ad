import { entryPlace, sameAtPlace } from './place.ts';

/** I9: the same index and epoch are the same bytes, on every node, for ever. */
export const oneEntryAPlace = sameAtPlace(
  'one-entry-a-place',
  'logged',
  entryPlace,
  ({ op }) => op,
  ({ idx, epoch, op, node }, before) => `${idx}@${epoch} is write ${before}, and ${op} on n${node}`,
);
