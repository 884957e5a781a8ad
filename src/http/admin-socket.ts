import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { codeOf, EXIT, ExitError } from '../base/errors.ts';

/** Bytes of a Unix socket's path on the strictest system (macOS: 104 with the end mark). */
const PATH_BYTES_MAX = 100;

/**
 * Where the admin socket of a data folder is: in the folder, or, when that path is longer than the system takes, in a
 * folder of this user's own below the temporary folder, named after the data folder. Server and client both ask here.
 * @throws ExitError when that folder is not this user's alone
 */
export function adminSocketPath(dataDir: string): string {
  const folder = realOf(resolve(dataDir));
  const inside = join(folder, 'admin.sock');
  if (Buffer.byteLength(inside) <= PATH_BYTES_MAX) return inside;
  const own = join(tmpdir(), `rookery-${process.getuid?.() ?? 0}`);
  mkdirSync(own, { mode: 0o700, recursive: true });
  const { uid, mode } = lstatSync(own);
  if (!lstatSync(own).isDirectory() || uid !== process.getuid?.())
    throw new ExitError(`${own} is not a folder of this user, so the admin socket cannot be there`, EXIT.failure);
  if ((mode & 0o077) !== 0) chmodSync(own, 0o700);
  return join(own, `${createHash('sha256').update(folder).digest('hex').slice(0, 16)}.sock`);
}

/** The folder by its one real name, however it was written; as written when it does not exist, or cannot be seen. */
function realOf(folder: string): string {
  try {
    return realpathSync(folder);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(codeOf(error) ?? '')) return folder;
    throw error;
  }
}
