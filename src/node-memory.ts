import { performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Collection, IdleMemory, type IdleMemoryOptions } from './base/idle-memory.ts';
import type { Log } from './base/log.ts';

const LOOK_MS = 1000;

/** Collects garbage while the process idles, as base/idle-memory.ts decides. @returns what ends it */
export function collectWhenIdle(options: IdleMemoryOptions, log: Log): () => void {
  const memory = new IdleMemory(options);
  let loop = performance.eventLoopUtilization();
  const timer = setInterval(() => {
    const before = loop;
    loop = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(loop, before);
    const { total_heap_size: totalBytes, used_heap_size: usedBytes } = getHeapStatistics();
    const nowMs = performance.now();
    const kind = memory.decide({ nowMs, utilization, totalBytes, usedBytes });
    if (kind === 'none') return;
    collect(kind);
    const heapBytes = getHeapStatistics().total_heap_size;
    const tookMs = Math.round(performance.now() - nowMs);
    log.debug({ kind, heapBytesBefore: totalBytes, heapBytes, tookMs }, 'collected');
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}

let gc: NodeJS.GCFunction | undefined;

/** Node gives V8's collector away only to who asks for it; so it is there however the process was started. */
function collect(kind: Exclude<Collection, 'none'>): void {
  if (gc === undefined) {
    setFlagsFromString('--expose-gc');
    gc = runInNewContext('gc') as NodeJS.GCFunction;
    setFlagsFromString('--no-expose-gc');
  }
  if (kind === 'young') return void gc({ type: 'minor' });
  // Uncompacted, pages that are half empty would stay with the process.
  setFlagsFromString('--compact-on-every-full-gc');
  gc();
  setFlagsFromString('--no-compact-on-every-full-gc');
}
