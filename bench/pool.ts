/**
 * Runs `work` over `items`, `parallel` at a time, in order of start. Stops starting when `signal` aborts.
 * @throws the first error, after what is under way has ended
 */
export async function pool<T>(
  items: readonly T[],
  parallel: number,
  signal: AbortSignal,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failed = false;
  const lane = async () => {
    while (next < items.length && !signal.aborted && !failed) {
      const index = next++;
      try {
        await work(items[index]!, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = Array.from({ length: Math.min(parallel, items.length) }, lane);
  const ends = await Promise.allSettled(lanes);
  const bad = ends.find((end) => end.status === 'rejected');
  if (bad !== undefined) throw bad.reason;
}
