import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

/**
 * Runs `body` with the folder of a file system of its own, and removes it afterwards. Where mounting is not allowed it
 * says so, loudly, and does nothing.
 */
export async function withTmpfs(t: Test, mountOptions: string, body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'rookery-tmpfs-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', mountOptions, 'tmpfs', folder], { stdio: 'pipe' });
  } catch {
    await rm(folder, { recursive: true });
    t.comment('SKIPPED LOUDLY: this test mounts a small file system, which needs root');
    return;
  }
  try {
    await body(folder);
  } finally {
    execFileSync('umount', ['-l', folder]);
    await rm(folder, { recursive: true });
  }
}
