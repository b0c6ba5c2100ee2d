import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';

/** The blocks of a SQLite file, the newest of each, read without SQLite: what is wrong with one hides no other. */
export interface Blocks {
  /** They are numbered from 1. */
  readonly count: number;
  /** Undefined where the disk gives nothing, and where there is no such block. */
  at(number: number): Buffer | undefined;
  close(): void;
}

/** SQLite calls them pages; a spool is made with this size, whatever its first block says now. */
export const BLOCK_BYTES = 4096;
const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const FRAME_BYTES = FRAME_HEADER_BYTES + BLOCK_BYTES;
/** The last bit tells in which order the bytes of a word are summed up. */
const MAGIC = 0x377f0682;
/** Behind this many bytes the first block is like any other. */
export const HEAD_BYTES = 100;
const TITLE = Buffer.from('SQLite format 3\0');
/** Formats of a spool that there may ever be. */
const FORMATS = 100;

/** Reads `file` and the log beside it, `file-wal`, in the format of sqlite.org/fileformat2.html. Changes neither. */
export function openBlocks(file: string): Blocks {
  const main = openSync(file, 'r');
  const log = openIfThere(`${file}-wal`);
  const found = log === undefined ? { places: new Map<number, number>(), count: 0 } : readLog(log);
  const { places } = found;
  const count = found.count || Math.floor(fstatSync(main).size / BLOCK_BYTES);
  return {
    count,
    at(number) {
      if (number < 1 || number > count) return undefined;
      const place = places.get(number);
      return place === undefined || log === undefined
        ? read(main, (number - 1) * BLOCK_BYTES, BLOCK_BYTES)
        : read(log, place, BLOCK_BYTES);
    },
    close: () => [main, ...(log === undefined ? [] : [log])].forEach(closeSync),
  };
}

function openIfThere(file: string): number | undefined {
  try {
    return openSync(file, 'r');
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return undefined;
  }
}

/** A sector that the disk cannot read is like one that is damaged. */
function read(file: number, from: number, length: number): Buffer | undefined {
  const bytes = Buffer.alloc(length);
  try {
    return readSync(file, bytes, 0, length, from) === length ? bytes : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error;
    return undefined;
  }
}

interface Log {
  readonly places: Map<number, number>;
  readonly count: number;
  /** Something was committed behind a frame that is damaged: SQLite takes that one for the end. */
  readonly damaged: boolean;
}

/**
 * Of the first 100 bytes those that are the same in every spool, and of which SQLite says something else than that they are damaged;
 * a format far beyond ours is none either. Where the file cannot be read SQLite says why.
 */
export function isHeadDamaged(file: string): boolean {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return false;
  let opened: number | undefined;
  try {
    opened = openSync(file, 'r');
  } catch {
    return false;
  }
  try {
    const head = read(opened, 0, HEAD_BYTES);
    if (!head?.subarray(0, 16).equals(TITLE)) return false;
    const isOf = (at: number, ...values: readonly number[]) => values.includes(head.readUInt8(at));
    const fixed = isOf(18, 1, 2) && isOf(19, 1, 2) && isOf(20, 0) && isOf(21, 64) && isOf(22, 32) && isOf(23, 32);
    return !(fixed && head.readUInt32BE(44) <= 4 && head.readUInt32BE(56) <= 1 && head.readUInt32BE(60) < FORMATS);
  } finally {
    closeSync(opened);
  }
}

/** Only while nobody writes. */
export function isLogDamaged(file: string): boolean {
  const log = openIfThere(`${file}-wal`);
  if (log === undefined) return false;
  try {
    return readLog(log).damaged;
  } finally {
    closeSync(log);
  }
}

/**
 * Where in the log the newest committed form of each block lies, and how many blocks the file has with that. A write that was
 * torn leaves a damaged frame too, but at most one commit behind it: each commit is synced before the next is written.
 */
function readLog(log: number): Log {
  const all = { places: new Map<number, number>(), count: 0, damaged: false };
  const header = read(log, 0, HEADER_BYTES);
  if (!header || (header.readUInt32BE(0) & ~1) !== MAGIC || header.readUInt32BE(8) !== BLOCK_BYTES) return all;
  const word = header.readUInt32BE(0) & 1 ? 'readUInt32BE' : 'readUInt32LE';
  let sums = checksum(header.subarray(0, 24), [0, 0], word);
  if (!tells(header, 24, sums)) return all;
  let part = newPart(1);
  const take = () => {
    if (part.commits < part.least) return;
    for (const [number, place] of part.committed) all.places.set(number, place);
    [all.count, all.damaged] = [part.count, all.damaged || part.least > 1];
  };
  for (let at = HEADER_BYTES, frame = read(log, at, FRAME_BYTES); frame; frame = read(log, at, FRAME_BYTES)) {
    sums = checksum(frame.subarray(FRAME_HEADER_BYTES), checksum(frame.subarray(0, 8), sums, word), word);
    // What a run before has left behind the end has another salt.
    if (frame.subarray(8, 16).equals(header.subarray(16, 24)) && tells(frame, 16, sums)) {
      addFrame(part, frame, at + FRAME_HEADER_BYTES);
    } else {
      take();
      [part, sums] = [newPart(2, part.open), [frame.readUInt32BE(16), frame.readUInt32BE(20)]];
    }
    at += FRAME_BYTES;
  }
  take();
  return all;
}

/** What lies between two damaged frames. */
interface Part {
  /** With fewer commits it may be what a torn write has left. */
  readonly least: number;
  readonly committed: [number, number][];
  open: [number, number][];
  commits: number;
  count: number;
}

function newPart(least: number, open: [number, number][] = []): Part {
  return { least, committed: [], open, commits: 0, count: 0 };
}

function addFrame(part: Part, frame: Buffer, place: number): void {
  part.open.push([frame.readUInt32BE(0), place]);
  const blocks = frame.readUInt32BE(4);
  if (blocks === 0) return;
  part.committed.push(...part.open);
  [part.open, part.count] = [[], blocks];
  part.commits += 1;
}

type Sums = readonly [number, number];

function checksum(bytes: Buffer, [first, second]: Sums, word: 'readUInt32BE' | 'readUInt32LE'): Sums {
  let [one, two] = [first, second];
  for (let at = 0; at < bytes.length; at += 8) {
    one = (one + bytes[word](at) + two) >>> 0;
    two = (two + bytes[word](at + 4) + one) >>> 0;
  }
  return [one, two];
}

function tells(bytes: Buffer, at: number, [one, two]: Sums): boolean {
  return bytes.readUInt32BE(at) === one && bytes.readUInt32BE(at + 4) === two;
}
