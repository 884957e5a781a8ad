/** A broken invariant of ours, never of a client's input: the actor that meets it stops, its supervisor decides. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** @throws InvariantError when `condition` is falsy. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** The value, known to be there. @throws InvariantError when it is undefined or null. */
export function must<T>(value: T | undefined | null, message: string): T {
  if (value === undefined || value === null) throw new InvariantError(message);
  return value;
}

/** Closes a switch over a discriminated union: a missing case is a type error. @throws InvariantError */
export function unreachable(value: never): never {
  throw new InvariantError(`unexpected value ${JSON.stringify(value)}`);
}
