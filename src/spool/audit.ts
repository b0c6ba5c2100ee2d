import type { DatabaseSync } from 'node:sqlite';
import type { BookFilter, BookRow, Page, Span, StreamName } from '../types.ts';
import type { openBooks } from './books.ts';
import { explain, statements } from './database.ts';
import type { openPages } from './pages.ts';
import { openPlaces, type PageBook } from './places.ts';

/** The books, and how many dead letters there are in their table, by the same keys, as of one moment. */
export interface Balance {
  readonly rows: readonly BookRow[];
  readonly letters: readonly LetterCount[];
}
export interface LetterCount {
  readonly stream: StreamName;
  readonly sink: string;
  /** Start of the hour of receipt, ms since 1970. */
  readonly hour: number;
  readonly letters: number;
}
/** book: what the sink that was asked for has made of it; undefined where the spool does not know that sink. */
export interface PageRead {
  readonly page: Page;
  readonly book?: PageBook;
}

/** What an audit reads, in short transactions: it holds back neither the writer nor the end of its log. */
export function openAudit(
  db: DatabaseSync,
  books: Pick<ReturnType<typeof openBooks>, 'list'>,
  pages: Pick<ReturnType<typeof openPages>, 'firstFrom'>,
) {
  const sql = statements(db);
  const { bookOf } = openPlaces(db);

  async function balance(filter: BookFilter): Promise<Balance> {
    const sink = filter.sink ?? null;
    return atOnce(db, () => ({
      rows: books.list(filter),
      letters: sql.all<LetterCount>`SELECT stream, sink, received_at / 3600000 * 3600000 AS hour, count(*) AS letters
        FROM dead_letters WHERE ${sink} IS NULL OR sink = ${sink} GROUP BY stream, sink, hour`,
    }));
  }

  /**
   * By time of receipt. A page that is dropped meanwhile is passed over. Bytes are unpacked and checked outside of any transaction:
   * while one is open, however short, the daemon's log cannot be written to its file to the end, and this process may have to
   * wait long for the processor.
   */
  async function* read(span: Span, sink?: string): AsyncGenerator<PageRead> {
    let [time, last] = [span.from.getTime(), 0];
    for (;;) {
      const next = placeBehind(time, last, span.to.getTime());
      if (!next) return;
      const { number } = next;
      [time, last] = [next.time, number];
      const book = sink === undefined ? undefined : atOnce(db, () => bookOf(sink, number));
      const page = explain(db, 'read a page', () => pages.firstFrom(number));
      if (page?.number === number) yield { page, ...(book && { book }) };
    }
  }

  function placeBehind(time: number, last: number, to: number): { number: number; time: number } | undefined {
    return sql.get`SELECT number, received_at AS time FROM pages WHERE (received_at, number) > (${time}, ${last})
      AND received_at < ${to} ORDER BY received_at, number LIMIT 1`;
  }

  /** How many pages, and when the first and the last was received. */
  async function extent({ from, to }: Span): Promise<{ pages: number; first?: Date; last?: Date }> {
    type Row = { pages: number; first: number | null; last: number | null };
    const row = sql.get<Row>`SELECT count(*) AS pages, min(received_at) AS first, max(received_at) AS last FROM pages
      WHERE received_at >= ${from.getTime()} AND received_at < ${to.getTime()}`;
    const { pages: count = 0, first = null, last = null } = row ?? {};
    return {
      pages: count,
      ...(first !== null && { first: new Date(first) }),
      ...(last !== null && { last: new Date(last) }),
    };
  }

  /** Delivered events whose pages are no longer kept, in the hours that the span touches. */
  async function gone(sink: string, { from, to }: Span): Promise<number> {
    const found = sql.number`SELECT sum(delivered) FROM folded WHERE sink = ${sink}
      AND hour > ${from.getTime() - 3_600_000} AND hour < ${to.getTime()}`;
    return found ?? 0;
  }

  return { balance, read, extent, gone };
}

/** Reads of one moment. */
function atOnce<T>(db: DatabaseSync, work: () => T): T {
  return explain(db, 'be read', () => {
    db.exec('BEGIN');
    try {
      return work();
    } finally {
      if (db.isTransaction) db.exec('COMMIT');
    }
  });
}
