import { entryPlace, sameAtPlace } from './place.ts';

/** I15: an entry stands behind the same entry in every log, so that logs agree up to any entry they share. */
export const chained = sameAtPlace(
  'chained',
  'logged',
  entryPlace,
  ({ prevEpoch }) => prevEpoch,
  ({ idx, epoch, prevEpoch, node }, before) => `${idx}@${epoch} follows epoch ${before}, on n${node} ${prevEpoch}`,
);
