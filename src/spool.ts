import { EventEmitter, once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { explain, transact } from './spool/database.ts';
import { SpoolFile } from './spool/open.ts';
import type { Parts } from './spool/parts.ts';
import type { SpoolKeys } from './spool/seal.ts';
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
  SpoolAlarm,
  SpoolReport,
  SpoolStart,
  StreamName,
} from './types.ts';

export { lockSpool } from './spool/database.ts';
export { openSpoolReader, type PageRead, type SpoolReader } from './spool/reader.ts';
export { recoverSpool } from './spool/recover.ts';
export { MissingKey } from './spool/seal.ts';

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
  /** The sinks of the config: where a salvage has lost a cursor, that sink begins at the oldest page. */
  readonly sinks?: readonly string[];
  readonly alarm?: (alarm: SpoolAlarm) => void;
}

/** Hold `lockSpool` before: a spool has one owner. Where the file is damaged, what can be read goes into a new one. */
export function openSpool(options: SpoolOptions): Spool {
  return new SqliteSpool(options);
}

class SqliteSpool implements Spool {
  readonly #options: SpoolOptions;
  readonly #arrivals = new EventEmitter().setMaxListeners(0);
  /** By page: they ride on the next transaction. */
  readonly #counts = new Map<number, number>();
  readonly #file: SpoolFile;

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#file = new SpoolFile(options);
  }

  get #parts(): Parts {
    return this.#file.parts;
  }

  async start(sinks: readonly SinkStart[], streams: readonly StreamName[]): Promise<SpoolStart> {
    return this.#write('start', () => {
      const uncleanStop = this.#parts.sql.number`SELECT running FROM state` === 1;
      this.#parts.sql.run`UPDATE state SET running = 1, max_size = ${this.#options.maxSize}`;
      if (uncleanStop) for (const stream of streams) this.#parts.books.gap(stream, 'crash');
      this.#parts.pages.countMissing(this.#options.count);
      const bounds = { oldest: this.#parts.pages.oldest(), end: this.#parts.pages.end() };
      return { uncleanStop, ...this.#parts.cursors.start(sinks, bounds) };
    });
  }

  async reserve(bytes: number): Promise<Reservation | undefined> {
    return this.#parts.room.reserve(bytes);
  }

  async append(page: NewPage, reservation: Reservation): Promise<number> {
    const number = this.#write('store a page', () => this.#parts.pages.add(page));
    this.#file.grew(number);
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
      const page = this.#read('read a page', ({ pages }) => this.#counted(pages.firstFrom(at.page)));
      if (page?.damaged) this.#setAside(page);
      if (page) return page;
      await once(this.#arrivals, 'page', { signal }).catch(() => undefined);
    }
  }

  async cursor(sink: string): Promise<Cursor> {
    const cursor = this.#parts.cursors.of(sink);
    this.#file.stands(sink, cursor);
    return cursor;
  }

  async commit(sink: string, cursor: Cursor, settled: readonly Settled[]): Promise<void> {
    this.#write('store what is settled', () => {
      this.#parts.cursors.move(sink, cursor, this.#parts.pages.end());
      for (const page of settled) {
        this.#parts.books.settle(sink, page);
        for (const letter of page.dead) this.#parts.letters.bury(sink, letter);
      }
    });
    this.#file.stands(sink, cursor);
  }

  async order(order: NewOrder): Promise<number> {
    return this.#parts.orders.add(order);
  }

  async orders(sink: string): Promise<readonly Order[]> {
    return this.#read('look for orders', ({ orders }) => orders.unfinished(sink));
  }

  async replayPage(order: number, after: number): Promise<ReplayPage | undefined> {
    return this.#read('read a page', ({ replays }) => replays.next(order, after));
  }

  async replayed(order: number, done: Replayed): Promise<void> {
    this.#write('store a replay', () => this.#parts.replays.done(order, done));
  }

  async revive(order: number, revived: Revived): Promise<void> {
    this.#write('store a replay', () => this.#parts.orders.revive(order, revived));
  }

  /** Resolves with how many went, over all that the order has done. */
  async discard(id: number): Promise<number> {
    for (;;) {
      const order = this.#parts.orders.one(id);
      if (order.finishedAt) return order.discarded;
      this.#write('discard dead letters', () => this.#parts.orders.discardSome(order));
      await nextTurn();
    }
  }

  deadLetters(filter: DeadLetterFilter): AsyncIterable<DeadLetter> {
    return this.#file.guarded(this.#parts.letters.find(filter));
  }

  books(filter: BookFilter): AsyncIterable<BookRow> {
    this.#flush();
    return this.#parts.books.rows(filter);
  }

  async gap(stream: StreamName, reason: GapReason): Promise<void> {
    this.#write('count a possible gap', () => this.#parts.books.gap(stream, reason));
  }

  async trim(): Promise<number> {
    this.#flush();
    try {
      return await this.#parts.room.trim();
    } catch (error) {
      this.#file.mend(error);
      throw error;
    }
  }

  async report(): Promise<SpoolReport> {
    this.#flush();
    return { ...this.#parts.books.report(), orders: this.#parts.orders.all() };
  }

  async close(clean: boolean): Promise<void> {
    if (!this.#parts.db.isOpen) return this.#file.close();
    try {
      this.#write('close', () => clean && this.#parts.sql.run`UPDATE state SET running = 0`);
    } finally {
      this.#file.close();
      this.#arrivals.emit('page');
    }
  }

  /** With a count that is not stored yet. */
  #counted(page: Page | undefined): Page | undefined {
    const collected = page && this.#counts.get(page.number);
    return page && collected !== undefined ? { ...page, collected } : page;
  }

  /** What the damaged page tells is not held up where this fails: the next one to read it tries again. */
  #setAside(page: Page): void {
    try {
      this.#write('set a damaged page aside', () =>
        this.#parts.bodies.setAside(page, this.#options.now?.() ?? new Date()),
      );
    } catch {}
  }

  #read<T>(doing: string, work: (parts: Parts) => T): T {
    return this.#file.guard(() => explain(this.#parts.db, doing, () => work(this.#parts)));
  }

  #write<T>(doing: string, work: () => T): T {
    const result = this.#file.guard(() =>
      transact(this.#parts.db, doing, () => {
        for (const [page, activities] of this.#counts) this.#parts.pages.setCount(page, activities);
        return work();
      }),
    );
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
