import type { Random } from '../../src/base/random.ts';
import type { Fault } from './faults.ts';

/** All faults in a drawn order, then all in another one, until it is over. */
export function rounds(faults: readonly Fault[], over: () => boolean) {
  let left: Fault[] = [];
  return (_done: number, random: Random): Fault | undefined => {
    if (over()) return undefined;
    if (left.length === 0) left = [...faults];
    return left.splice(random.int(left.length), 1)[0];
  };
}
