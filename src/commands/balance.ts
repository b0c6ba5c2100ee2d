import type { SpoolReader } from '../spool.ts';
import type { BookFilter, BookRow, StreamName } from '../types.ts';

/** One line of the books, and whether it adds up. */
export interface Line extends Omit<BookRow, 'hour'> {
  /** Undefined in a total. */
  readonly hour?: Date;
  /** What is missing in the sum of what became of the collected ones; below 0: too many. */
  readonly difference: number;
  /** Dead letters that are in their table. */
  readonly letters: number;
}

/** Counts of a page ride on the next write of the daemon: what does not add up now is read again before it is believed. */
export async function settledLines(
  reader: SpoolReader,
  filter: BookFilter,
  again: () => Promise<void>,
): Promise<Line[]> {
  const lines = await readLines(reader, filter);
  if (lines.every(addsUp)) return lines;
  await again();
  return readLines(reader, filter);
}

export function addsUp({ difference, dead, letters }: Line): boolean {
  return difference === 0 && dead === letters;
}

/** Dead letters outlive the books of their hour, so those of hours that are not in the books are left alone. */
async function readLines(reader: SpoolReader, filter: BookFilter): Promise<Line[]> {
  const { rows, letters } = await reader.audit.balance(filter);
  const counts = new Map(letters.map((count) => [keyOf(count.stream, count.sink, count.hour), count.letters]));
  return rows.map((row) => ({
    ...row,
    difference: differenceOf(row),
    letters: counts.get(keyOf(row.stream, row.sink, row.hour.getTime())) ?? 0,
  }));
}

function keyOf(stream: StreamName, sink: string, hour: number): string {
  return JSON.stringify([stream, sink, hour]);
}

function differenceOf({ collected, delivered, filtered, dead, discarded, damaged, waiting }: BookRow): number {
  return collected - delivered - filtered - dead - discarded - damaged - waiting;
}

const SUMMED = [
  'collected',
  'delivered',
  'filtered',
  'dead',
  'discarded',
  'damaged',
  'waiting',
  'difference',
  'letters',
] as const;

/** One for each stream and sink. Differences of opposite sign do not hide each other: the lines are judged, not their sums. */
export function totalsOf(lines: readonly Line[]): Line[] {
  const groups = Map.groupBy(lines, ({ stream, sink }) => JSON.stringify([stream, sink]));
  return [...groups.values()].map((group) => {
    const { stream, sink } = group[0] as Line;
    const sums = SUMMED.map((key) => [key, group.reduce((total, line) => total + line[key], 0)] as const);
    return { stream, sink, ...(Object.fromEntries(sums) as Record<(typeof SUMMED)[number], number>) };
  });
}
