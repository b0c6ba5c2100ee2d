import type { DatabaseSync } from 'node:sqlite';
import { statements } from './database.ts';

/** What one sink has made of one page that is kept. */
export interface PageBook {
  readonly delivered: number;
  readonly filtered: number;
  readonly dead: number;
  readonly discarded: number;
  readonly damaged: number;
  /** The page came after the sink's start, so the sink had to settle it. */
  readonly counts: boolean;
  /** Events before this index are settled: all of them, some, or none. */
  readonly settledTo: number;
  /** The places of the dead letters, and of those that were discarded. */
  readonly deadAt: ReadonlySet<number>;
  readonly discardedAt: ReadonlySet<number>;
}

type Row = Omit<PageBook, 'counts' | 'settledTo' | 'deadAt' | 'discardedAt'> & {
  readonly first_page: number;
  readonly page: number;
  readonly position: number;
};

/** Where in a page the events lie that a sink did not take. Run it in the transaction that reads the page. */
export function openPlaces(db: DatabaseSync) {
  const sql = statements(db);

  /** Undefined for a sink that the spool does not know. */
  function bookOf(sink: string, page: number): PageBook | undefined {
    const row = sql.get<Row>`SELECT ifnull(delivered, 0) AS delivered, ifnull(filtered, 0) AS filtered, ifnull(dead, 0) AS dead,
        ifnull(discarded, 0) AS discarded, ifnull(damaged, 0) AS damaged, first_page, k.page, position
      FROM (SELECT sink, first_page, page, position FROM sinks WHERE sink = ${sink}) k
      LEFT JOIN (SELECT * FROM settled WHERE page = ${page}) s ON s.sink = k.sink`;
    if (!row) return undefined;
    const { first_page: first, page: cursor, position, ...book } = row;
    const settledTo = page < cursor ? Number.POSITIVE_INFINITY : page === cursor ? position : 0;
    return { ...book, counts: page >= first, settledTo, ...exceptions(sink, page, book) };
  }

  /** The counts come first: looking for the places of dead letters reads all of the sink's. */
  function exceptions(sink: string, page: number, { dead, discarded }: Pick<PageBook, 'dead' | 'discarded'>) {
    type Place = { position: number };
    const deadAt =
      dead === 0 ? [] : sql.all<Place>`SELECT position FROM dead_letters WHERE sink = ${sink} AND page = ${page}`;
    const discardedAt =
      discarded === 0
        ? []
        : sql.all<Place>`SELECT position FROM orders o JOIN wanted w ON w.order_id = o.id
          WHERE o.kind = 'discard' AND o.sink = ${sink} AND w.page = ${page}`;
    return {
      deadAt: new Set(deadAt.map(({ position }) => position)),
      discardedAt: new Set(discardedAt.map(({ position }) => position)),
    };
  }

  return { bookOf };
}
