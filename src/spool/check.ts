import type { DatabaseSync } from 'node:sqlite';
import type { openBodies } from './bodies.ts';
import { explain, statements } from './database.ts';
import type { openDeadLetters } from './dead-letters.ts';
import { isDamage } from './sound.ts';

/** One thing that is wrong, with its place where it has one. */
interface Finding {
  readonly page?: number;
  readonly deadLetter?: number;
  readonly why: string;
}
interface Checked {
  readonly pages: number;
  readonly deadLetters: number;
  /** Records whose key was not given: of pages the checksum was looked at, of dead letters nothing. */
  readonly sealed: number;
}
/** What a check has found so far. */
export interface Step {
  readonly findings: readonly Finding[];
  readonly done: Checked;
  readonly total: number;
}

/** Every page, every checksum, every dead letter, and SQLite's own check. Each step reads little, so the writer is not held back. */
export function openCheck(
  db: DatabaseSync,
  bodies: Pick<ReturnType<typeof openBodies>, 'check'>,
  letters: Pick<ReturnType<typeof openDeadLetters>, 'check'>,
) {
  const sql = statements(db);

  async function* steps(): AsyncGenerator<Step> {
    let done: Checked = { pages: 0, deadLetters: 0, sealed: 0 };
    const total = sql.number`SELECT (SELECT count(*) FROM pages) + (SELECT count(*) FROM dead_letters)` ?? 0;
    yield { findings: fileDamage(db).map((why) => ({ why })), done, total };
    for (let page = nextPage(0); page !== undefined; page = nextPage(page)) {
      const { damaged, sealed } = bodies.check(page);
      done = { ...done, pages: done.pages + 1, sealed: done.sealed + Number(sealed) };
      yield { findings: damaged === undefined ? [] : [{ page, why: damaged }], done, total };
    }
    for await (const { id, damaged, sealed } of letters.check()) {
      done = { ...done, deadLetters: done.deadLetters + 1, sealed: done.sealed + Number(sealed) };
      yield { findings: damaged === undefined ? [] : [{ deadLetter: id, why: damaged }], done, total };
    }
  }

  function nextPage(after: number): number | undefined {
    return explain(db, 'be read', () => sql.number`SELECT min(number) FROM pages WHERE number > ${after}`);
  }

  return steps;
}

/** What SQLite finds wrong with its file. */
export function fileDamage(db: DatabaseSync): string[] {
  try {
    const found = statements(db).all<{
      found: string;
    }>`SELECT integrity_check AS found FROM pragma_integrity_check`;
    // One row may hold several lines, under a heading that names the file as SQLite does.
    const lines = found.flatMap((row) => row.found.split('\n'));
    return lines.filter((line) => line !== 'ok' && line !== '' && !line.startsWith('*** in database '));
  } catch (error) {
    if (!isDamage(error)) throw error;
    return [(error as Error).message];
  }
}
