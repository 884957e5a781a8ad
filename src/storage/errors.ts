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

/** As many snapshots or installs are open as may be. Try again when one has ended. */
export class StorageBusyError extends Error {
  override readonly name = 'StorageBusyError';
}

/** The shard's copy was voided, or replaced, while it was being read or filled. Begin again, if it is still wanted. */
export class StorageVoidedError extends Error {
  override readonly name = 'StorageVoidedError';
}

/** The bytes are not a whole snapshot that this Rookery can read. Ask for another one. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
}
