/** Main thread to writer thread. Buffers are transferred. Writes happen in the order of the messages. */
export type ToWriter =
  /** one journal record, to be synced; then `clear`, a fold slice, is written unsynced, before the answer */
  | { readonly t: 'append'; readonly record: number; readonly value: ArrayBuffer; readonly clear?: ArrayBuffer }
  /** one slice of a fold (fold-slice.ts) */
  | { readonly t: 'fold'; readonly slice: ArrayBuffer; readonly sync: boolean }
  | { readonly t: 'stop' };

/** Writer thread to main thread. */
export type FromWriter =
  | { readonly t: 'ready' }
  /** every append up to this record is on disk */
  | { readonly t: 'synced'; readonly upTo: number }
  /** the oldest unanswered fold slice is written */
  | { readonly t: 'folded' }
  /** nothing that is unanswered was written for sure, and nothing more will be */
  | { readonly t: 'failed'; readonly full: boolean; readonly message: string };
