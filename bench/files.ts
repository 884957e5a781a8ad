import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Path of a script beside the one at `url`, .ts when run from source, .js when compiled. */
export function siblingScript(url: string, name: string): string {
  const self = fileURLToPath(url);
  return join(dirname(self), name + extname(self));
}
