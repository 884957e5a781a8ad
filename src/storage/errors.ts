/** The disk has no room (or is below `storage.freeBytesMin`). Retry later; nothing was accepted. */
export class StorageFullError extends Error {
  override readonly name = 'StorageFullError';
}

/** The store is closed or closing. */
export class StorageClosedError extends Error {
  override readonly name = 'StorageClosedError';
}

/** A write failed for a reason other than room. The store refuses appends until it could be opened again. */
export class StorageFailedError extends Error {
  override readonly name = 'StorageFailedError';
}

/** The folder cannot be used by this process: locked by another, of another S, or of a newer format. Fatal at start. */
export class StorageRefusedError extends Error {
  override readonly name = 'StorageRefusedError';
}
