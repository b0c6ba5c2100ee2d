import { DatabaseSync } from 'node:sqlite';
import { type Blocks, HEAD_BYTES } from './blocks.ts';
import { statements } from './database.ts';
import { cellsOf, childrenOf } from './records.ts';
import { STEPS } from './schema.ts';

/** The tables of a file, each by the block in which it begins. */
export type Layout = ReadonlyMap<number, string>;

/** A file of the first format has them too. Where one is not found, its schema cannot be trusted. */
const ALWAYS = ['pages', 'bodies', 'sinks', 'settled', 'folded', 'dead_letters', 'orders', 'gaps', 'state'];

/** Where the tables of this file begin, as its own schema says; undefined where that is damaged. */
export function ownLayout(blocks: Blocks): Layout | undefined {
  const first = blocks.at(1);
  const found = new Map<number, string>();
  for (const child of first ? childrenOf(first, HEAD_BYTES) : []) {
    const bytes = blocks.at(child);
    for (const { values: [type, name, , root] = [] } of bytes ? cellsOf(bytes, tooLong).cells : []) {
      if (type === 'table' && typeof name === 'string' && typeof root === 'number') found.set(root, name);
    }
  }
  const names = new Set(found.values());
  return ALWAYS.every((name) => names.has(name)) ? found : undefined;
}

/** What is too long for its block is a view. */
function tooLong(): never {
  throw new Error('no table has so long a text');
}

/** Where they begin in every file that the program has made, and in every copy that `VACUUM` has made of one. */
export function usualLayouts(): readonly [Layout, Layout] {
  const twin = new DatabaseSync(':memory:');
  try {
    twin.exec('PRAGMA auto_vacuum = INCREMENTAL');
    twin.exec(STEPS.join(''));
    const made = layoutOf(twin);
    twin.exec('VACUUM');
    return [made, layoutOf(twin)];
  } finally {
    twin.close();
  }
}

function layoutOf(db: DatabaseSync): Layout {
  const rows = statements(db).all<{ root: number; name: string }>`SELECT rootpage AS root, name FROM sqlite_schema
    WHERE type = 'table'`;
  return new Map(rows.map(({ root, name }) => [root, name]));
}
