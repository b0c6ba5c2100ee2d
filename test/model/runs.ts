import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SEED = 20_261_126;

/**
 * How often a model test runs. `npm test` tries the same sequences each time. By hand:
 *
 *     MODEL_RUNS=2000 node --test test/model-spool.test.ts
 *     MODEL_SEED=-123 MODEL_PATH=7:1:0 node --test test/model-spool.test.ts
 *
 * The first tries new ones each time. The second repeats one that failed: fast-check prints its seed and path, and the
 * sequence in its shortest form.
 */
export function runs(quick: number): { numRuns: number; seed: number; path?: string; endOnFailure?: boolean } {
  const { MODEL_RUNS: count, MODEL_SEED: seed, MODEL_PATH: path } = process.env;
  const fresh = count ? Date.now() % 2 ** 31 : SEED;
  const again = path ? { path, endOnFailure: true } : {};
  return { numRuns: count ? Number(count) : quick, seed: seed ? Number(seed) : fresh, ...again };
}

/** In memory where the system has such a place: a run writes and syncs a hundred times. */
export function newPlace(): { folder: (name: string) => string; remove(): void } {
  const memory = '/dev/shm';
  const parent = statSync(memory, { throwIfNoEntry: false })?.isDirectory() ? memory : tmpdir();
  const place = mkdtempSync(join(parent, 'mosaic-siem-model-'));
  return { folder: (name) => join(place, name), remove: () => rmSync(place, { recursive: true, force: true }) };
}
