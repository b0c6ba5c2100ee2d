import type { DatabaseSync } from 'node:sqlite';
import type { NewReplay, Page, Replayed, ReplayPage } from '../types.ts';
import { statements } from './database.ts';
import type { openPages } from './pages.ts';
import { openPlaces } from './places.ts';

/**
 * Replays. Each keeps a cursor of its own, whole pages long: after a crash what was under way is sent again. `add` and `done` run
 * in the transactions of their caller.
 */
export function openReplays(db: DatabaseSync, pages: Pick<ReturnType<typeof openPages>, 'firstFrom'>, now: () => Date) {
  const sql = statements(db);
  const places = openPlaces(db);

  function add({ sink, span, events }: NewReplay): number {
    const [from, to] = [span.from.getTime(), span.to.getTime()];
    const filter = JSON.stringify({ from, to, ...(events && { missing: true }) });
    if (!events) return addSpan(sink, from, to, filter);
    const { id } = sql.run`INSERT INTO orders (kind, sink, filter, created_at, done_to, up_to, total)
      VALUES ('replay', ${sink}, ${filter}, ${now().getTime()}, 0, 0, ${events.length})`;
    for (const { page, index } of events) sql.run`INSERT OR IGNORE INTO wanted VALUES (${id}, ${page}, ${index})`;
    sql.run`UPDATE orders SET (done_to, up_to) = (SELECT min(page) - 1, max(page) FROM wanted WHERE order_id = ${id})
      WHERE id = ${id}`;
    return id;
  }

  /** Up to the last page that the sink has settled as a whole by now: what comes behind that comes anyway. */
  function addSpan(sink: string, from: number, to: number, filter: string): number {
    return sql.run`INSERT INTO orders (kind, sink, filter, created_at, done_to, up_to, total)
      SELECT 'replay', ${sink}, ${filter}, ${now().getTime()}, ifnull(min(p.number), 1) - 1, ifnull(max(p.number), 0),
        ifnull(sum(iif(s.page IS NULL, ifnull(p.collected, 0), s.delivered + s.filtered)), 0)
      FROM pages p LEFT JOIN settled s ON s.page = p.number AND s.sink = ${sink}
      WHERE p.received_at >= ${from} AND p.received_at < ${to} AND p.number < (SELECT page FROM sinks WHERE sink = ${sink})`
      .id;
  }

  /** The first page behind `after`; undefined when there is none left. */
  function next(id: number, after: number): ReplayPage | undefined {
    const order = sql.get<Row>`SELECT sink, up_to, json_extract(filter, '$.from') AS "from", json_extract(filter, '$.to') AS "to",
      ifnull(json_extract(filter, '$.missing'), 0) AS missing FROM orders WHERE id = ${id}`;
    if (!order) throw new Error(`the spool has no order ${id}`);
    const { sink, up_to: upTo, from, to, missing } = order;
    const number = missing
      ? sql.number`SELECT min(page) FROM wanted JOIN pages ON number = page WHERE order_id = ${id} AND page > ${after}`
      : sql.number`SELECT number FROM pages WHERE number > ${after} AND number <= ${upTo}
          AND received_at >= ${from} AND received_at < ${to} ORDER BY number LIMIT 1`;
    if (number === undefined) return undefined;
    const page = pages.firstFrom(number);
    if (page?.number !== number) return next(id, number);
    return missing ? named(id, page) : delivered(sink, page);
  }

  function named(id: number, page: Page): ReplayPage {
    const rows = sql.all<{
      position: number;
    }>`SELECT position FROM wanted WHERE order_id = ${id} AND page = ${page.number}`;
    const all = new Set(rows.map(({ position }) => position));
    return { page, most: all.size, wants: (index) => all.has(index) };
  }

  /** Dead letters have a replay of their own, and what was discarded stays so. */
  function delivered(sink: string, page: Page): ReplayPage {
    const book = places.bookOf(sink, page.number);
    const wants = (index: number) => !book?.deadAt.has(index) && !book?.discardedAt.has(index);
    return { page, most: page.collected ?? 0, wants };
  }

  /** Safe to repeat: what is counted once is not counted again. */
  function done(id: number, { after, delivered, refused, filtered, finished }: Replayed): void {
    sql.run`UPDATE orders SET done_to = ${after}, delivered = delivered + ${delivered}, refused = refused + ${refused},
      filtered = filtered + ${filtered} WHERE id = ${id} AND done_to < ${after}`;
    if (!finished) return;
    sql.run`UPDATE orders SET finished_at = ${now().getTime()} WHERE id = ${id}`;
    sql.run`DELETE FROM wanted WHERE order_id = ${id}`;
  }

  return { add, next, done };
}

type Row = {
  readonly sink: string;
  readonly up_to: number;
  readonly from: number;
  readonly to: number;
  readonly missing: number;
};
