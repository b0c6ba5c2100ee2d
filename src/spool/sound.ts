import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { isHeadDamaged, isLogDamaged } from './blocks.ts';
import { CORRUPT, explain, NOT_A_DATABASE, primaryCode, statements } from './database.ts';

/** Small, and without any of them nobody knows where anything stands. Bodies and dead letters show their damage when they are read. */
const ALWAYS_CHECKED = ['pages', 'sinks', 'settled', 'folded', 'orders', 'gaps', 'state', 'wanted'] as const;

/** The file, not one row of it, cannot be read. */
class Damaged extends Error {}

/** Throws where a table that is read all the time is damaged. */
export function demandSound(db: DatabaseSync): void {
  explain(db, 'be read', () => {
    for (const table of ALWAYS_CHECKED) {
      const found = statements(db).get<{
        found: string;
      }>`SELECT quick_check AS found FROM pragma_quick_check(${table})`;
      if (found?.found !== 'ok') throw new Damaged(`the spool is damaged: table ${table}: ${found?.found}`);
    }
  });
}

/**
 * What SQLite does not call damage: of a wrong head it says that it may not write, or is too old; of a log it throws away what was
 * committed behind the damage. Only for the owner, before it opens the file: to close it here would free its locks.
 */
export function demandSoundFile(folder: string): void {
  const file = join(folder, 'spool.db');
  if (isHeadDamaged(file)) throw new Damaged(`the spool is damaged: the first bytes of ${file} are wrong`);
  if (isLogDamaged(file)) throw new Damaged(`the spool is damaged: ${file}-wal, its log, is damaged before its end`);
}

export function isDamage(error: unknown): boolean {
  if (error instanceof Damaged) return true;
  return [error, (error as Error).cause].some((each) => [CORRUPT, NOT_A_DATABASE].includes(primaryCode(each)));
}
