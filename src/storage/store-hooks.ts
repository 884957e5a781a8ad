/** What the operator should hear of. No bodies, no keys. */
export type StoreEvent =
  /** a write failed; appends are refused until `reopened` */
  | { readonly t: 'failed'; readonly message: string }
  | { readonly t: 'reopened' }
  | { readonly t: 'reopen-failed'; readonly message: string }
  /** appends are refused until `disk-ok` */
  | { readonly t: 'disk-low'; readonly freeBytes: number; readonly freeBytesMin: number }
  | { readonly t: 'disk-ok'; readonly freeBytes: number }
  /** the system did not tell the free space; the last known figure goes on counting */
  | { readonly t: 'disk-unknown'; readonly message: string };

export interface StoreHooks {
  readonly onEvent?: (event: StoreEvent) => void;
  /** A single node's folder with data is about to become a member's, for good. A rejection leaves it as it is, and is passed on. */
  readonly adopting?: () => Promise<void>;
  /** free bytes of the folder's file system; tests pass their own */
  readonly freeBytesOf?: (folder: string) => Promise<number>;
}
