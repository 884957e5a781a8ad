import type { Check } from '../cluster-world.ts';

/** D7: what others wrote reaches a device of each user whose devices manage their streams, whatever became of sockets. */
export const devicesSeeEverything: Check = {
  name: 'devices-see-everything',
  reads: [],
  begin: (world) => ({
    atEnd: () => (world.healed ? world.whole?.unseen() : undefined),
  }),
};
