import type { Check } from '../cluster-world.ts';

/** D10: in the end those in a room are the devices that take themselves for it: no ghosts, nobody out without knowing. */
export const occupantsAreDevices: Check = {
  name: 'occupants-are-devices',
  reads: [],
  begin: (world) => ({
    atEnd: () => (world.healed ? world.whole?.strayed() : undefined),
  }),
};
