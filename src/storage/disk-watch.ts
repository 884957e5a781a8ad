import { statfs } from 'node:fs/promises';
import type { StoreHooks } from './store-hooks.ts';

/** Bytes of the folder's file system that this process may still use. @throws the system's error */
export async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

export interface DiskWatchOptions {
  readonly folder: string;
  readonly freeBytesMin: number;
  readonly freeCheckMs: number;
}

/** Looks at the free space every `freeCheckMs` and tells when it crosses `freeBytesMin`. */
export class DiskWatch {
  freeBytes = Number.MAX_SAFE_INTEGER;
  private readonly options: DiskWatchOptions;
  private readonly hooks: StoreHooks;
  private timer: NodeJS.Timeout | undefined;
  private checking: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(options: DiskWatchOptions, hooks: StoreHooks) {
    this.options = options;
    this.hooks = hooks;
  }

  get hasRoom(): boolean {
    return this.freeBytes >= this.options.freeBytesMin;
  }

  /** Below `freeBytesMin`, but not by half: room for what was begun before, and for what others need of this node. */
  get hasReserve(): boolean {
    return this.freeBytes >= this.options.freeBytesMin / 2;
  }

  /** Looks once, then again and again; `after` runs behind every further look, never twice at once, and must not throw. */
  async start(after: () => Promise<void>): Promise<void> {
    await this.look();
    const again = (): void => {
      this.timer = setTimeout(() => {
        this.checking = this.look()
          .then(after)
          .finally(() => {
            if (!this.stopped) again();
          });
      }, this.options.freeCheckMs).unref();
    };
    again();
  }

  /** Resolves when no look and no `after` is running, and none will. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.checking;
  }

  private async look(): Promise<void> {
    const had = this.hasRoom;
    try {
      this.freeBytes = await (this.hooks.freeBytesOf ?? freeBytesOf)(this.options.folder);
    } catch (error) {
      this.hooks.onEvent?.({ t: 'disk-unknown', message: String(error) });
      return;
    }
    const { freeBytes } = this;
    if (had && !this.hasRoom) {
      this.hooks.onEvent?.({ t: 'disk-low', freeBytes, freeBytesMin: this.options.freeBytesMin });
    }
    if (!had && this.hasRoom) this.hooks.onEvent?.({ t: 'disk-ok', freeBytes });
  }
}
