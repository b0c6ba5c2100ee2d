import type { DatabaseSync } from 'node:sqlite';
import type { NewPage, Page, StreamName } from '../types.ts';
import type { openBodies } from './bodies.ts';
import { statements } from './database.ts';

type PageRow = { number: number; stream: StreamName; received_at: number; partial: number; collected: number | null };

/** The pages of a spool, within the transactions of their caller. */
export function openPages(db: DatabaseSync, bodies: ReturnType<typeof openBodies>) {
  const sql = statements(db);

  function add(page: NewPage): number {
    const { stream, receivedAt, partial } = page;
    const { id } = sql.run`INSERT INTO pages (stream, received_at, partial)
      VALUES (${stream}, ${receivedAt.getTime()}, ${Number(partial)})`;
    bodies.add(id, page);
    return id;
  }

  function firstFrom(number: number): Page | undefined {
    const row = sql.get<PageRow>`SELECT * FROM pages WHERE number >= ${number} ORDER BY number LIMIT 1`;
    return row && toPage(row);
  }

  function setCount(page: number, activities: number): void {
    sql.run`UPDATE pages SET collected = ${activities} WHERE number = ${page}`;
  }

  function countMissing(count: (body: Uint8Array) => number): void {
    for (const { number } of sql.all<{ number: number }>`SELECT number FROM pages WHERE collected IS NULL`) {
      const { body, damaged } = bodies.read(number);
      setCount(number, damaged === undefined ? count(body) : atLeastIn(number));
    }
  }

  /** Of a page whose bytes are damaged: what some sink has settled of it was there. */
  function atLeastIn(page: number): number {
    const found = sql.number`SELECT max(delivered + filtered + dead + discarded + damaged) FROM settled WHERE page = ${page}`;
    return found ?? 0;
  }

  /** The number that the next page gets. */
  function end(): number {
    return 1 + (sql.number`SELECT seq FROM sqlite_sequence WHERE name = 'pages'` ?? 0);
  }

  /** The number of the oldest page that is kept. */
  function oldest(): number {
    return sql.number`SELECT min(number) FROM pages` ?? end();
  }

  function toPage({ number, stream, received_at, partial, collected }: PageRow): Page {
    const known = collected === null ? {} : { collected };
    return {
      number,
      stream,
      receivedAt: new Date(received_at),
      partial: partial === 1,
      ...known,
      ...bodies.read(number),
    };
  }

  return { add, firstFrom, setCount, countMissing, end, oldest };
}
