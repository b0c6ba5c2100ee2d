import type { Order, Spool } from '../types.ts';
import { openAudit } from './audit.ts';
import { openBodies } from './bodies.ts';
import { openBooks } from './books.ts';
import { openCheck } from './check.ts';
import { openDatabase } from './database.ts';
import { openDeadLetters } from './dead-letters.ts';
import { openOrders } from './orders.ts';
import { openPages } from './pages.ts';
import { openReplays } from './replays.ts';
import { createSealer, type SpoolKeys } from './seal.ts';

export type { PageRead } from './audit.ts';

/** What other commands may do with a spool, whether its owner is at work or not. */
export interface SpoolReader extends Pick<Spool, 'order' | 'deadLetters' | 'books' | 'report'> {
  /** Of all sinks, by id; finished ones are the record of what was done. */
  orders(): Promise<readonly Order[]>;
  readonly audit: ReturnType<typeof openAudit>;
  readonly check: ReturnType<typeof openCheck>;
  close(): Promise<void>;
}

/** Throws where there is no spool: it never makes one. */
export function openSpoolReader(path: string, keys: SpoolKeys = {}): SpoolReader {
  const db = openDatabase(path);
  const now = () => new Date();
  const sealer = createSealer(keys);
  const [books, letters] = [openBooks(db, now), openDeadLetters(db, sealer, now)];
  const bodies = openBodies(db, sealer);
  const pages = openPages(db, bodies);
  const orders = openOrders(db, letters, openReplays(db, pages, now), now);
  return {
    order: async (order) => orders.add(order),
    orders: async () => orders.all(),
    deadLetters: letters.find,
    books: books.rows,
    audit: openAudit(db, books, pages),
    check: openCheck(db, bodies, letters),
    report: async () => ({ ...books.report(), orders: orders.all() }),
    close: async () => {
      if (db.isOpen) db.close();
    },
  };
}
