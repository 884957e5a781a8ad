/** The part of @nxtedition/rocksdb that rocks.ts uses; the package ships no types. Checked against 12.2. */
declare module '@nxtedition/rocksdb' {
  export interface RocksQuery {
    gt?: Buffer | undefined;
    gte?: Buffer | undefined;
    lt?: Buffer | undefined;
    lte?: Buffer | undefined;
    limit?: number;
    reverse?: boolean;
    keys?: boolean;
    values?: boolean;
    /** any other word than `buffer` makes strings of UTF-8 */
    keyEncoding?: 'buffer' | 'utf8';
    valueEncoding?: 'buffer';
    fillCache?: boolean;
    asyncIO?: boolean;
  }

  export interface RocksBatch {
    readonly length: number;
    _put(key: Buffer, value: Buffer): void;
    _del(key: Buffer): void;
    _clear(): void;
    /** On the calling thread, fsync included. */
    _writeSync(options?: { sync?: boolean; lowPriority?: boolean }): void;
  }

  export interface RocksIterator {
    /** keys and values in turn; none at the end */
    _nextvSync(count: number): { rows: (Buffer | undefined)[]; finished: boolean };
    _closeSync(): void;
  }

  export class RocksLevel {
    /** A folder, or another thread's `handle`: then the same open database, which this object must not close. */
    constructor(locationOrHandle: string | bigint, options?: Record<string, unknown>);
    readonly handle: bigint;
    open(options?: Record<string, unknown>): Promise<void>;
    close(): Promise<void>;
    batch(): RocksBatch;
    /** sees the database as it is now */
    _iterator(options: RocksQuery & { highWaterMarkBytes?: number }): RocksIterator;
    /** keys and values in turn; with `keys: false` every other element is undefined */
    querySync(options: RocksQuery): { rows: (Buffer | string | undefined)[]; finished: boolean };
    _getManySync(keys: Buffer[], options?: { fillCache?: boolean }): (Buffer | undefined | null)[];
    /** DeleteRange without sync; the callback comes after it was done */
    _clear(options: RocksQuery, callback: (error: Error | null) => void): void;
    getProperty(name: string): string;
  }
}
