import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import type { Server } from 'node:https';
import { createSecureContext } from 'node:tls';
import { EXIT, ExitError, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface TlsPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/**
 * Reads certificate chain and key, and checks that they belong together.
 * @throws ExitError (cannotListen) naming the files
 */
export function readTlsFiles({ certFile, keyFile }: TlsFiles): TlsPair {
  try {
    const pair = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
    createSecureContext(pair);
    return pair;
  } catch (error) {
    const line = `cannot use the certificate ${certFile} with the key ${keyFile}: ${messageOf(error)}`;
    throw new ExitError(line, EXIT.cannotListen, { cause: error });
  }
}

/**
 * Gives the server the new certificate whenever one of the files changes; open connections keep theirs. Looks at the
 * files every `intervalMs`, which also sees renamed files and links as certificate tools leave them. While the two do
 * not fit (one is written before the other) the old pair stays, with a warning, until the next change.
 * @returns stops watching
 */
export function reloadTlsFiles(server: Server, files: TlsFiles, intervalMs: number, log: Log): () => void {
  const paths = [files.certFile, files.keyFile];
  const reload = () => {
    try {
      server.setSecureContext({ ...readTlsFiles(files), minVersion: 'TLSv1.2' });
      log.info({ certFile: files.certFile }, 'certificate reloaded');
    } catch (error) {
      log.warn({ err: error }, 'certificate not reloaded, the old one stays');
    }
  };
  for (const path of paths) watchFile(path, { interval: intervalMs, persistent: false }, reload);
  return () => {
    for (const path of paths) unwatchFile(path, reload);
  };
}
