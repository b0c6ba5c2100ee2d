import type { DatabaseSync } from 'node:sqlite';
import { placeOf as placeOfBody } from './bodies.ts';
import { explain, type Sql, statements } from './database.ts';
import { placeOf as placeOfLetter } from './dead-letters.ts';
import { MissingKey, type Sealer } from './seal.ts';

/** A name that so few records have may be the damaged one of another key. */
const FEW = 8;

/** Throws `MissingKey` where the spool holds what no given key opens: that is not damage, the operator has only forgotten a key. */
export function demandKeys(db: DatabaseSync, sealer: Sealer, folder: string): void {
  const used = explain(
    db,
    'look for its keys',
    () =>
      statements(db).all<{
        key: string;
        pages: number;
        letters: number;
      }>`SELECT key, sum(pages) AS pages, sum(letters) AS letters
      FROM (SELECT key, 1 AS pages, 0 AS letters FROM bodies WHERE key IS NOT NULL
        UNION ALL SELECT key, 0, 1 FROM dead_letters WHERE key IS NOT NULL) GROUP BY key ORDER BY key`,
  );
  const sql = statements(db);
  const few = ({ pages, letters }: { pages: number; letters: number }) => pages + letters <= FEW;
  const missing = used.filter((name) => !sealer.knows(name.key) && !(few(name) && doOpen(sql, sealer, name.key)));
  if (missing.length === 0) return;
  const each = missing.map(({ key, pages, letters }) => `${pages} pages and ${letters} dead letters with key ${key}`);
  const advice = 'which the config does not give: add each such key to spool.old_keys';
  throw new MissingKey(`the spool in ${folder} holds encrypted records, ${each.join(', ')}, ${advice}`);
}

/** Whether all that is said to be sealed with a key that nobody has given opens all the same. */
function doOpen(sql: Sql, sealer: Sealer, key: string): boolean {
  type Body = { page: number; zstd: Uint8Array };
  type Letter = { page: number; position: number; event_id: string; raw: Uint8Array };
  try {
    for (const { page, zstd } of sql.all<Body>`SELECT page, zstd FROM bodies WHERE key = ${key}`)
      sealer.open({ bytes: zstd, key }, placeOfBody(page));
    for (const { page, position, event_id: id, raw } of sql.all<Letter>`SELECT page, position, event_id, raw
      FROM dead_letters WHERE key = ${key}`)
      sealer.open({ bytes: raw, key }, placeOfLetter(page, position, id));
    return true;
  } catch (error) {
    if (!(error instanceof MissingKey)) throw error;
    return false;
  }
}
