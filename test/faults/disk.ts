/** A disk of its own, small enough to be filled, and gone with the campaign. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Scope } from '../fixtures/process.ts';

export interface Disk {
  /** Of the spool. */
  readonly folder: string;
  /** Fills it up to so many bytes that stay free; what was there as filling is replaced. */
  fill(left: number): void;
  free(): void;
  remount(how: 'ro' | 'rw'): void;
}

export function lacksMount(): string | undefined {
  if (process.platform !== 'linux') return 'a tmpfs can be mounted on Linux only';
  const place = mkdtempSync(join(tmpdir(), 'faults-try-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', place], { stdio: 'pipe' });
    execFileSync('umount', [place], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `root and the right to mount are needed: ${String((error as Error).message)
      .trim()
      .split('\n')
      .at(-1)}`;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

export function mountDisk(scope: Scope, size: string): Disk {
  const place = mkdtempSync(join(tmpdir(), 'faults-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', place]);
  scope.after(() => {
    // Lazily, because a process that was killed may hold it for a moment.
    execFileSync('umount', ['--lazy', place]);
    rmSync(place, { recursive: true, force: true });
  });
  const filling = join(place, 'filling');
  const folder = join(place, 'spool');
  mkdirSync(folder);
  chmodSync(folder, 0o700);
  return {
    folder,
    fill(left) {
      rmSync(filling, { force: true });
      const { bavail, bsize } = statfsSync(place);
      try {
        writeFileSync(filling, Buffer.alloc(Math.max(0, bavail * bsize - left)));
      } catch (error) {
        // The daemon writes, too: then it is full all the more.
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    },
    free: () => rmSync(filling, { force: true }),
    remount: (how) => execFileSync('mount', ['-o', `remount,${how}`, place]),
  };
}
