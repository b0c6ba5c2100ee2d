import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { FORMAT, STEPS } from './schema.ts';

/**
 * Makes the folder (0700), the file (0600) and the tables where they are missing, and brings a file of an older format to this
 * one. Throws where it is no spool of ours.
 */
export function createDatabase(folder: string): DatabaseSync {
  const file = join(folder, 'spool.db');
  return explain(file, 'be opened', () => {
    makePrivate(folder, file);
    return open(file, (db, format) => {
      // Fixed once the file has content, so it comes first.
      if (format === 0) db.exec('PRAGMA auto_vacuum = INCREMENTAL');
      db.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 4096; PRAGMA journal_size_limit = 16777216');
      if (format < FORMAT) transact(db, 'make its tables', () => db.exec(STEPS.slice(format).join('')));
    });
  });
}

/** Opens a spool that is there, whether or not its owner is at work. Throws where there is none. */
export function openDatabase(folder: string): DatabaseSync {
  const file = join(folder, 'spool.db');
  const missing = `there is no spool in ${folder}: check spool.path in the config; \`mosaic-siem run\` makes one`;
  return explain(file, 'be opened', () => {
    if (!statSync(file, { throwIfNoEntry: false })) throw new Error(missing);
    return open(file, (_, format) => {
      if (format === 0) throw new Error(missing);
      if (format < FORMAT)
        throw new Error(`${file} has format ${format}, this version of the program needs ${FORMAT}: ${GROWS}`);
    });
  });
}

const GROWS = '`mosaic-siem run` of this version brings it there; start that once';

function open(file: string, prepare: (db: DatabaseSync, format: number) => void): DatabaseSync {
  demandFileOfLog(file);
  const db = new DatabaseSync(file, { timeout: 5000 });
  try {
    const format = statements(db).number`PRAGMA user_version` ?? 0;
    if (format > FORMAT) {
      const known = `this version of the program knows formats up to ${FORMAT}`;
      throw new Error(`${file} has format ${format}, ${known}: use the version that wrote it, or another spool.path`);
    }
    prepare(db, format);
    db.exec('PRAGMA synchronous = FULL');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** A new file has content before it has a log. Where one has lost its content SQLite would throw its log away. */
function demandFileOfLog(file: string): void {
  const bytesOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (bytesOf(file) > 0 || bytesOf(`${file}-wal`) === 0) return;
  throw Object.assign(new Error('the file is empty, though its log is not'), { errcode: CORRUPT });
}

/** SQLite gives its further files the rights of the first. */
function makePrivate(folder: string, file: string): void {
  makeFolder(folder);
  try {
    // Never open a file that is there: closing it would free the locks that this process has on it.
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/**
 * One owner for each spool. The system frees the lock when the process ends, however it ends. Keep what this returns: once it
 * is garbage, so is the lock.
 * Throws where another holds it; the holder's process id is only information, in a container it is always 1.
 */
export function lockSpool(folder: string): { release(): void } {
  const file = join(folder, 'lock.db');
  const db = explain(file, 'be locked', () => {
    makePrivate(folder, file);
    return new DatabaseSync(file, { timeout: 0 });
  });
  try {
    // With WAL others can read who holds the lock; a second writer is refused as ever.
    db.exec(
      'PRAGMA journal_mode = WAL; BEGIN EXCLUSIVE; CREATE TABLE IF NOT EXISTS holder (who TEXT); DELETE FROM holder',
    );
    const who = `process ${process.pid} on ${hostname()}, since ${new Date().toISOString()}`;
    statements(db).run`INSERT INTO holder VALUES (${who})`;
    db.exec('COMMIT; BEGIN EXCLUSIVE');
  } catch (error) {
    const who = holder(db);
    db.close();
    if (primaryCode(error) !== BUSY) throw explained(error, file, 'be locked');
    const advice =
      'stop it first, or set another spool.path; two processes can share neither a spool nor a Mosaic stream';
    throw new Error(`the spool in ${folder} is in use by ${who}: ${advice}`, { cause: error });
  }
  return { release: () => db.isOpen && db.close() };
}

function holder(db: DatabaseSync): string {
  try {
    return statements(db).get<{ who: string }>`SELECT who FROM holder`?.who ?? 'another process';
  } catch {
    return 'another process';
  }
}

/** All or nothing: what `work` wrote is on disk and synced when this returns, and undone when it throws. */
export function transact<T>(db: DatabaseSync, doing: string, work: () => T): T {
  return explain(db, doing, () => {
    db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      db.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite has rolled back by itself after some errors.
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
  });
}

/** One by one: Node's own `recursive` never ends where a parent such as /proc takes no folder. */
function makeFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  if (dirname(folder) !== folder) makeFolder(dirname(folder));
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    // Another process may have made it meanwhile.
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

type Text = TemplateStringsArray;
type Values = readonly SQLInputValue[];
/** The caller says what a row looks like: the tables of spool-schema.ts are STRICT. */
export interface Sql {
  get<Row>(text: Text, ...values: Values): Row | undefined;
  all<Row>(text: Text, ...values: Values): Row[];
  /** The first column of the first row; undefined where there is none, or where it is NULL. */
  number(text: Text, ...values: Values): number | undefined;
  /** Returns the rows changed and the last id given. */
  run(text: Text, ...values: Values): { changes: number; id: number };
}

/** SQL as templates, each prepared once. With node:sqlite's own tag store, closing would not let go of the file. */
export function statements(db: DatabaseSync): Sql {
  const prepared = new Map<Text, StatementSync>();
  function of(text: Text): StatementSync {
    const statement = prepared.get(text) ?? db.prepare(text.join('?'));
    prepared.set(text, statement);
    return statement;
  }
  const first = (row: object | undefined) => Object.values(row ?? {})[0] ?? undefined;
  return {
    get: <Row>(text: Text, ...values: Values) => of(text).get(...values) as Row | undefined,
    all: <Row>(text: Text, ...values: Values) => of(text).all(...values) as Row[],
    number: (text, ...values) => first(of(text).get(...values)),
    run(text, ...values) {
      const { changes, lastInsertRowid } = of(text).run(...values);
      return { changes: Number(changes), id: Number(lastInsertRowid) };
    },
  };
}

const BUSY = 5;
export const CORRUPT = 11;
export const NOT_A_DATABASE = 26;
const ADVICE: Readonly<Record<number, string>> = {
  [BUSY]: 'another process has been writing to it for over 5 s: end that one',
  8: 'the user of this process must be able to write there',
  10: 'look at the disk and at the log of the system; what was stored before is safe',
  [CORRUPT]: 'the file is damaged: `mosaic-siem run` and `mosaic-siem spool recover` salvage what can be read',
  13: 'make room on its disk; what was stored before is safe, and the same call works again once there is room',
  14: 'it must be a file, and the user of this process must be able to write there',
  [NOT_A_DATABASE]:
    'the file is damaged, or no spool: check spool.path in the config; `mosaic-siem run` and `mosaic-siem spool recover` salvage what can be read',
};

const SYSTEM_ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'the user of this process must be able to write there',
  EPERM: 'the user of this process must be able to write there',
  EROFS: 'it cannot be written there: check spool.path in the config',
  ENOENT: 'no folder can be made there: check spool.path in the config',
  ENOTDIR: 'a file stands where a folder is needed: check spool.path in the config',
  EEXIST: 'a file stands where a folder is needed: check spool.path in the config',
  ENOSPC: 'make room on its disk; what was stored before is safe',
};

/** Extended result codes hold the primary one in their lowest byte (sqlite.org/rescode.html). 0: no error of SQLite. */
export function primaryCode(error: unknown): number {
  return ((error as { errcode?: number } | undefined)?.errcode ?? 0) & 0xff;
}

/** Puts a sentence around an error of SQLite or of the system. */
export function explain<T>(where: string | DatabaseSync, doing: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw explained(error, typeof where === 'string' ? where : (where.location() ?? ''), doing);
  }
}

function explained(error: unknown, file: string, doing: string): unknown {
  const code = primaryCode(error);
  const { message, syscall, path, code: name = '' } = error as NodeJS.ErrnoException;
  if (code === 0 && !syscall) return error;
  // Of "ENOENT: no such file or directory, mkdir '/a/b'" the words: the place is said once.
  const words = code === 0 ? `${/^\w+: (.*?), /.exec(message)?.[1] ?? message} (${name})` : message;
  const advice = code === 0 ? SYSTEM_ADVICE[name] : ADVICE[code];
  const said = `the spool could not ${doing}: ${path ?? file}: ${words}${advice ? `; ${advice}` : ''}`;
  return new Error(said, { cause: error });
}
