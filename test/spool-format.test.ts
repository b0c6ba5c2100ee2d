import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { openSpoolReader } from '../src/spool.ts';
import { behind, body, booksOf, collect, difference, newFolder, readAll, started, withSql } from './fixtures/spool.ts';

/** The first format, as it was written before there was a second. Never to be changed. */
const FIRST_FORMAT = `
  CREATE TABLE pages (number INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, received_at INTEGER NOT NULL,
    partial INTEGER NOT NULL, collected INTEGER) STRICT;
  CREATE INDEX pages_by_receipt ON pages (received_at);
  CREATE INDEX pages_uncounted ON pages (number) WHERE collected IS NULL;
  CREATE TABLE bodies (page INTEGER PRIMARY KEY, sha256 BLOB NOT NULL, zstd BLOB NOT NULL) STRICT;
  CREATE TABLE sinks (sink TEXT PRIMARY KEY, configured INTEGER NOT NULL, first_page INTEGER NOT NULL, page INTEGER NOT NULL,
    position INTEGER NOT NULL DEFAULT 0, delivered INTEGER NOT NULL DEFAULT 0, filtered INTEGER NOT NULL DEFAULT 0) STRICT;
  CREATE TABLE settled (page INTEGER NOT NULL, sink TEXT NOT NULL, delivered INTEGER NOT NULL, filtered INTEGER NOT NULL,
    dead INTEGER NOT NULL, discarded INTEGER NOT NULL, damaged INTEGER NOT NULL, PRIMARY KEY (page, sink)) STRICT, WITHOUT ROWID;
  CREATE TABLE folded (stream TEXT NOT NULL, sink TEXT NOT NULL, hour INTEGER NOT NULL, collected INTEGER NOT NULL,
    delivered INTEGER NOT NULL, filtered INTEGER NOT NULL, dead INTEGER NOT NULL, discarded INTEGER NOT NULL,
    damaged INTEGER NOT NULL, PRIMARY KEY (stream, sink, hour)) STRICT, WITHOUT ROWID;
  CREATE TABLE dead_letters (id INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, at INTEGER NOT NULL,
    event_id TEXT NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL, stream TEXT NOT NULL, received_at INTEGER NOT NULL,
    page INTEGER NOT NULL, position INTEGER NOT NULL, ordinal INTEGER NOT NULL, zstd INTEGER NOT NULL, raw BLOB NOT NULL) STRICT;
  CREATE INDEX dead_letters_by_sink ON dead_letters (sink);
  CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, sink TEXT NOT NULL, filter TEXT NOT NULL,
    created_at INTEGER NOT NULL, finished_at INTEGER, done_to INTEGER NOT NULL, up_to INTEGER NOT NULL,
    delivered INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0, discarded INTEGER NOT NULL DEFAULT 0) STRICT;
  CREATE TABLE gaps (stream TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL, last_at INTEGER NOT NULL,
    PRIMARY KEY (stream, reason)) STRICT, WITHOUT ROWID;
  CREATE TABLE state (running INTEGER NOT NULL, max_size INTEGER NOT NULL) STRICT;
  INSERT INTO state VALUES (0, 0);

  CREATE VIEW entries AS SELECT stream, sink, page, received_at, hour, collected, delivered, filtered, dead, discarded, damaged,
      iif(page < cursor, 0, max(0, collected - delivered - filtered - dead - discarded - damaged)) AS waiting
    FROM (SELECT p.stream, k.sink, p.number AS page, k.page AS cursor, p.received_at,
        p.received_at / 3600000 * 3600000 AS hour, ifnull(p.collected, 0) AS collected, ifnull(s.delivered, 0) AS delivered,
        ifnull(s.filtered, 0) AS filtered, ifnull(s.dead, 0) AS dead, ifnull(s.discarded, 0) AS discarded,
        ifnull(s.damaged, 0) AS damaged
      FROM sinks k JOIN pages p ON p.number >= k.first_page LEFT JOIN settled s ON s.page = p.number AND s.sink = k.sink);
  CREATE VIEW books AS SELECT stream, sink, hour, sum(collected) AS collected, sum(delivered) AS delivered,
      sum(filtered) AS filtered, sum(dead) AS dead, sum(discarded) AS discarded, sum(damaged) AS damaged, sum(waiting) AS waiting
    FROM (SELECT stream, sink, hour, collected, delivered, filtered, dead, discarded, damaged, waiting FROM entries
      UNION ALL SELECT stream, sink, hour, collected, delivered, filtered, dead, discarded, damaged, 0 FROM folded)
    GROUP BY stream, sink, hour;
  PRAGMA user_version = 1;
`;

/** One page that splunk has half settled, with one dead letter and its order, and one that nobody has read. */
function writeFirstFormat(path: string): void {
  mkdirSync(path, { recursive: true });
  const db = new DatabaseSync(join(path, 'spool.db'));
  db.exec('PRAGMA auto_vacuum = INCREMENTAL');
  db.exec('PRAGMA journal_mode = WAL');
  db.exec(FIRST_FORMAT);
  for (const count of [3, 2]) {
    const bytes = body(count);
    const sha256 = createHash('sha256').update(bytes).digest();
    db.prepare("INSERT INTO pages VALUES (NULL, 'verify/siem', 1772366400000, 0, ?)").run(count);
    db.prepare('INSERT INTO bodies VALUES ((SELECT max(number) FROM pages), ?, ?)').run(
      sha256,
      zstdCompressSync(bytes),
    );
  }
  db.exec(`INSERT INTO sinks VALUES ('splunk', 1, 1, 1, 2, 1, 0), ('elastic', 1, 1, 1, 0, 0, 0);
    INSERT INTO settled VALUES (1, 'splunk', 1, 0, 1, 0, 0);
    INSERT INTO dead_letters VALUES (7, 'splunk', 1772366400001, 'id-7', 'a.b', 'refused', 'verify/siem', 1772366400000, 1, 1, 0, 0, CAST('{"n":1}' AS BLOB));
    INSERT INTO folded VALUES ('verify/siem', 'splunk', 1772362800000, 5, 5, 0, 0, 0, 0);
    INSERT INTO orders (kind, sink, filter, created_at, done_to, up_to) VALUES ('revive', 'splunk', '{}', 1772366400002, 0, 7);
    INSERT INTO gaps VALUES ('verify/siem', 'crash', 2, 1772366400000);
    UPDATE state SET max_size = 1000000`);
  db.close();
}

test('a spool of the first format goes on with all that it holds', async (t) => {
  const path = newFolder(t);
  writeFirstFormat(path);
  const { spool } = await started(t, { path });
  assert.equal(
    withSql(path, (db) => db.prepare('PRAGMA user_version').get()?.['user_version']),
    2,
  );
  assert.deepEqual(
    (await readAll(spool)).map((page) => Buffer.from(page.body)),
    [body(3), body(2)],
  );
  assert.deepEqual(await spool.cursor('splunk'), { page: 1, index: 2 });
  const letters = await Array.fromAsync(spool.deadLetters({}));
  assert.deepEqual(
    letters.map(({ id, eventId, activity }) => [id, eventId, Buffer.from(activity.raw).toString()]),
    [[7, 'id-7', '{"n":1}']],
  );
  const report = await spool.report();
  assert.deepEqual(
    report.gaps.map(({ count }) => count),
    [2],
  );
  assert.deepEqual(
    report.orders.map(({ upTo }) => upTo),
    [7],
  );
  const rows = await booksOf(spool);
  assert.deepEqual([rows.length, ...rows.map(difference)], [3, 0, 0, 0]);
  assert.equal(await collect(spool, body(1)), 3);
  await spool.commit('splunk', behind(1), [{ page: 1, delivered: 1, filtered: 0, dead: [] }]);
});

test('a file that has grown is like a new one, down to where its tables begin', async (t) => {
  const [old, fresh] = [newFolder(t), newFolder(t)];
  writeFirstFormat(old);
  await (await started(t, { path: old })).spool.close(true);
  await (await started(t, { path: fresh })).spool.close(true);
  const schema = (path: string) =>
    withSql(path, (db) => db.prepare('SELECT type, name, rootpage, sql FROM sqlite_schema').all());
  assert.deepEqual(schema(old), schema(fresh));
});

test('one who only reads changes no format, and says what does', (t) => {
  const path = newFolder(t);
  writeFirstFormat(path);
  assert.throws(() => openSpoolReader(path), /spool\.db has format 1, .* needs 2: .*`mosaic-siem run`.*once$/);
  assert.equal(
    withSql(path, (db) => db.prepare('PRAGMA user_version').get()?.['user_version']),
    1,
  );
});
