import { BLOCK_BYTES, type Blocks } from './blocks.ts';
import { type Cell, cellsOf } from './records.ts';

/** What one block holds of one table. */
export interface Leaf {
  /** The block in which the table begins; undefined where nothing is left that tells it. */
  readonly root: number | undefined;
  readonly cells: readonly Cell[];
  /** Nothing of it, or not all, can be read. */
  readonly broken: boolean;
}

const ENTRY_BYTES = 5;
/** Which table a block belongs to is said in map blocks, one for each so many: the file is made with auto_vacuum. */
const MAPPED = Math.floor(BLOCK_BYTES / ENTRY_BYTES);
/** SQLite never uses the block with this byte: other programs lock it. */
const UNUSED = 0x40000000 / BLOCK_BYTES + 1;
const ROOT = 1;
const OVERFLOW = 3;
const OVERFLOW_OF_OVERFLOW = 4;
const BRANCH = 5;
const DEEPEST = 20;

/**
 * Every block of the tables that begin in these roots, in the order of the file. A table that has lost its root or a branch
 * keeps its leaves, since each block is asked what it belongs to, and no block for what hangs on it.
 */
export function* leavesOf(blocks: Blocks, roots: ReadonlySet<number>): Generator<Leaf> {
  function rootOf(block: number, depth = 0): number | undefined {
    if (roots.has(block)) return block;
    // The first block is of the schema, which nobody needs here.
    if (block < 2 || depth > DEEPEST) return undefined;
    const entry = entryOf(blocks, block);
    return entry?.kind === BRANCH ? rootOf(entry.parent, depth + 1) : undefined;
  }

  for (let number = 2; number <= blocks.count; number++) {
    if (number === UNUSED || number === mapOf(number)) continue;
    const root = rootOf(number);
    // What the map calls free or an overflow holds no rows. Of a branch the way to its root may be lost.
    if (root === undefined && (entryOf(blocks, number)?.kind ?? BRANCH) !== BRANCH) continue;
    const bytes = blocks.at(number);
    const found = bytes && cellsOf(bytes, (length, first) => overflow(blocks, number, length, first));
    yield { root, cells: found?.cells ?? [], broken: found?.broken ?? true };
  }
}

/** The number of the map block that tells of this one. */
function mapOf(block: number): number {
  const map = Math.floor((block - 2) / (MAPPED + 1)) * (MAPPED + 1) + 2;
  return map === UNUSED ? map + 1 : map;
}

interface Entry {
  readonly kind: number;
  readonly parent: number;
}

/** Undefined where the map block says nothing sound. */
function entryOf(blocks: Blocks, block: number): Entry | undefined {
  const map = mapOf(block);
  const bytes = blocks.at(map);
  const at = ENTRY_BYTES * (block - map - 1);
  if (!bytes || at < 0 || at + ENTRY_BYTES > bytes.length) return undefined;
  const [kind = 0, parent] = [bytes[at], bytes.readUInt32BE(at + 1)];
  const sound = kind >= ROOT && kind <= BRANCH && parent <= blocks.count && kind <= 2 === (parent === 0);
  return sound ? { kind, parent } : undefined;
}

/** What a row has beyond its own block: a chain of blocks. Throws where that is broken. */
function overflow(blocks: Blocks, owner: number, length: number, first: number): Buffer {
  const parts: Buffer[] = [];
  let [at, from, kind, left] = [first, owner, OVERFLOW, length];
  while (left > 0) {
    const entry = entryOf(blocks, at);
    const bytes = at > 1 && at <= blocks.count ? blocks.at(at) : undefined;
    if (!bytes || (entry && (entry.kind !== kind || entry.parent !== from))) throw new Error('the chain is broken');
    const part = bytes.subarray(4, 4 + left);
    parts.push(part);
    left -= part.length;
    [from, at, kind] = [at, bytes.readUInt32BE(0), OVERFLOW_OF_OVERFLOW];
  }
  return Buffer.concat(parts);
}
