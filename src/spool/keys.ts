import type { DatabaseSync } from 'node:sqlite';
import { explain, statements } from './database.ts';
import { MissingKey, type Sealer } from './seal.ts';

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
  const missing = used.filter(({ key }) => !sealer.knows(key));
  if (missing.length === 0) return;
  const each = missing.map(({ key, pages, letters }) => `${pages} pages and ${letters} dead letters with key ${key}`);
  const advice = 'which the config does not give: add each such key to spool.old_keys';
  throw new MissingKey(`the spool in ${folder} holds encrypted records, ${each.join(', ')}, ${advice}`);
}
