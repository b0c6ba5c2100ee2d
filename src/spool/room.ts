import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Reservation } from '../types.ts';
import { explain, type Sql, statements, transact } from './database.ts';

export interface RoomOptions {
  /** Bytes. Beats `retentionMs`. */
  readonly maxSize: number;
  /** How long pages are kept that every configured sink has settled, and that no unfinished replay needs. */
  readonly retentionMs: number;
  /** Bytes. */
  readonly freeDisk: () => number;
  readonly now: () => Date;
}

const FOLDED_FOR_MS = 90 * 86_400_000;
/** Space that stays free inside the file, in its pages of 4 KiB: what trimming frees is soon written again. */
const SLACK = 4096;
/** What the log of the database may hold that is not in its file yet. */
const LOG_BYTES = 16 * 1024 * 1024;

/** Bytes stored, without the space that is free inside the file. */
export function usedBytes(sql: Sql): number {
  const bytes = sql.number`SELECT (page_count - freelist_count) * page_size
    FROM pragma_page_count, pragma_freelist_count, pragma_page_size`;
  return bytes ?? 0;
}

/** Keeps the quota, and makes room in it by dropping what every configured sink has settled. */
export class Room {
  readonly #db: DatabaseSync;
  readonly #sql: Sql;
  readonly #options: RoomOptions;
  #reserved = 0;
  /** What the last reservation asked for, if it failed. */
  #wanted = 0;

  constructor(db: DatabaseSync, options: RoomOptions) {
    this.#db = db;
    this.#sql = statements(db);
    this.#options = options;
  }

  async reserve(bytes: number): Promise<Reservation | undefined> {
    // On a disk that is nearly full the log stays short, so that what it holds still fits into the file.
    if (!this.#diskFits(bytes + LOG_BYTES)) this.#exec('PRAGMA wal_checkpoint(TRUNCATE)');
    if (!this.#fits(bytes)) {
      this.#wanted = bytes;
      await this.trim();
      if (!this.#fits(bytes)) return undefined;
    }
    this.#wanted = 0;
    this.#reserved += bytes;
    let held = bytes;
    const release = () => {
      this.#reserved -= held;
      held = 0;
    };
    return { release };
  }

  /** Drops pages past retention, and more, oldest first, while room is short. Returns how many. */
  async trim(): Promise<number> {
    for (let dropped = 0; ; ) {
      await this.#shrink();
      const short = !this.#fits(this.#wanted);
      // What is left of damaged pages nobody can deliver: it goes before any page.
      if (short && this.#dropSetAside()) continue;
      const expired = this.#options.now().getTime() - this.#options.retentionMs;
      const pages = short ? this.#dropAny() : this.#drop(expired, 64);
      if (pages === 0) return dropped;
      dropped += pages;
    }
  }

  #fits(bytes: number): boolean {
    return usedBytes(this.#sql) + this.#reserved + bytes <= this.#options.maxSize && this.#diskFits(bytes);
  }

  /** Twice, because a page is written to the log of the database first, and to its file later. */
  #diskFits(bytes: number): boolean {
    return this.#options.freeDisk() >= 2 * bytes + this.#reserved;
  }

  /** That a page was damaged stays known. */
  #dropSetAside(): boolean {
    const sql = this.#sql;
    return sql.number`SELECT 1 FROM set_aside WHERE bytes IS NOT NULL` === undefined
      ? false
      : transact(this.#db, 'drop damaged bytes', () => sql.run`UPDATE set_aside SET bytes = NULL`.changes > 0);
  }

  /** Collecting does not stop for a replay: where room is short, the pages that it still needs are the last to go, but they go. */
  #dropAny(): number {
    return this.#drop(Number.MAX_SAFE_INTEGER, 8) || this.#drop(Number.MAX_SAFE_INTEGER, 8, true);
  }

  /** The oldest pages received before, at most so many, in one transaction with folding their books. */
  #drop(before: number, atMost: number, neededToo = false): number {
    const sql = this.#sql;
    const pages = sql.all<{ number: number }>`SELECT number FROM pages WHERE received_at < ${before}
      AND number < (SELECT min(page) FROM sinks WHERE configured) AND collected IS NOT NULL
      AND (${Number(neededToo)} OR NOT EXISTS (SELECT 1 FROM needed n WHERE n.page = number)) ORDER BY received_at, number LIMIT ${atMost}`;
    if (pages.length === 0) return 0;
    const list = JSON.stringify(pages.map(({ number }) => number));
    transact(this.#db, 'drop settled pages', () => {
      // What a sink that is no longer configured never got of these pages leaves its books with them.
      sql.run`INSERT INTO folded SELECT stream, sink, hour, sum(collected - waiting), sum(delivered), sum(filtered), sum(dead),
          sum(discarded), sum(damaged) FROM entries WHERE page IN (SELECT value FROM json_each(${list})) GROUP BY stream, sink, hour
        ON CONFLICT DO UPDATE SET collected = collected + excluded.collected, delivered = delivered + excluded.delivered,
          filtered = filtered + excluded.filtered, dead = dead + excluded.dead, discarded = discarded + excluded.discarded,
          damaged = damaged + excluded.damaged`;
      sql.run`UPDATE orders SET discarded = discarded + n.pages FROM (SELECT order_id, count(*) AS pages FROM needed
        WHERE page IN (SELECT value FROM json_each(${list})) GROUP BY order_id) n WHERE id = n.order_id`;
      sql.run`DELETE FROM wanted WHERE page IN (SELECT value FROM json_each(${list}))`;
      sql.run`DELETE FROM settled WHERE page IN (SELECT value FROM json_each(${list}))`;
      sql.run`DELETE FROM bodies WHERE page IN (SELECT value FROM json_each(${list}))`;
      sql.run`DELETE FROM pages WHERE number IN (SELECT value FROM json_each(${list}))`;
      sql.run`DELETE FROM set_aside WHERE found_at < ${this.#options.now().getTime() - FOLDED_FOR_MS}
        AND page NOT IN (SELECT number FROM pages)`;
      sql.run`DELETE FROM folded WHERE hour < ${this.#options.now().getTime() - FOLDED_FOR_MS}`;
    });
    return pages.length;
  }

  /** Gives space back to the disk, all of it where that is full, in short steps between which the program goes on. */
  async #shrink(): Promise<void> {
    for (let before = -1; ; ) {
      await nextTurn();
      const full = !this.#diskFits(this.#wanted);
      // Elsewhere the log is written to the file when it has become long, and only then the file shrinks.
      if (full) this.#exec('PRAGMA wal_checkpoint(TRUNCATE)');
      const free = this.#sql.number`PRAGMA freelist_count` ?? 0;
      if (free <= (full ? 0 : SLACK) || free === before) return;
      before = free;
      // A page that moves takes a few in the log: on a full disk the steps are as short as the room for that.
      const step = Math.max(1, Math.min(512, Math.floor(this.#options.freeDisk() / 65_536)));
      this.#exec(`PRAGMA incremental_vacuum(${step})`);
    }
  }

  #exec(pragma: string): void {
    explain(this.#db, 'give space back to the disk', () => this.#db.exec(pragma));
  }
}
