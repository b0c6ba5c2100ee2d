import type { DatabaseSync } from 'node:sqlite';
import type { Cursor, Salvage } from '../types.ts';
import { type Sql, statements } from './database.ts';

export interface MendOptions {
  readonly now: Date;
  readonly sinks?: readonly string[];
  readonly cursors?: ReadonlyMap<string, Cursor>;
  readonly end?: number;
  /** Something could not be read, so a sink of the config that has no cursor may have lost it. */
  readonly cursorsLost: boolean;
}

/** Beyond this nobody reads a list of pages, and a number of nonsense must not make a spool of nonsense. */
const MOST_HOLES = 10_000;

/** Makes a sound spool of the rows that a salvage has found. In the transaction of the caller. */
export function mendTables(db: DatabaseSync, options: MendOptions): Omit<Salvage, 'file' | 'broken'> {
  const sql = statements(db);
  const known = sql.number`SELECT count(*) FROM set_aside` ?? 0;
  restorePages(sql, options.now.getTime());
  restoreNumbers(sql, options.end ?? 1);
  const sinks = restoreCursors(sql, options);
  setAside(sql, options.now.getTime());
  const deadLettersLost = countLostLetters(sql);
  sql.run`INSERT INTO state SELECT 1, 0 WHERE NOT EXISTS (SELECT 1 FROM state)`;
  const damaged = sql.all<{
    page: number;
  }>`SELECT page FROM set_aside ORDER BY found_at, page LIMIT -1 OFFSET ${known}`;
  return {
    pages: sql.number`SELECT count(*) FROM bodies` ?? 0,
    damagedPages: damaged.map(({ page }) => page),
    deadLetters: sql.number`SELECT count(*) FROM dead_letters` ?? 0,
    deadLettersLost,
    sinks,
  };
}

/** Where nothing at all tells the stream: what it brought is delivered all the same. */
const SOME_STREAM = 'verify/unknown';

/** A body tells its own stream and time; one of the first format takes those of the page nearest to it, or what else there is. */
function restorePages(sql: Sql, now: number): void {
  sql.run`INSERT INTO pages SELECT page, coalesce(b.stream, (SELECT stream FROM pages ORDER BY abs(number - b.page) LIMIT 1),
      (SELECT stream FROM bodies WHERE stream IS NOT NULL ORDER BY abs(page - b.page) LIMIT 1),
      (SELECT stream FROM dead_letters LIMIT 1), (SELECT stream FROM folded LIMIT 1), (SELECT stream FROM gaps LIMIT 1),
      ${SOME_STREAM}),
    coalesce(b.received_at, (SELECT received_at FROM pages ORDER BY abs(number - b.page) LIMIT 1), ${now}), ifnull(b.partial, 0),
    NULL FROM bodies b WHERE NOT EXISTS (SELECT 1 FROM pages WHERE number = b.page)`;
}

/** Numbers never start again: a cursor would skip what they stand for. */
function restoreNumbers(sql: Sql, end: number): void {
  const page = sql.number`SELECT max(n) FROM (SELECT max(number) AS n FROM pages UNION ALL SELECT max(page) FROM set_aside
    UNION ALL SELECT max(page) FROM settled UNION ALL SELECT max(page) - 1 FROM sinks
    UNION ALL SELECT max(page) FROM dead_letters UNION ALL SELECT ${end} - 1)`;
  const letter = sql.number`SELECT max(n) FROM (SELECT max(id) AS n FROM dead_letters
    UNION ALL SELECT max(up_to) FROM orders WHERE kind <> 'replay')`;
  const order = sql.number`SELECT max(n) FROM (SELECT max(id) AS n FROM orders UNION ALL SELECT max(order_id) FROM wanted)`;
  const least = { pages: page, dead_letters: letter, orders: order };
  for (const [table, number = 0] of Object.entries(least)) {
    const { changes } = sql.run`UPDATE sqlite_sequence SET seq = max(seq, ${number}) WHERE name = ${table}`;
    if (changes === 0 && number > 0) sql.run`INSERT INTO sqlite_sequence VALUES (${table}, ${number})`;
  }
}

/**
 * Where a lost cursor stood the owner knows, if it was at work. Else the books tell, since a commit moves the cursor and writes
 * them. Where they say nothing the sink begins at the oldest page: better twice than never. Returns the names of these sinks.
 */
function restoreCursors(sql: Sql, { sinks = [], cursors = new Map(), cursorsLost }: MendOptions): string[] {
  type Named = { sink: string };
  const inBooks = sql.all<Named>`SELECT sink FROM settled UNION SELECT sink FROM folded UNION SELECT sink FROM dead_letters`;
  const names = new Set([...inBooks.map(({ sink }) => sink), ...(cursorsLost ? sinks : []), ...cursors.keys()]);
  const oldest =
    sql.number`SELECT min(number) FROM pages` ??
    1 + (sql.number`SELECT seq FROM sqlite_sequence WHERE name = 'pages'` ?? 0);
  const lost = [...names].filter((sink) => sql.number`SELECT 1 FROM sinks WHERE sink = ${sink}` === undefined);
  for (const sink of lost) {
    type Last = { page: number; done: number; collected: number | null };
    const last = sql.get<Last>`SELECT page, delivered + filtered + dead + discarded + damaged AS done, collected
      FROM settled LEFT JOIN pages ON number = page WHERE sink = ${sink} ORDER BY page DESC LIMIT 1`;
    const whole = last !== undefined && last.done >= (last.collected ?? Number.POSITIVE_INFINITY);
    const page = last === undefined ? oldest : whole ? last.page + 1 : last.page;
    const stood = cursors.get(sink) ?? { page, index: last && !whole ? last.done : 0 };
    const first = sql.number`SELECT min(page) FROM settled WHERE sink = ${sink}
      AND NOT EXISTS (SELECT 1 FROM folded WHERE sink = ${sink})`;
    const configured = Number(sinks.length === 0 || sinks.includes(sink));
    sql.run`INSERT INTO sinks SELECT ${sink}, ${configured}, ${first ?? oldest}, ${stood.page}, ${stood.index},
      ifnull(sum(delivered), 0), ifnull(sum(filtered), 0) FROM (SELECT sink, delivered, filtered FROM settled
        UNION ALL SELECT sink, delivered, filtered FROM folded) WHERE sink = ${sink}`;
  }
  return lost.sort();
}

/** Pages that have lost their bytes; and those that no trace is left of, though some sink has not settled them. */
function setAside(sql: Sql, now: number): void {
  sql.run`INSERT INTO set_aside SELECT number, stream, received_at, collected, ${now},
      'its bytes could not be read when the spool was salvaged', NULL
    FROM pages WHERE number NOT IN (SELECT page FROM bodies) AND number NOT IN (SELECT page FROM set_aside)`;
  sql.run`INSERT INTO set_aside WITH RECURSIVE hole(number) AS (
      SELECT min(page) FROM sinks WHERE configured UNION ALL
      SELECT number + 1 FROM hole WHERE number < (SELECT seq FROM sqlite_sequence WHERE name = 'pages') LIMIT ${MOST_HOLES})
    SELECT number, ifnull((SELECT stream FROM pages ORDER BY abs(pages.number - hole.number) LIMIT 1), ''), ${now}, NULL, ${now},
      'no trace of it was left when the spool was salvaged', NULL
    FROM hole WHERE number <= (SELECT seq FROM sqlite_sequence WHERE name = 'pages')
      AND number NOT IN (SELECT number FROM pages) AND number NOT IN (SELECT page FROM set_aside)`;
  sql.run`DELETE FROM settled WHERE page NOT IN (SELECT number FROM pages)`;
}

/** What the books call dead, and no dead letter is left of, is damaged: so they add up. Returns how many. */
function countLostLetters(sql: Sql): number {
  const before = damaged(sql);
  sql.run`UPDATE settled SET damaged = settled.damaged + settled.dead - found, dead = found
    FROM (SELECT s.page, s.sink, count(d.id) AS found FROM settled s
      LEFT JOIN dead_letters d ON d.page = s.page AND d.sink = s.sink WHERE s.dead > 0 GROUP BY s.page, s.sink) n
    WHERE settled.page = n.page AND settled.sink = n.sink AND settled.dead > found`;
  sql.run`UPDATE folded SET damaged = folded.damaged + folded.dead - found, dead = found
    FROM (SELECT f.stream, f.sink, f.hour, count(d.id) AS found FROM folded f LEFT JOIN dead_letters d ON d.stream = f.stream
        AND d.sink = f.sink AND d.received_at / 3600000 * 3600000 = f.hour
        AND NOT EXISTS (SELECT 1 FROM settled s WHERE s.page = d.page AND s.sink = d.sink)
      WHERE f.dead > 0 GROUP BY f.stream, f.sink, f.hour) n
    WHERE folded.stream = n.stream AND folded.sink = n.sink AND folded.hour = n.hour AND folded.dead > found`;
  return damaged(sql) - before;
}

function damaged(sql: Sql): number {
  return (
    sql.number`SELECT ifnull(sum(damaged), 0) FROM (SELECT damaged FROM settled UNION ALL SELECT damaged FROM folded)` ??
    0
  );
}
