import { statSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, EXIT, ExitError } from '../base/errors.ts';

/** The file RocksDB makes first and always has. */
const FIRST_FILE = 'CURRENT';

/**
 * Root may open everyone's folder, and would leave files there that the node's own system user cannot write: after
 * one `sudo rookery user add` the service would not start any more.
 * @throws ExitError (storageRefused) when the database in the folder belongs to another system user
 */
export function checkOwner(dataDir: string, ownId = process.getuid?.()): void {
  let owner: number;
  try {
    owner = statSync(join(dataDir, FIRST_FILE)).uid;
  } catch (error) {
    // None yet, or nothing this user may see: opening it tells.
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(codeOf(error) ?? '')) return;
    throw error;
  }
  if (ownId === undefined || owner === ownId) return;
  const line = `${dataDir} belongs to another system user (number ${owner}): run this as that user (sudo -u '#${owner}' …)`;
  throw new ExitError(line, EXIT.storageRefused);
}
