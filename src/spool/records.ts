import { BLOCK_BYTES } from './blocks.ts';

export type Value = null | number | string | Uint8Array;
/** One row. Without values where they cannot be read. */
export interface Cell {
  /** The number of the row; undefined in a table that is WITHOUT ROWID. */
  readonly id?: number;
  readonly values?: readonly Value[];
}
/** Reads so many bytes from the chain of blocks that begins there. */
type Overflow = (length: number, first: number) => Buffer;

const INDEX_BRANCH = 2;
const TABLE_BRANCH = 5;
const INDEX_LEAF = 10;
const TABLE_LEAF = 13;
const KINDS = [INDEX_BRANCH, TABLE_BRANCH, INDEX_LEAF, TABLE_LEAF];

/** The rows in a block of a table, in the format of sqlite.org/fileformat2.html. Those that make no sense are left out. */
export function cellsOf(block: Buffer, overflow: Overflow): { cells: Cell[]; broken: boolean } {
  const kind = block[0] ?? 0;
  if (kind === TABLE_BRANCH) return { cells: [], broken: false };
  const cells: Cell[] = [];
  let broken = !KINDS.includes(kind);
  for (const place of broken ? [] : placesOf(block)) {
    try {
      cells.push(cellAt(block, place, kind, overflow));
    } catch {
      broken = true;
    }
  }
  return { cells, broken: broken || cells.some(({ values }) => !values) };
}

/** The blocks that hang on this one. `from`: where what is said of the whole file ends, in the first block. */
export function childrenOf(block: Buffer, from = 0): number[] {
  const kind = block[from] ?? 0;
  if (kind !== INDEX_BRANCH && kind !== TABLE_BRANCH) return [];
  const inside = placesOf(block, from).filter((place) => place + 4 <= BLOCK_BYTES);
  return [...inside.map((place) => block.readUInt32BE(place)), block.readUInt32BE(from + 8)];
}

function placesOf(block: Buffer, from = 0): number[] {
  const kind = block[from] ?? 0;
  const start = from + (kind === INDEX_BRANCH || kind === TABLE_BRANCH ? 12 : 8);
  const count = Math.min(block.readUInt16BE(from + 3), Math.floor((BLOCK_BYTES - start) / 2));
  return Array.from({ length: count }, (_, index) => block.readUInt16BE(start + 2 * index));
}

function cellAt(block: Buffer, place: number, kind: number, overflow: Overflow): Cell {
  const reader = new Reader(block, kind === INDEX_BRANCH ? place + 4 : place);
  const length = reader.varint();
  const id = kind === TABLE_LEAF ? reader.varint() : undefined;
  const numbered = id === undefined ? {} : { id };
  const local = localBytes(length, kind);
  const here = reader.bytes(local);
  try {
    const rest = local < length ? overflow(length - local, reader.bytes(4).readUInt32BE(0)) : Buffer.alloc(0);
    return { ...numbered, values: recordOf(Buffer.concat([here, rest])) };
  } catch (error) {
    if (id === undefined) throw error;
    return numbered;
  }
}

/** How much of a row lies in its own block. */
function localBytes(length: number, kind: number): number {
  const most = kind === TABLE_LEAF ? BLOCK_BYTES - 35 : Math.floor(((BLOCK_BYTES - 12) * 64) / 255) - 23;
  if (length <= most) return length;
  const least = Math.floor(((BLOCK_BYTES - 12) * 32) / 255) - 23;
  const even = least + ((length - least) % (BLOCK_BYTES - 4));
  return even <= most ? even : least;
}

function recordOf(payload: Buffer): Value[] {
  const header = new Reader(payload, 0);
  const end = header.varint();
  const kinds: number[] = [];
  while (header.at < end) kinds.push(header.varint());
  const body = new Reader(payload, end);
  const values = kinds.map((kind) => body.value(kind));
  if (header.at !== end || body.at !== payload.length) throw new Error('this is no record');
  return values;
}

/** Throws beyond the end. */
class Reader {
  readonly #bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  varint(): number {
    let value = 0n;
    for (let index = 0; ; index++) {
      const byte = BigInt(this.bytes(1).readUInt8(0));
      if (index === 8) return Number(BigInt.asIntN(64, (value << 8n) | byte));
      value = (value << 7n) | (byte & 0x7fn);
      if (byte < 0x80n) return Number(value);
    }
  }

  bytes(length: number): Buffer {
    if (length < 0 || this.at + length > this.#bytes.length) throw new Error('the bytes end too early');
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  value(kind: number): Value {
    if (kind === 0) return null;
    if (kind <= 4) return this.bytes(kind).readIntBE(0, kind);
    if (kind === 5) return this.bytes(6).readIntBE(0, 6);
    if (kind === 6) return Number(this.bytes(8).readBigInt64BE(0));
    if (kind === 8 || kind === 9) return kind - 8;
    if (kind < 12) throw new Error('no spool holds such a value');
    const bytes = this.bytes(Math.floor((kind - 12) / 2));
    return kind % 2 === 0 ? bytes : bytes.toString('utf8');
  }
}
