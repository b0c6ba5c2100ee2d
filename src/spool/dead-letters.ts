import type { DatabaseSync } from 'node:sqlite';
import { zstdDecompressSync } from 'node:zlib';
import type { DeadLetter, DeadLetterFilter, NewDeadLetter, StreamName } from '../types.ts';
import { isNoDamage, pack } from './bodies.ts';
import { statements } from './database.ts';
import type { Sealer } from './seal.ts';

const PACK_FROM_BYTES = 2048;

/** What a sink would not take. `bury`, `refuse` and `remove` run in the transactions of their caller. */
export function openDeadLetters(db: DatabaseSync, sealer: Sealer, now: () => Date) {
  const sql = statements(db);

  /** The next 100 by id. */
  function matching({ sink, reason, ids, after = 0 }: DeadLetterFilter, upTo = Number.MAX_SAFE_INTEGER): LetterRow[] {
    const [name, part, list] = [sink ?? null, reason ?? null, ids ? JSON.stringify(ids) : null];
    return sql.all<LetterRow>`SELECT * FROM dead_letters WHERE id > ${after} AND id <= ${upTo}
      AND (${name} IS NULL OR sink = ${name}) AND (${part} IS NULL OR instr(lower(reason), lower(${part})))
      AND (${list} IS NULL OR id IN (SELECT value FROM json_each(${list}))) ORDER BY id LIMIT 100`;
  }

  /** By id. Each read ends before it hands anything out, so that none holds back the log of the writer. */
  async function* find(filter: DeadLetterFilter): AsyncGenerator<DeadLetter> {
    let rows = matching(filter);
    while (rows.length > 0) {
      for (const row of rows) yield toDeadLetter(row, sealer);
      rows = matching({ ...filter, after: rows.at(-1)?.id ?? 0 });
    }
  }

  /** Of those whose key is not known nothing can be said. */
  async function* check(): AsyncGenerator<{ id: number; damaged?: string; sealed: boolean }> {
    for (let rows = matching({}); rows.length > 0; rows = matching({ after: rows.at(-1)?.id ?? 0 })) {
      for (const row of rows) {
        const sealed = row.key !== null && !sealer.knows(row.key);
        yield { id: row.id, ...(!sealed && unpacked(row, sealer)), sealed };
      }
    }
  }

  function bury(sink: string, { eventId, code, reason, activity }: NewDeadLetter): void {
    const { stream, receivedAt, position, ordinal, raw } = activity;
    const large = raw.length > PACK_FROM_BYTES;
    const { page, index } = position;
    const { bytes, key } = sealer.seal(large ? pack(raw) : raw, placeOf(page, index, eventId));
    sql.run`INSERT INTO dead_letters (sink, at, event_id, code, reason, stream, received_at, page, position, ordinal, zstd, raw, key)
      VALUES (${sink}, ${now().getTime()}, ${eventId}, ${code}, ${reason}, ${stream}, ${receivedAt.getTime()}, ${page}, ${index},
        ${ordinal}, ${Number(large)}, ${bytes}, ${key})`;
  }

  /** Refused once more. */
  function refuse(id: number, sink: string, reason: string): void {
    sql.run`UPDATE dead_letters SET reason = ${reason}, at = ${now().getTime()} WHERE id = ${id} AND sink = ${sink}`;
  }

  /** Moves it from dead to what became of it, in the books of its page or, once that is trimmed, of its hour. */
  function remove(id: number, sink: string, became: 'delivered' | 'discarded'): boolean {
    const letter = sql.get<Place>`DELETE FROM dead_letters WHERE id = ${id} AND sink = ${sink}
      RETURNING page, stream, received_at / 3600000 * 3600000 AS hour`;
    if (!letter) return false;
    const [delivered, discarded] = became === 'delivered' ? [1, 0] : [0, 1];
    const { changes } = sql.run`UPDATE settled SET dead = dead - 1, delivered = delivered + ${delivered},
      discarded = discarded + ${discarded} WHERE page = ${letter.page} AND sink = ${sink}`;
    if (changes === 0) {
      sql.run`UPDATE folded SET dead = dead - 1, delivered = delivered + ${delivered}, discarded = discarded + ${discarded}
        WHERE stream = ${letter.stream} AND sink = ${sink} AND hour = ${letter.hour}`;
    }
    return true;
  }

  return { matching, find, check, bury, remove, refuse };
}

type Place = { page: number; stream: string; hour: number };
/** As stored: times are in ms since 1970. */
type LetterRow = Pick<DeadLetter, 'id' | 'sink' | 'code' | 'reason'> & {
  readonly at: number;
  readonly event_id: string;
  readonly stream: StreamName;
  readonly received_at: number;
  readonly page: number;
  readonly position: number;
  readonly ordinal: number;
  readonly zstd: number;
  readonly raw: Uint8Array;
  readonly key: string | null;
};

function toDeadLetter(row: LetterRow, sealer: Sealer): DeadLetter {
  const { id, sink, code, reason, stream, ordinal } = row;
  const position = { page: row.page, index: row.position };
  const { raw, damaged } = unpacked(row, sealer);
  const activity = { stream, receivedAt: new Date(row.received_at), position, ordinal, raw };
  return { id, sink, at: new Date(row.at), eventId: row.event_id, code, reason, activity, ...(damaged && { damaged }) };
}

/** What is wrong with one stays with that one: its facts are told, and that its activity is lost. */
function unpacked(row: LetterRow, sealer: Sealer): { raw: Uint8Array; damaged?: string } {
  const { zstd, raw: bytes, key, event_id: eventId } = row;
  try {
    const opened = sealer.open({ bytes, key }, placeOf(row.page, row.position, eventId));
    return { raw: zstd ? zstdDecompressSync(opened) : opened };
  } catch (error) {
    if (isNoDamage(error)) throw error;
    return {
      raw: new Uint8Array(),
      damaged: `the activity of dead letter ${row.id} is damaged: ${(error as Error).message}`,
    };
  }
}

/** A change of the sink's name moves a dead letter, so the name is no part of it. */
export function placeOf(page: number, index: number, eventId: string): string {
  return `dead letter ${eventId} of page ${page}, activity ${index},`;
}
