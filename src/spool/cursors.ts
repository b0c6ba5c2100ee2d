import type { DatabaseSync } from 'node:sqlite';
import type { Cursor, SinkStart, SpoolStart } from '../types.ts';
import { statements } from './database.ts';

interface Bounds {
  /** The oldest page that is kept, and the number that the next page gets. */
  readonly oldest: number;
  readonly end: number;
}

/** How far each sink has come, within the transactions of the caller. */
export function openCursors(db: DatabaseSync) {
  const sql = statements(db);

  /** From now on these sinks, and no others, hold pages. */
  function start(sinks: readonly SinkStart[], bounds: Bounds): Omit<SpoolStart, 'uncleanStop'> {
    for (const sink of sinks) rename(sink);
    sql.run`UPDATE sinks SET configured = 0`;
    const newSinks = sinks.filter((sink) => startSink(sink, bounds)).map(({ name }) => name);
    const gone = sql.all<
      SpoolStart['goneSinks'][number]
    >`SELECT sink AS name, (SELECT count(*) FROM dead_letters d WHERE d.sink = k.sink) AS deadLetters
      FROM sinks k WHERE NOT configured ORDER BY sink`;
    return { newSinks, goneSinks: gone.map((sink) => ({ ...sink })) };
  }

  /** The new name takes over the cursor, the dead letters, the orders and the books. */
  function rename({ name, was }: SinkStart): void {
    if (was === undefined || isKnown(name) || !isKnown(was)) return;
    for (const table of ['sinks', 'settled', 'folded', 'dead_letters', 'orders']) {
      db.prepare(`UPDATE ${table} SET sink = ? WHERE sink = ?`).run(name, was);
    }
  }

  /** A sink that comes back goes on at the oldest page that is kept. True for a new one. */
  function startSink({ name, start }: SinkStart, { oldest, end }: Bounds): boolean {
    const isNew = !isKnown(name);
    const first = start === 'earliest' ? oldest : end;
    if (isNew) sql.run`INSERT INTO sinks (sink, configured, first_page, page) VALUES (${name}, 1, ${first}, ${first})`;
    sql.run`UPDATE sinks SET configured = 1 WHERE sink = ${name}`;
    sql.run`UPDATE sinks SET page = ${oldest}, position = 0 WHERE sink = ${name} AND page < ${oldest}`;
    return isNew;
  }

  function isKnown(sink: string): boolean {
    return sql.number`SELECT 1 FROM sinks WHERE sink = ${sink}` !== undefined;
  }

  function of(sink: string): Cursor {
    const row = sql.get<Cursor>`SELECT page, position AS "index" FROM sinks WHERE sink = ${sink}`;
    if (!row) throw new Error(`the spool has no cursor of ${sink}: start makes it`);
    return { ...row };
  }

  /** Only forward, and not beyond the end. */
  function move(sink: string, to: Cursor, end: number): void {
    const from = of(sink);
    if (isBefore(to, from) || isBefore({ page: end, index: 0 }, to)) {
      throw new Error(
        `the cursor of ${sink} cannot go from ${place(from)} to ${place(to)}; the next page will be ${end}`,
      );
    }
    sql.run`UPDATE sinks SET page = ${to.page}, position = ${to.index} WHERE sink = ${sink}`;
  }

  return { start, of, move };
}

function isBefore(a: Cursor, b: Cursor): boolean {
  return a.page < b.page || (a.page === b.page && a.index < b.index);
}

function place({ page, index }: Cursor): string {
  return `page ${page}, activity ${index}`;
}
