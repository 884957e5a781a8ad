import { storeDefaults } from './options.ts';
import { openRocks } from './rocks.ts';

/** All values that a closed store's database has, journal and state, as text: to look for what has to be gone. */
export async function textIn(folder: string): Promise<string> {
  const rocks = await openRocks(folder, storeDefaults);
  const everything = rocks.query({ gte: Buffer.of(0), lt: Buffer.alloc(8, 255) }, Number.POSITIVE_INFINITY);
  await rocks.close();
  return everything.map(([, value]) => value.toString('latin1')).join('\n');
}
