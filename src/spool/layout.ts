import { DatabaseSync } from 'node:sqlite';
import type { Blocks } from './blocks.ts';
import { statements } from './database.ts';
import { cellsOf, childrenOf } from './records.ts';
import { STEPS } from './schema.ts';

/** The tables of a file, each by the block in which it begins. */
export type Layout = ReadonlyMap<number, string>;

/** Behind this many bytes the first block is like any other. */
const FILE_HEADER_BYTES = 100;

/**
 * Where the tables of this file may begin, the likeliest first: what its own schema says, where that can be read; else where
 * they begin in every file that the program has made, and in every copy that `VACUUM` has made of one.
 */
export function layoutsOf(blocks: Blocks): Layout[] {
  const twin = new DatabaseSync(':memory:');
  try {
    twin.exec('PRAGMA auto_vacuum = INCREMENTAL');
    twin.exec(STEPS.join(''));
    const made = layoutOf(twin);
    twin.exec('VACUUM');
    const own = ownLayout(blocks, new Set(made.values()));
    return [...(own ? [own] : []), made, layoutOf(twin)];
  } finally {
    twin.close();
  }
}

function layoutOf(db: DatabaseSync): Layout {
  const rows = statements(db).all<{ root: number; name: string }>`SELECT rootpage AS root, name FROM sqlite_schema
    WHERE type = 'table'`;
  return new Map(rows.map(({ root, name }) => [root, name]));
}

/** Undefined where the schema of the file is damaged. A file of the first format lacks the newer tables. */
function ownLayout(blocks: Blocks, names: ReadonlySet<string>): Layout | undefined {
  const first = blocks.at(1);
  const found = new Map<number, string>();
  for (const child of first ? childrenOf(first, FILE_HEADER_BYTES) : []) {
    const bytes = blocks.at(child);
    const { cells, broken } = bytes ? cellsOf(bytes, tooLong) : { cells: [], broken: true };
    // What is too long for its block is a view.
    if (broken && cells.length === 0) return undefined;
    for (const { values: [type, name, , root] = [] } of cells) {
      if (type === 'table' && typeof name === 'string' && typeof root === 'number' && names.has(name))
        found.set(root, name);
    }
  }
  return ['pages', 'bodies', 'sinks', 'settled'].every((name) => [...found.values()].includes(name))
    ? found
    : undefined;
}

function tooLong(): never {
  throw new Error('no table has so long a text');
}
