import type { Page, Salvage } from '../types.ts';
import { openBodies } from './bodies.ts';
import { fileDamage } from './check.ts';
import { createDatabase, openDatabase, statements, transact } from './database.ts';
import { openPages } from './pages.ts';
import { finishSalvage, salvage } from './salvage.ts';
import { createSealer, type SpoolKeys } from './seal.ts';
import { demandSoundFile, isDamage } from './sound.ts';

export interface RecoverOptions extends SpoolKeys {
  readonly path: string;
  readonly sinks: readonly string[];
}
export interface Recovered {
  /** Where the file was damaged. */
  readonly salvage?: Salvage;
  /** The pages whose bytes were damaged, and are set aside now. */
  readonly setAside: readonly Page[];
}

/** By hand what `run` does when it meets damage. Hold `lockSpool` before. Throws where there is no spool. */
export function recoverSpool(options: RecoverOptions): Recovered {
  const { path, sinks } = options;
  finishSalvage(path);
  const result = isFileSound(path) ? undefined : salvage(path, { sinks, now: () => new Date() });
  return { ...(result && { salvage: result }), setAside: setAside(options) };
}

function isFileSound(path: string): boolean {
  try {
    demandSoundFile(path);
    const db = openDatabase(path);
    try {
      return fileDamage(db).length === 0;
    } finally {
      db.close();
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
    return false;
  }
}

function setAside({ path, ...keys }: RecoverOptions): Page[] {
  const db = createDatabase(path);
  try {
    const bodies = openBodies(db, createSealer(keys));
    const pages = openPages(db, bodies);
    const suspects = statements(db).all<{ number: number }>`SELECT number FROM pages
      WHERE number NOT IN (SELECT page FROM set_aside) ORDER BY number`;
    const found: Page[] = [];
    for (const { number } of suspects) {
      // A key that is not known must not hold the salvage up: the checksum of what is encrypted needs none.
      const page = bodies.check(number).damaged === undefined ? undefined : pages.firstFrom(number);
      if (page?.damaged === undefined) continue;
      const facts = page;
      transact(db, 'set a damaged page aside', () => bodies.setAside(facts, new Date()));
      found.push(page);
    }
    return found;
  } finally {
    db.close();
  }
}
