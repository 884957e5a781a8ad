import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
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
 * Gives the server the new certificate whenever one of the files changes; open connections keep theirs. Reads the files
 * every `intervalMs` and compares: that sees renamed files and links as certificate tools leave them, and a change that
 * came right after the start. While the two do not fit (one is written before the other) the old pair stays, with a
 * warning, until the next change.
 * @param inUse what the server was started with
 * @returns stops watching
 */
export function reloadTlsFiles(
  server: Server,
  files: TlsFiles,
  inUse: TlsPair,
  intervalMs: number,
  log: Log,
): () => void {
  let tried = contentOf(inUse);
  const look = () => {
    const now = contentOnDisk(files);
    if (now === tried) return;
    tried = now;
    try {
      server.setSecureContext({ ...readTlsFiles(files), minVersion: 'TLSv1.2' });
      log.info({ certFile: files.certFile }, 'certificate reloaded');
    } catch (error) {
      log.warn({ err: error }, 'certificate not reloaded, the old one stays');
    }
  };
  const timer = setInterval(look, intervalMs).unref();
  return () => clearInterval(timer);
}

function contentOf({ cert, key }: TlsPair): string {
  return createHash('sha256').update(cert).update('\0').update(key).digest('base64');
}

function contentOnDisk({ certFile, keyFile }: TlsFiles): string {
  try {
    return contentOf({ cert: readFileSync(certFile), key: readFileSync(keyFile) });
  } catch (error) {
    return messageOf(error);
  }
}
