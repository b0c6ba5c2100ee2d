/**
 * The tables of a spool. `number` of pages never starts again (AUTOINCREMENT), so that no cursor skips a page after a full trim.
 * `entries`: the books of one sink and one page that is kept. A page waits from the sink's cursor on; what is missing behind it
 * is an error, and shows as one. `books` joins them with what trimming has folded. Columns are named as in BookRow.
 */
const FIRST = `
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

/**
 * `key`: the name of the key that the bytes are encrypted with; NULL where they are not. A body tells its own stream and time, so
 * that a row of `pages` that is lost loses no activity; NULL in those of the first format. `set_aside`: what is left of damaged
 * pages. `wanted`: the single events that an order is about: those of a replay of some, and those that a discard has dropped.
 * `needed`: the pages that unfinished replays still have to read.
 */
const SECOND = `
  ALTER TABLE bodies ADD COLUMN key TEXT;
  ALTER TABLE bodies ADD COLUMN stream TEXT;
  ALTER TABLE bodies ADD COLUMN received_at INTEGER;
  ALTER TABLE bodies ADD COLUMN partial INTEGER;
  ALTER TABLE dead_letters ADD COLUMN key TEXT;
  ALTER TABLE orders ADD COLUMN total INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE orders ADD COLUMN filtered INTEGER NOT NULL DEFAULT 0;
  CREATE TABLE set_aside (page INTEGER PRIMARY KEY, stream TEXT NOT NULL, received_at INTEGER NOT NULL, collected INTEGER,
    found_at INTEGER NOT NULL, why TEXT NOT NULL, bytes BLOB) STRICT;
  CREATE TABLE wanted (order_id INTEGER NOT NULL, page INTEGER NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (order_id, page, position)) STRICT, WITHOUT ROWID;
  CREATE VIEW needed AS SELECT o.id AS order_id, p.number AS page FROM orders o JOIN sinks k ON k.sink = o.sink AND k.configured
    JOIN pages p ON p.number > o.done_to AND p.number <= o.up_to
    WHERE o.kind = 'replay' AND o.finished_at IS NULL AND iif(o.filter ->> '$.missing',
      EXISTS (SELECT 1 FROM wanted w WHERE w.order_id = o.id AND w.page = p.number),
      p.received_at >= o.filter ->> '$.from' AND p.received_at < o.filter ->> '$.to');
  CREATE INDEX bodies_by_key ON bodies (key) WHERE key IS NOT NULL;
  CREATE INDEX dead_letters_by_key ON dead_letters (key) WHERE key IS NOT NULL;
  PRAGMA user_version = 2;
`;

/** What makes each format out of the one before. A new file takes all steps, so that it is like one that has grown. */
export const STEPS = [FIRST, SECOND] as const;
export const FORMAT = STEPS.length;
