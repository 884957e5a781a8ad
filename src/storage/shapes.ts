import type { Value } from './log-store.ts';

/**
 * Plain objects of the same keys, one after the other in a flat array: the keys once in a table, then for each object
 * the number of its shape and its values. Everything else is -1 and the value as it is. Packing such an array takes
 * about half the time and bytes of packing the objects, and it is still plain MessagePack.
 */
export type Shapes = (readonly string[])[];

const asItIs = -1;

/** Shapes in one table; an object of a further one goes as it is, since each look-up goes through the table. */
const shapesMax = 16;

/** Appends a value to `flat`; a shape that is new is added to the table. */
export function pushShaped(flat: unknown[], shapes: Shapes, value: Value): void {
  if (!isPlain(value)) return void flat.push(asItIs, value);
  // A block's records mostly have one shape, which is told without a list of the keys.
  if (hasShape(value, shapes[0])) {
    flat.push(0);
    for (const key in value) flat.push(value[key]);
    return;
  }
  const keys = Object.keys(value);
  const shape = shapeOf(shapes, keys);
  if (shape === asItIs) return void flat.push(asItIs, value);
  flat.push(shape);
  for (const key of keys) flat.push(value[key]);
}

/** Reads flat arrays from their front. */
export class FlatReader {
  readonly flat: readonly unknown[];
  readonly shapes: Shapes;
  at: number;

  constructor(flat: readonly unknown[], shapes: Shapes, at: number) {
    this.flat = flat;
    this.shapes = shapes;
    this.at = at;
  }

  get done(): boolean {
    return this.at >= this.flat.length;
  }

  next(): unknown {
    const value = this.flat[this.at];
    this.at += 1;
    return value;
  }

  /** A value that `pushShaped` wrote. */
  shaped(): Value {
    const keys = this.shapes[this.next() as number];
    if (keys === undefined) return this.next();
    const value: Record<string, unknown> = {};
    for (const key of keys) value[key] = this.next();
    return value;
  }
}

function isPlain(value: Value): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function shapeOf(shapes: Shapes, keys: readonly string[]): number {
  for (let i = 0; i < shapes.length; i += 1) if (isSame(keys, shapes[i]!)) return i;
  // Assigned to an object, that name is no key.
  if (shapes.length >= shapesMax || keys.includes('__proto__')) return asItIs;
  return shapes.push(keys) - 1;
}

function isSame(keys: readonly string[], shape: readonly string[]): boolean {
  if (keys.length !== shape.length) return false;
  for (let i = 0; i < keys.length; i += 1) if (keys[i] !== shape[i]) return false;
  return true;
}

function hasShape(value: Record<string, unknown>, shape: readonly string[] | undefined): boolean {
  if (shape === undefined) return false;
  let at = 0;
  for (const key in value) {
    if (key !== shape[at]) return false;
    at += 1;
  }
  return at === shape.length;
}
