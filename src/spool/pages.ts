import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { NewPage, Page, StreamName } from '../types.ts';
import { CORRUPT, primaryCode, statements } from './database.ts';

type PageRow = { number: number; stream: StreamName; received_at: number; partial: number; collected: number | null };

/** The pages of a spool, within the transactions of their caller. */
export function openPages(db: DatabaseSync) {
  const sql = statements(db);

  function add({ stream, receivedAt, partial, body }: NewPage): number {
    const { id } = sql.run`INSERT INTO pages (stream, received_at, partial)
      VALUES (${stream}, ${receivedAt.getTime()}, ${Number(partial)})`;
    sql.run`INSERT INTO bodies (page, sha256, zstd, stream, received_at, partial)
      VALUES (${id}, ${checksum(body)}, ${pack(body)}, ${stream}, ${receivedAt.getTime()}, ${Number(partial)})`;
    return id;
  }

  function firstFrom(number: number): Page | undefined {
    const row = sql.get<PageRow>`SELECT * FROM pages WHERE number >= ${number} ORDER BY number LIMIT 1`;
    return row && toPage(row);
  }

  function setCount(page: number, activities: number): void {
    sql.run`UPDATE pages SET collected = ${activities} WHERE number = ${page}`;
  }

  function countMissing(count: (body: Uint8Array) => number): void {
    for (const { number } of sql.all<{ number: number }>`SELECT number FROM pages WHERE collected IS NULL`) {
      setCount(number, count(readBody(number).body));
    }
  }

  /** The number that the next page gets. */
  function end(): number {
    return 1 + (sql.number`SELECT seq FROM sqlite_sequence WHERE name = 'pages'` ?? 0);
  }

  /** The number of the oldest page that is kept. */
  function oldest(): number {
    return sql.number`SELECT min(number) FROM pages` ?? end();
  }

  function toPage({ number, stream, received_at, partial, collected }: PageRow): Page {
    const known = collected === null ? {} : { collected };
    return { number, stream, receivedAt: new Date(received_at), partial: partial === 1, ...known, ...readBody(number) };
  }

  /** What is wrong with the bytes of one page stays with that page: the others are read on. */
  function readBody(page: number): Pick<Page, 'body' | 'damaged'> {
    try {
      const row = sql.get<{
        sha256: Uint8Array;
        zstd: Uint8Array;
      }>`SELECT sha256, zstd FROM bodies WHERE page = ${page}`;
      if (!row) return lost(page, 'its bytes are missing');
      const body = zstdDecompressSync(row.zstd);
      if (checksum(body).equals(row.sha256)) return { body };
      return lost(page, 'its bytes do not match their checksum');
    } catch (error) {
      if (primaryCode(error) !== 0 && primaryCode(error) !== CORRUPT) throw error;
      return lost(page, (error as Error).message);
    }
  }

  return { add, firstFrom, setCount, countMissing, end, oldest };
}

function lost(page: number, why: string): Pick<Page, 'body' | 'damaged'> {
  return { body: new Uint8Array(), damaged: `page ${page} of the spool is damaged: ${why}` };
}

export function pack(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
}

function checksum(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
