import { printable } from '../terminal.ts';

/** Data, on stdout. A reader that has seen enough, as `| head` has, ends the command, and that is no failure. */
export function print(line: string): void {
  const { stdout } = process;
  if (!stdout.listeners('error').includes(ended)) stdout.on('error', ended);
  stdout.write(`${line}\n`);
}

function ended(error: NodeJS.ErrnoException): never {
  if (error.code !== 'EPIPE') remark(`mosaic-siem: standard output cannot be written: ${error.message}`);
  process.exit(error.code === 'EPIPE' ? 0 : 1);
}

/** Everything else, on stderr. */
export function remark(line: string): void {
  process.stderr.write(`${line}\n`);
}

const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu;

/** One line of JSON that is safe on a terminal and still says the same. */
export function jsonLine(value: unknown): string {
  return safeJson(JSON.stringify(value));
}

/** The same for what is JSON already. */
export function safeJson(json: string): string {
  return json.replace(UNPRINTABLE, (character) =>
    Array.from({ length: character.length }, (_, index) => escaped(character.charCodeAt(index))).join(''),
  );
}

function escaped(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`;
}

/** Columns for people. Each row has as many cells as the first; the last column is not padded. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const safe = rows.map((row) => row.map(printable));
  const widths = (safe[0] ?? []).map((_, column) => Math.max(...safe.map((row) => row[column]?.length ?? 0)));
  return safe.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
