const POLL_MS = 10;

/**
 * Resolves when `holds` does; asked again every 10 ms.
 * @param what for the error
 * @throws Error after `msMax` ms without it, and whatever `holds` throws
 */
export async function until(what: string, holds: () => boolean | Promise<boolean>, msMax = 20_000): Promise<void> {
  for (const end = performance.now() + msMax; !(await holds()); ) {
    if (performance.now() > end) throw new Error(`waited ${msMax} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
