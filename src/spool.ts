import { EventEmitter, once } from 'node:events';
import { statfsSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { openBodies } from './spool/bodies.ts';
import { openBooks } from './spool/books.ts';
import { openCursors } from './spool/cursors.ts';
import { createDatabase, explain, type Sql, statements, transact } from './spool/database.ts';
import { openDeadLetters } from './spool/dead-letters.ts';
import { openOrders } from './spool/orders.ts';
import { openPages } from './spool/pages.ts';
import { openReplays } from './spool/replays.ts';
import { Room } from './spool/room.ts';
import { createSealer, type SpoolKeys } from './spool/seal.ts';
import type {
  BookFilter,
  BookRow,
  Cursor,
  DeadLetter,
  DeadLetterFilter,
  GapReason,
  NewOrder,
  NewPage,
  Order,
  Page,
  Replayed,
  ReplayPage,
  Reservation,
  Revived,
  Settled,
  SinkStart,
  Spool,
  SpoolReport,
  SpoolStart,
  StreamName,
} from './types.ts';

export { lockSpool } from './spool/database.ts';
export { openSpoolReader, type PageRead, type SpoolReader } from './spool/reader.ts';

export interface SpoolOptions extends SpoolKeys {
  /** A folder on a local disk; made (0700) where it is missing. */
  readonly path: string;
  /** Bytes. Beats `retentionMs`. */
  readonly maxSize: number;
  /** How long pages are kept that every configured sink has settled. */
  readonly retentionMs: number;
  /** How many activities a body holds, for pages whose count a crash has lost. */
  readonly count: (body: Uint8Array) => number;
  /** Bytes. Default: what the file system says. */
  readonly freeDisk?: () => number;
  readonly now?: () => Date;
}

/** Hold `lockSpool` before: a spool has one owner. */
export function openSpool(options: SpoolOptions): Spool {
  return new SqliteSpool(createDatabase(options.path), options);
}

class SqliteSpool implements Spool {
  readonly #db: DatabaseSync;
  readonly #sql: Sql;
  readonly #bodies: ReturnType<typeof openBodies>;
  readonly #pages: ReturnType<typeof openPages>;
  readonly #cursors: ReturnType<typeof openCursors>;
  readonly #books: ReturnType<typeof openBooks>;
  readonly #letters: ReturnType<typeof openDeadLetters>;
  readonly #replays: ReturnType<typeof openReplays>;
  readonly #orders: ReturnType<typeof openOrders>;
  readonly #room: Room;
  readonly #options: SpoolOptions;
  readonly #now: () => Date;
  readonly #arrivals = new EventEmitter().setMaxListeners(0);
  /** By page: they ride on the next transaction. */
  readonly #counts = new Map<number, number>();

  constructor(db: DatabaseSync, options: SpoolOptions) {
    const now = options.now ?? (() => new Date());
    this.#now = now;
    this.#db = db;
    this.#sql = statements(db);
    this.#options = options;
    const sealer = createSealer(options);
    this.#bodies = openBodies(db, sealer);
    this.#pages = openPages(db, this.#bodies);
    this.#cursors = openCursors(db);
    this.#books = openBooks(db, now);
    this.#letters = openDeadLetters(db, sealer, now);
    this.#replays = openReplays(db, this.#pages, now);
    this.#orders = openOrders(db, this.#letters, this.#replays, now);
    this.#room = new Room(db, { freeDisk: () => freeDisk(options.path), ...options, now });
  }

  async start(sinks: readonly SinkStart[], streams: readonly StreamName[]): Promise<SpoolStart> {
    return this.#write('start', () => {
      const uncleanStop = this.#sql.number`SELECT running FROM state` === 1;
      this.#sql.run`UPDATE state SET running = 1, max_size = ${this.#options.maxSize}`;
      if (uncleanStop) for (const stream of streams) this.#books.gap(stream, 'crash');
      this.#pages.countMissing(this.#options.count);
      const bounds = { oldest: this.#pages.oldest(), end: this.#pages.end() };
      return { uncleanStop, ...this.#cursors.start(sinks, bounds) };
    });
  }

  async reserve(bytes: number): Promise<Reservation | undefined> {
    return this.#room.reserve(bytes);
  }

  async append(page: NewPage, reservation: Reservation): Promise<number> {
    const number = this.#write('store a page', () => this.#pages.add(page));
    reservation.release();
    this.#arrivals.emit('page');
    return number;
  }

  async counted(page: number, activities: number): Promise<void> {
    this.#counts.set(page, activities);
  }

  async read(at: Cursor, signal: AbortSignal): Promise<Page> {
    for (;;) {
      signal.throwIfAborted();
      const page = explain(this.#db, 'read a page', () => this.#pages.firstFrom(at.page));
      if (page?.damaged) this.#setAside(page);
      const collected = page && this.#counts.get(page.number);
      if (page) return collected === undefined ? page : { ...page, collected };
      await once(this.#arrivals, 'page', { signal }).catch(() => undefined);
    }
  }

  async cursor(sink: string): Promise<Cursor> {
    return this.#cursors.of(sink);
  }

  async commit(sink: string, cursor: Cursor, settled: readonly Settled[]): Promise<void> {
    this.#write('store what is settled', () => {
      this.#cursors.move(sink, cursor, this.#pages.end());
      for (const page of settled) {
        this.#books.settle(sink, page);
        for (const letter of page.dead) this.#letters.bury(sink, letter);
      }
    });
  }

  async order(order: NewOrder): Promise<number> {
    return this.#orders.add(order);
  }

  async orders(sink: string): Promise<readonly Order[]> {
    return this.#orders.unfinished(sink);
  }

  async replayPage(order: number, after: number): Promise<ReplayPage | undefined> {
    return explain(this.#db, 'read a page', () => this.#replays.next(order, after));
  }

  async replayed(order: number, done: Replayed): Promise<void> {
    this.#write('store a replay', () => this.#replays.done(order, done));
  }

  async revive(order: number, revived: Revived): Promise<void> {
    this.#write('store a replay', () => this.#orders.revive(order, revived));
  }

  /** Resolves with how many went, over all that the order has done. */
  async discard(id: number): Promise<number> {
    for (;;) {
      const order = this.#orders.one(id);
      if (order.finishedAt) return order.discarded;
      this.#write('discard dead letters', () => this.#orders.discardSome(order));
      await nextTurn();
    }
  }

  deadLetters(filter: DeadLetterFilter): AsyncIterable<DeadLetter> {
    return this.#letters.find(filter);
  }

  books(filter: BookFilter): AsyncIterable<BookRow> {
    this.#flush();
    return this.#books.rows(filter);
  }

  async gap(stream: StreamName, reason: GapReason): Promise<void> {
    this.#write('count a possible gap', () => this.#books.gap(stream, reason));
  }

  async trim(): Promise<number> {
    this.#flush();
    return this.#room.trim();
  }

  async report(): Promise<SpoolReport> {
    this.#flush();
    return { ...this.#books.report(), orders: this.#orders.all() };
  }

  async close(clean: boolean): Promise<void> {
    if (!this.#db.isOpen) return;
    try {
      this.#write('close', () => clean && this.#sql.run`UPDATE state SET running = 0`);
    } finally {
      this.#db.close();
      this.#arrivals.emit('page');
    }
  }

  /** What the damaged page tells is not held up where this fails: the next one to read it tries again. */
  #setAside(page: Page): void {
    try {
      this.#write('set a damaged page aside', () => this.#bodies.setAside(page, this.#now()));
    } catch {}
  }

  #write<T>(doing: string, work: () => T): T {
    const result = transact(this.#db, doing, () => {
      for (const [page, activities] of this.#counts) this.#pages.setCount(page, activities);
      return work();
    });
    this.#counts.clear();
    return result;
  }

  /** For those who look. On a full disk they see the figures without the last counts. */
  #flush(): void {
    try {
      if (this.#counts.size > 0) this.#write('store counts', () => undefined);
    } catch {}
  }
}

function freeDisk(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}
