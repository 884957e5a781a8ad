import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { dayOfFile, type FileFacts, type FileStore, isFileId, type Usage } from './file-store.ts';

export interface S3StoreOptions {
  readonly bucket: string;
  /** http(s) URL of an S3-compatible service; empty: that of AWS for the region */
  readonly endpoint: string;
  readonly region: string;
  /** what every key begins with */
  readonly prefix: string;
  /** the bucket in the path and not in the host name */
  readonly pathStyle: boolean;
  /** clients reach the bucket themselves, with presigned URLs */
  readonly direct: boolean;
  /** puts say that nothing may be there yet (If-None-Match), which some services refuse */
  readonly conditional: boolean;
  /** bytes of all files; one more is refused. What other nodes took counts since the last sweep */
  readonly totalBytesMax: number;
  /** access keys; those of the environment (AWS_ACCESS_KEY_ID, …) when absent */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** ms until a request that makes no progress is given up */
const REQUEST_TIMEOUT_MS = 30_000;

/** Files as objects `<prefix><day>/<id>` of a bucket that any number of nodes share. Nothing is asked of it yet. */
export function openS3Store(options: S3StoreOptions): FileStore {
  const client = new S3Client({
    region: options.region,
    forcePathStyle: options.pathStyle,
    ...(options.endpoint !== '' && { endpoint: options.endpoint }),
    ...(options.credentials && { credentials: options.credentials }),
    requestHandler: { connectionTimeout: REQUEST_TIMEOUT_MS, socketTimeout: REQUEST_TIMEOUT_MS },
    // S3-compatible services know these checksums only in part, and a presigned URL cannot hold one of bytes to come.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  return new S3Store(client, options);
}

class S3Store implements FileStore {
  readonly #client: S3Client;
  readonly #options: S3StoreOptions;
  readonly #busy = new Set<string>();
  readonly #closed = new AbortController();
  #usage: Usage | undefined;
  readonly direct: FileStore['direct'];

  constructor(client: S3Client, options: S3StoreOptions) {
    this.#client = client;
    this.#options = options;
    this.direct = options.direct ? this.#directUrls() : undefined;
  }

  async put(id: string, facts: FileFacts, bytes: Readable, signal: AbortSignal): Promise<'stored' | 'exists' | 'full'> {
    if (this.#busy.has(id)) return 'exists';
    if (!this.hasRoom(facts.bytes)) return 'full';
    this.#busy.add(id);
    const body = Readable.from(exactly(bytes, facts.bytes), { objectMode: false });
    const given = new AbortController();
    // Else the request to the bucket would wait for bytes that never come.
    const giveUp = (): void => given.abort();
    bytes.on('error', giveUp);
    body.on('error', giveUp);
    signal.addEventListener('abort', giveUp, { once: true });
    if (signal.aborted) giveUp();
    try {
      if ((await this.#head(id)) !== undefined) return 'exists';
      const put = new PutObjectCommand({
        ...this.#at(id),
        Body: body,
        ContentLength: facts.bytes,
        ContentType: facts.type,
        Metadata: { name: encodeURIComponent(facts.name) },
        // Between the look above and this put another node may take the same slot.
        ...(this.#options.conditional && { IfNoneMatch: '*' }),
      });
      await this.#client.send(put, { abortSignal: given.signal });
      const { files, bytes: before } = this.#usage ?? { files: 0, bytes: 0 };
      this.#usage = { files: files + 1, bytes: before + facts.bytes };
      return 'stored';
    } catch (error) {
      if (statusOf(error) === 412 || statusOf(error) === 409) return 'exists';
      throw error;
    } finally {
      body.destroy();
      signal.removeEventListener('abort', giveUp);
      this.#busy.delete(id);
    }
  }

  async open(id: string): ReturnType<FileStore['open']> {
    const facts = await this.#head(id);
    if (facts === undefined) return undefined;
    return {
      facts,
      read: async (from, to) => {
        const get = new GetObjectCommand({ ...this.#at(id), Range: `bytes=${from}-${to}` });
        return (await this.#client.send(get)).Body as Readable;
      },
      close: async () => undefined,
    };
  }

  /** Lists the whole bucket: removes the old, counts the rest. */
  async sweep(day: number): Promise<void> {
    const { bucket: Bucket, prefix: Prefix } = this.#options;
    let files = 0;
    let bytes = 0;
    let ContinuationToken: string | undefined;
    const options = { abortSignal: this.#closed.signal };
    do {
      const page: ListObjectsV2CommandOutput = await this.#client.send(
        new ListObjectsV2Command({ Bucket, Prefix, ContinuationToken }),
        options,
      );
      const old: string[] = [];
      for (const { Key = '', Size = 0 } of page.Contents ?? []) {
        const id = Key.slice(Prefix.length + 6);
        if (!isFileId(id) || Key !== this.#at(id).Key) continue;
        if (dayOfFile(id) < day) old.push(Key);
        else {
          files += 1;
          bytes += Size;
        }
      }
      // One by one: not every service takes a list without its MD5, which the SDK no longer sends.
      for (const Key of old) await this.#client.send(new DeleteObjectCommand({ Bucket, Key }), options);
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
    this.#usage = { files, bytes };
  }

  usage(): Usage | undefined {
    return this.#usage;
  }

  hasRoom(bytes: number): boolean {
    return (this.#usage?.bytes ?? 0) + bytes <= this.#options.totalBytesMax;
  }

  /** Ends a sweep; what else is asked ends by itself. */
  async close(): Promise<void> {
    this.#closed.abort();
    this.#client.destroy();
  }

  async #head(id: string): Promise<{ name: string | undefined; bytes: number; type: string } | undefined> {
    try {
      const { ContentLength, ContentType, Metadata } = await this.#client.send(new HeadObjectCommand(this.#at(id)));
      const name = Metadata?.['name'];
      return {
        name: name === undefined ? undefined : decodeURIComponent(name),
        bytes: ContentLength ?? 0,
        type: ContentType ?? '',
      };
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  /** Size and type are signed headers: the bucket refuses a put with others. */
  #directUrls(): NonNullable<FileStore['direct']> {
    const { endpoint, region, bucket, pathStyle } = this.#options;
    const base = new URL(endpoint === '' ? `https://s3.${region}.amazonaws.com` : endpoint);
    const host = pathStyle ? base.host : `${bucket}.${base.host}`;
    return {
      origin: `${base.protocol}//${host}`,
      put: (id, { bytes, type }, seconds) =>
        getSignedUrl(
          this.#client,
          new PutObjectCommand({
            ...this.#at(id),
            ContentLength: bytes,
            ...(type !== undefined && { ContentType: type }),
          }),
          {
            expiresIn: seconds,
            signableHeaders: new Set(['host', 'content-length', ...(type === undefined ? [] : ['content-type'])]),
          },
        ),
      get: (id, { type, disposition, cacheControl }, seconds) =>
        getSignedUrl(
          this.#client,
          new GetObjectCommand({
            ...this.#at(id),
            ResponseContentType: type,
            ResponseContentDisposition: disposition,
            ResponseCacheControl: cacheControl,
          }),
          { expiresIn: seconds },
        ),
    };
  }

  #at(id: string): { readonly Bucket: string; readonly Key: string } {
    const { bucket, prefix } = this.#options;
    return { Bucket: bucket, Key: `${prefix}${id.slice(0, 5)}/${id}` };
  }
}

/** @throws Error when they are fewer or more */
async function* exactly(bytes: Readable, size: number): AsyncGenerator<Buffer> {
  let seen = 0;
  // Kept open when it ends early: the client is to get its answer.
  for await (const chunk of bytes.iterator({ destroyOnReturn: false })) {
    seen += (chunk as Buffer).length;
    if (seen > size) break;
    yield chunk as Buffer;
  }
  if (seen !== size) throw new Error('the file is not as long as its slot says');
}

function statusOf(error: unknown): number | undefined {
  return (error as { readonly $metadata?: { readonly httpStatusCode?: number } } | undefined)?.$metadata
    ?.httpStatusCode;
}
