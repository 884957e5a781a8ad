import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from './base/clock.ts';
import { codeOf, EXIT, ExitError } from './base/errors.ts';
import { shortId } from './base/ids.ts';
import type { Log } from './base/log.ts';
import type { Metrics } from './base/metrics.ts';
import { randomBytes } from './base/random.ts';
import type { Config } from './config.ts';
import type { FileStore } from './http/file-store.ts';
import { openDiskStore } from './http/file-store-disk.ts';
import { type UploadStats, Uploads } from './http/uploads.ts';

/** Where uploads are served; what `upload.publicUrl` stands for. */
export const UPLOAD_PATH = '/upload';

const SECRET_FILE = 'upload-secret';
const SECRET_BYTES = 32;
const SECRET_CHARS_MIN = 16;
const ID_CHARS = 26;
const HOUR_MS = 3_600_000;

/**
 * The files of clients, as configured.
 * @returns undefined when this node does not offer them
 * @throws ExitError (storageRefused) when folder or secret cannot be used
 */
export async function openUploads(config: Config, log: Log): Promise<Uploads | undefined> {
  const { upload, cluster, node } = config;
  if (!upload.enabled) return undefined;
  if (cluster.name !== '' && upload.store === 'disk') {
    log.warn(
      { store: upload.store },
      'upload: NOT OFFERED: files on the disk of one node are lost with it; set upload.store to s3, or upload.enabled to false',
    );
    return undefined;
  }
  const secret = upload.secret === '' ? await secretOf(node.dataDir) : upload.secret;
  return new Uploads({
    store: await openStore(config),
    secret,
    options: {
      ...upload,
      quotaMs: upload.quotaHours * HOUR_MS,
      slotMs: upload.slotSeconds * 1000,
    },
    clock: systemClock,
    newRandom: () => shortId(ID_CHARS),
    log,
  });
}

async function openStore({ upload, node }: Config): Promise<FileStore> {
  const { totalBytesMax, freeBytesMin } = upload;
  const folder = upload.dir === '' ? join(node.dataDir, 'uploads') : upload.dir;
  if (upload.store === 'disk') return openDiskStore({ folder, totalBytesMax, freeBytesMin });
  // The SDK takes a third of a second to load, which nobody else should wait for.
  const { openS3Store } = await import('./http/file-store-s3.ts');
  return openS3Store({
    bucket: upload.s3Bucket,
    endpoint: upload.s3Endpoint,
    region: upload.s3Region,
    prefix: upload.s3Prefix,
    pathStyle: upload.s3PathStyle,
    direct: upload.s3Direct,
    conditional: upload.s3Conditional,
    totalBytesMax,
  });
}

/** Outlives restarts, so that slots do. Read by the system user of the node alone. */
async function secretOf(dataDir: string): Promise<string> {
  const path = join(dataDir, SECRET_FILE);
  try {
    const secret = (await readFile(path, 'utf8')).trim();
    if (secret.length >= SECRET_CHARS_MIN) return secret;
    throw new ExitError(`${path} holds no secret: remove it, and another one is made`, EXIT.storageRefused);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  const handle = await open(`${path}.new`, 'w', 0o600);
  try {
    await handle.writeFile(`${secret}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${path}.new`, path);
  return secret;
}

/**
 * Gives uploads their URLs, once it is known where this node listens.
 * @param port really taken
 */
export function announceUploads(uploads: Uploads, config: Config, port: number, secure: boolean, log: Log): void {
  const { upload, listen } = config;
  const url = publicUrlOf(config, port, secure);
  uploads.publicUrl = url;
  if (listen.trustedProxies.length > 0 && upload.publicUrl === '' && listen.publicWebSocketUrl === '')
    log.warn({ url }, 'upload: URLs of files lead past the proxy; set upload.publicUrl');
}

/** What stands before `/<id>/<name>` in the URLs of files. @param port really taken */
export function publicUrlOf({ upload, listen, node }: Config, port: number, secure: boolean): string {
  if (upload.publicUrl !== '') return upload.publicUrl.replace(/\/+$/, '');
  if (listen.publicWebSocketUrl !== '')
    return new URL(listen.publicWebSocketUrl.replace(/^ws/, 'http')).origin + UPLOAD_PATH;
  const everywhere = listen.host === '0.0.0.0' || listen.host === '::';
  const host = everywhere ? node.domain : listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  return `${secure ? 'https' : 'http'}://${host}:${port}${UPLOAD_PATH}`;
}

const NONE: UploadStats = {
  slots: {},
  uploads: {},
  bytes: { received: 0, sent: 0 },
  running: { uploads: 0, downloads: 0 },
  stored: { files: 0, bytes: 0 },
};

/** @param uploads undefined when this node offers none: its figures are 0 */
export function registerUploadMetrics(metrics: Metrics, uploads: Uploads | undefined): void {
  const stats = (): UploadStats => uploads?.stats() ?? NONE;
  metrics.counters('rookery_upload_slots_total', 'Requests for a slot', 'result', () => stats().slots);
  metrics.counters('rookery_uploads_total', 'What came of uploads', 'result', () => stats().uploads);
  metrics.counters('rookery_upload_bytes_total', 'Bytes of whole files', 'direction', () => stats().bytes);
  metrics.gauges('rookery_upload_running', 'Uploads and downloads that run', 'kind', () => stats().running);
  metrics.gauges('rookery_upload_stored', 'Files that are kept, and their bytes', 'what', () => stats().stored);
}
