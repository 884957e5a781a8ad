import { type Io, tell } from './io.ts';

const FIRST_MS = 1000;
const EVERY_MS = 2000;

/** Awaits `work`; when it takes longer than a second, says so, and again every two. */
export async function withProgress<T>(io: Io, what: string, work: Promise<T>): Promise<T> {
  const startedMs = performance.now();
  const say = () => tell(io, `${what} … ${Math.round((performance.now() - startedMs) / 1000)} s`);
  let every: NodeJS.Timeout | undefined;
  const first = setTimeout(() => {
    say();
    every = setInterval(say, EVERY_MS);
  }, FIRST_MS);
  try {
    return await work;
  } finally {
    clearTimeout(first);
    clearInterval(every);
  }
}
