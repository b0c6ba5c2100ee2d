import { statfsSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import type { SpoolOptions } from '../spool.ts';
import { openBodies } from './bodies.ts';
import { openBooks } from './books.ts';
import { openCursors } from './cursors.ts';
import { createDatabase, type Sql, statements } from './database.ts';
import { openDeadLetters } from './dead-letters.ts';
import { demandKeys } from './keys.ts';
import { openOrders } from './orders.ts';
import { openPages } from './pages.ts';
import { openReplays } from './replays.ts';
import { Room } from './room.ts';
import { createSealer } from './seal.ts';
import { demandSound } from './sound.ts';

/** What works on one connection to the file of a spool. */
export interface Parts {
  readonly db: DatabaseSync;
  readonly sql: Sql;
  readonly bodies: ReturnType<typeof openBodies>;
  readonly pages: ReturnType<typeof openPages>;
  readonly cursors: ReturnType<typeof openCursors>;
  readonly books: ReturnType<typeof openBooks>;
  readonly letters: ReturnType<typeof openDeadLetters>;
  readonly replays: ReturnType<typeof openReplays>;
  readonly orders: ReturnType<typeof openOrders>;
  readonly room: Room;
}

/** For the owner. Throws where the file is damaged, and where a key is missing. */
export function openParts(options: SpoolOptions): Parts {
  const { path, now = () => new Date() } = options;
  const sealer = createSealer(options);
  const db = createDatabase(path);
  try {
    demandSound(db);
    demandKeys(db, sealer, path);
  } catch (error) {
    db.close();
    throw error;
  }
  const bodies = openBodies(db, sealer);
  const pages = openPages(db, bodies);
  const letters = openDeadLetters(db, sealer, now);
  const replays = openReplays(db, pages, now);
  return {
    db,
    sql: statements(db),
    bodies,
    pages,
    cursors: openCursors(db),
    books: openBooks(db, now),
    letters,
    replays,
    orders: openOrders(db, letters, replays, now),
    room: new Room(db, { freeDisk: () => freeDisk(path), ...options, now }),
  };
}

function freeDisk(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}
