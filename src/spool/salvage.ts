import { closeSync, existsSync, fsyncSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Cursor, Salvage } from '../types.ts';
import { type Blocks, openBlocks } from './blocks.ts';
import { explain, primaryCode, statements } from './database.ts';
import { type Layout, ownLayout, usualLayouts } from './layout.ts';
import { mendTables } from './mend.ts';
import type { Cell, Value } from './records.ts';
import { STEPS } from './schema.ts';
import { tableOf } from './shapes.ts';
import { leavesOf } from './trees.ts';

export interface SalvageOptions {
  /** The sinks of the config: one whose cursor is lost begins at the oldest page. */
  readonly sinks?: readonly string[];
  /** Where their sinks stand, of those who know. */
  readonly cursors?: ReadonlyMap<string, Cursor>;
  /** The next page gets this number at least. */
  readonly end?: number;
  readonly now: () => Date;
}

const BUILDING = 'spool-building.db';
const BUILT = /^spool-salvaged-(\d{8}T\d{6}Z)\.db$/;
const CONSTRAINT = 19;
const MISMATCH = 20;

/**
 * Reads a damaged spool block by block, without SQLite, and puts a new file in its place with all that can be read. The damaged
 * file stays, under another name. The caller holds the lock, and has no connection open. Where this throws, or the process
 * dies, nothing has changed, or `finishSalvage` does the rest.
 */
export function salvage(folder: string, options: SalvageOptions): Salvage {
  const now = options.now();
  const time = freeTime(folder, now);
  const building = join(folder, BUILDING);
  return explain(building, 'be salvaged', () => {
    const found = build(join(folder, 'spool.db'), building, options, now);
    renameSync(building, join(folder, `spool-salvaged-${time}.db`));
    sync(folder);
    finishSalvage(folder);
    return { ...found, file: join(folder, `spool-damaged-${time}.db`) };
  });
}

/** A damaged file is never written over: where one has this time in its name already, the next second that is free. */
function freeTime(folder: string, now: Date): string {
  for (let at = now.getTime(); ; at += 1_000) {
    const time = new Date(at).toISOString().replace(/[-:]|\.\d+/g, '');
    if (!['', '-wal'].some((part) => existsSync(join(folder, `spool-damaged-${time}.db${part}`)))) return time;
  }
}

/** A salvaged file that is complete takes its place. Each step may be the last before a crash: it is safe to repeat. */
export function finishSalvage(folder: string): void {
  const built = existsSync(folder) ? readdirSync(folder).find((name) => BUILT.test(name)) : undefined;
  if (built === undefined) return;
  const file = join(folder, 'spool.db');
  const damaged = join(folder, `spool-damaged-${BUILT.exec(built)?.[1]}.db`);
  for (const part of ['', '-wal']) {
    if (existsSync(`${file}${part}`) && !existsSync(`${damaged}${part}`))
      renameSync(`${file}${part}`, `${damaged}${part}`);
  }
  // With the log of the damaged file beside it the new one would be damaged too.
  for (const part of ['-wal', '-shm']) rmSync(`${file}${part}`, { force: true });
  sync(folder);
  renameSync(join(folder, built), file);
  sync(folder);
}

function build(from: string, to: string, options: SalvageOptions, now: Date): Omit<Salvage, 'file'> {
  for (const part of ['', '-journal']) rmSync(`${to}${part}`, { force: true });
  closeSync(openSync(to, 'wx', 0o600));
  const db = new DatabaseSync(to);
  try {
    // Until it is complete nobody needs it: no log on the disk, and one sync at the end.
    db.exec('PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; BEGIN');
    db.exec(STEPS.join(''));
    db.exec('DELETE FROM state; DELETE FROM sqlite_sequence');
    const lost = copy(db, from);
    const mended = mendTables(db, { ...options, now, cursorsLost: lost.size > 0 });
    db.exec('COMMIT; PRAGMA journal_mode = WAL');
    db.close();
    sync(to);
    return { ...mended, broken: [...lost].sort() };
  } catch (error) {
    if (db.isOpen) db.close();
    for (const part of ['', '-journal', '-wal', '-shm']) rmSync(`${to}${part}`, { force: true });
    throw error;
  }
}

/** Every row that can be read. Returns the tables of which something cannot. */
function copy(db: DatabaseSync, from: string): ReadonlySet<string> {
  const tables = new Map(tablesOf(db).map((table) => [table.name, table]));
  const blocks = openBlocks(from);
  try {
    return copyWith(ownLayout(blocks) ?? likelier(db, blocks, tables), blocks, tables).lost;
  } finally {
    blocks.close();
  }
}

/** With the right one more rows fit their tables. */
function likelier(db: DatabaseSync, blocks: Blocks, tables: ReadonlyMap<string, Table>): Layout {
  const [made, vacuumed] = usualLayouts();
  const fits = (layout: Layout) => {
    db.exec('SAVEPOINT attempt');
    const { taken, refused } = copyWith(layout, blocks, tables);
    db.exec('ROLLBACK TO attempt; RELEASE attempt');
    return taken - refused;
  };
  return fits(made) >= fits(vacuumed) ? made : vacuumed;
}

function copyWith(layout: Layout, blocks: Blocks, tables: ReadonlyMap<string, Table>) {
  const lost = new Set<string>();
  const count = { taken: 0, refused: 0 };
  for (const { root, cells, broken } of leavesOf(blocks, new Set(layout.keys()))) {
    const table = tables.get((root === undefined ? tableOf(cells) : layout.get(root)) ?? '');
    if (!table) continue;
    const taken = cells.filter((cell) => table.take(cell)).length;
    count.taken += taken;
    count.refused += cells.length - taken;
    if (broken || taken < cells.length) lost.add(table.name);
  }
  return { lost, ...count };
}

interface Table {
  readonly name: string;
  /** False where the row has no place in the table. */
  take(cell: Cell): boolean;
}

function tablesOf(db: DatabaseSync): Table[] {
  const sql = statements(db);
  return sql.all<{ name: string }>`SELECT name FROM sqlite_schema WHERE type = 'table'`.map(({ name }) => {
    type Column = { name: string; pk: number; dflt_value: string | null };
    const columns = sql.all<Column>`SELECT name, pk, dflt_value FROM pragma_table_info(${name})`;
    const marks = columns.map(() => '?').join(', ');
    const insert = db.prepare(`INSERT INTO ${name} VALUES (${marks})`);
    // A row that was written before a column was added ends before it.
    const standard = (column: Column): Value => (column.dflt_value === null ? null : Number(column.dflt_value));
    return {
      name,
      take({ id, values }) {
        if (!values || values.length > columns.length) return false;
        const row = columns.map((column, index) => {
          const value = index < values.length ? (values[index] ?? null) : standard(column);
          return value === null && column.pk === 1 ? (id ?? null) : value;
        });
        return isTaken(() => insert.run(...row));
      },
    };
  });
}

/** A row of nonsense does not fit: the tables are strict. */
function isTaken(insert: () => void): boolean {
  try {
    insert();
    return true;
  } catch (error) {
    if (![CONSTRAINT, MISMATCH].includes(primaryCode(error))) throw error;
    return false;
  }
}

function sync(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
