import type { DatabaseSync } from 'node:sqlite';
import type {
  BookFilter,
  BookRow,
  Gap,
  GapReason,
  Settled,
  SinkReport,
  SpoolReport,
  StreamName,
  StreamReport,
} from '../types.ts';
import { type Sql, statements } from './database.ts';
import { usedBytes } from './room.ts';

/** What became of the activities, and the possible gaps. `settle` and `gap` run in the transactions of their caller. */
export function openBooks(db: DatabaseSync, now: () => Date) {
  const sql = statements(db);

  function settle(sink: string, { page, delivered, filtered, dead, damaged = 0 }: Settled): void {
    sql.run`INSERT INTO settled VALUES (${page}, ${sink}, ${delivered}, ${filtered}, ${dead.length}, 0, ${damaged})
      ON CONFLICT DO UPDATE SET delivered = delivered + excluded.delivered, filtered = filtered + excluded.filtered,
        dead = dead + excluded.dead, damaged = damaged + excluded.damaged`;
    sql.run`UPDATE sinks SET delivered = delivered + ${delivered}, filtered = filtered + ${filtered} WHERE sink = ${sink}`;
  }

  function gap(stream: StreamName, reason: GapReason): void {
    sql.run`INSERT INTO gaps VALUES (${stream}, ${reason}, 1, ${now().getTime()})
      ON CONFLICT DO UPDATE SET count = count + 1, last_at = excluded.last_at`;
  }

  /** The hours that the span touches. */
  function list({ sink, from, to }: BookFilter): BookRow[] {
    const name = sink ?? null;
    const [after, before] = [(from?.getTime() ?? 0) - 3_600_000, to?.getTime() ?? Number.MAX_SAFE_INTEGER];
    const found = sql.all<
      Stored<BookRow, 'hour'>
    >`SELECT * FROM books WHERE (${name} IS NULL OR sink = ${name}) AND hour > ${after} AND hour < ${before}
      ORDER BY hour, stream, sink`;
    return found.map((row) => ({ ...row, hour: new Date(row.hour) }));
  }

  async function* rows(filter: BookFilter): AsyncGenerator<BookRow> {
    yield* list(filter);
  }

  function sinks(): SinkReport[] {
    const found = sql.all<SinkRow>`WITH more AS (SELECT sink, sum(collected) AS collected, sum(discarded) AS discarded,
        sum(damaged) AS damaged FROM (
          SELECT sink, 0 AS collected, discarded, damaged FROM settled WHERE discarded > 0 OR damaged > 0
          UNION ALL SELECT sink, collected, discarded, damaged FROM folded) GROUP BY sink)
      SELECT k.sink, configured, page, position, delivered, filtered,
        (SELECT ifnull(sum(collected), 0) FROM pages WHERE number >= first_page) + ifnull(m.collected, 0) AS collected,
        ifnull(discarded, 0) AS discarded, ifnull(damaged, 0) AS damaged,
        (SELECT count(*) FROM dead_letters d WHERE d.sink = k.sink) AS deadLetters,
        (SELECT ifnull(sum(waiting), 0) FROM entries e WHERE e.sink = k.sink AND e.page >= k.page) AS waiting,
        (SELECT min(received_at) FROM entries e WHERE e.sink = k.sink AND e.page >= k.page AND waiting > 0) AS waitingSince
      FROM sinks k LEFT JOIN more m ON m.sink = k.sink ORDER BY k.sink`;
    return found.map(toSinkReport);
  }

  /** Of an hour that is folded the sink that saw most tells: another may have come later. */
  function streams(): StreamReport[] {
    const found = sql.all<StreamReport>`SELECT stream, sum(collected) AS collected FROM (
        SELECT stream, ifnull(sum(collected), 0) AS collected FROM pages GROUP BY stream
        UNION ALL SELECT stream, max(collected) FROM folded GROUP BY stream, hour) GROUP BY stream ORDER BY stream`;
    return found.map((row) => ({ ...row }));
  }

  function report(): Omit<SpoolReport, 'orders'> {
    const oldest = sql.number`SELECT min(received_at) FROM pages`;
    const newest = sql.number`SELECT max(received_at) FROM pages`;
    return {
      bytes: usedBytes(sql),
      limit: sql.number`SELECT max_size FROM state` ?? 0,
      pages: sql.number`SELECT count(*) FROM pages` ?? 0,
      setAside: sql.number`SELECT count(*) FROM set_aside` ?? 0,
      ...(oldest !== undefined && { oldestPageAt: new Date(oldest) }),
      ...(newest !== undefined && { newestPageAt: new Date(newest) }),
      gaps: gapsOf(sql),
      streams: streams(),
      sinks: sinks(),
    };
  }

  return { settle, gap, list, rows, report };
}

function gapsOf(sql: Sql): Gap[] {
  const found = sql.all<
    Stored<Gap, 'lastAt'>
  >`SELECT stream, reason, count, last_at AS lastAt FROM gaps ORDER BY stream, reason`;
  return found.map((row) => ({ ...row, lastAt: new Date(row.lastAt) }));
}

/** As stored: a time is in ms since 1970. */
type Stored<T, Time extends keyof T> = Omit<T, Time> & { readonly [key in Time]: number };
type SinkRow = Omit<SinkReport, 'configured' | 'cursor' | 'waitingSince'> & {
  readonly configured: number;
  readonly page: number;
  readonly position: number;
  readonly waitingSince: number | null;
};

function toSinkReport({ configured, page, position, waitingSince, ...row }: SinkRow): SinkReport {
  return {
    ...row,
    configured: configured === 1,
    cursor: { page, index: position },
    ...(waitingSince !== null && { waitingSince: new Date(waitingSince) }),
  };
}
