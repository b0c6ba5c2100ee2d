import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { NewPage, Page } from '../types.ts';
import { CORRUPT, primaryCode, statements } from './database.ts';
import { MissingKey, type Sealer } from './seal.ts';

interface Stored {
  readonly sha256: Uint8Array;
  readonly zstd: Uint8Array;
  readonly key: string | null;
}
type Facts = Pick<Page, 'number' | 'stream' | 'receivedAt' | 'collected' | 'damaged'>;
type Read = Pick<Page, 'body' | 'damaged'>;

/** The bytes of the pages, within the transactions of their caller. */
export function openBodies(db: DatabaseSync, sealer: Sealer) {
  const sql = statements(db);

  /** The checksum is of the body; of one that is encrypted it is of the bytes as stored, so that it can be checked without a key. */
  function add(page: number, { stream, receivedAt, partial, body }: NewPage): void {
    const { bytes, key } = sealer.seal(pack(body), placeOf(page));
    const sum = checksum(key === null ? body : bytes);
    sql.run`INSERT INTO bodies (page, sha256, zstd, key, stream, received_at, partial)
      VALUES (${page}, ${sum}, ${bytes}, ${key}, ${stream}, ${receivedAt.getTime()}, ${Number(partial)})`;
  }

  /** What is wrong with the bytes of one page stays with that page: the others are read on. */
  function read(page: number): Read {
    return telling(page, (row) => {
      if (row.key !== null) verify(row.zstd, row.sha256);
      const body = zstdDecompressSync(sealer.open({ bytes: row.zstd, key: row.key }, placeOf(page)));
      if (row.key === null) verify(body, row.sha256);
      return body;
    });
  }

  /** As `read`, but where the key is not known the checksum must do. */
  function check(page: number): { damaged?: string; sealed: boolean } {
    let sealed = false;
    const { damaged } = telling(page, (row) => {
      sealed = row.key !== null && !sealer.knows(row.key);
      if (!sealed) return read(page);
      verify(row.zstd, row.sha256);
      return { body: row.zstd };
    });
    return { ...(damaged !== undefined && { damaged }), sealed };
  }

  function telling(page: number, work: (row: Stored) => Uint8Array | Read): Read {
    try {
      const row = rowOf(page);
      if (!row) return lost(page, whyAside(page) ?? 'its bytes are missing');
      const found = work(row);
      return found instanceof Uint8Array ? { body: found } : found;
    } catch (error) {
      if (isNoDamage(error) || ![0, CORRUPT].includes(primaryCode(error))) throw error;
      return lost(page, (error as Error).message);
    }
  }

  function rowOf(page: number): Stored | undefined {
    return sql.get<Stored>`SELECT sha256, zstd, key FROM bodies WHERE page = ${page}`;
  }

  function whyAside(page: number): string | undefined {
    return sql.get<{ why: string }>`SELECT why FROM set_aside WHERE page = ${page}`?.why;
  }

  /** Once: the bytes as they are, for a later look. The row in `pages` stays, for the books. */
  function setAside({ number, damaged = '', stream, receivedAt, collected }: Facts, now: Date): void {
    if (whyAside(number) !== undefined) return;
    const why = damaged.slice(lost(number, '').damaged?.length);
    const bytes = unlessCorrupt(() => rowOf(number)?.zstd) ?? null;
    sql.run`INSERT INTO set_aside VALUES (${number}, ${stream}, ${receivedAt.getTime()}, ${collected ?? null},
      ${now.getTime()}, ${why}, ${bytes})`;
    unlessCorrupt(() => sql.run`DELETE FROM bodies WHERE page = ${number}`);
  }

  return { add, read, check, setAside };
}

export function placeOf(page: number): string {
  return `page ${page}`;
}

function lost(page: number, why: string): Read {
  return { body: new Uint8Array(), damaged: `page ${page} of the spool is damaged: ${why}` };
}

export function pack(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
}

function checksum(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function verify(bytes: Uint8Array, sha256: Uint8Array): void {
  if (!checksum(bytes).equals(sha256)) throw new Error('its bytes do not match their checksum');
}

/** Nothing is wrong with the bytes: a key is missing, or memory to unpack them into. */
export function isNoDamage(error: unknown): boolean {
  const { code = '', message = '' } = error as NodeJS.ErrnoException;
  const memory = ['ERR_MEMORY_ALLOCATION_FAILED', 'ZSTD_error_memory_allocation'].includes(code);
  return error instanceof MissingKey || memory || (error instanceof RangeError && /allocation failed/.test(message));
}

/** Where the row itself cannot be read, nothing of it can be kept, and it stays where it is. */
function unlessCorrupt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (primaryCode(error) !== CORRUPT) throw error;
    return undefined;
  }
}
