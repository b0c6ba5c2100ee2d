import { printable, safeJson } from '../terminal.ts';

/** Data, on stdout. A reader that has seen enough, as `| head` has, ends the command, and that is no failure. */
export function print(line: string): void {
  write(line, end);
}

/** The same of a command that changes something: it goes on when nobody reads any more. */
export function printOn(line: string): void {
  write(line, goOn);
}

/** Everything else, on stderr. That nobody reads it changes nothing. */
export function remark(line: string): void {
  write(line, ignore, process.stderr);
}

type Failed = (error: NodeJS.ErrnoException) => void;

function write(line: string, failed: Failed, stream: NodeJS.WriteStream = process.stdout): void {
  if (!stream.listeners('error').includes(failed)) stream.on('error', failed);
  stream.write(`${line}\n`);
}

function ignore(): void {}

function end(error: NodeJS.ErrnoException): void {
  goOn(error);
  process.exit();
}

function goOn({ code, message }: NodeJS.ErrnoException): void {
  if (code === 'EPIPE') return;
  remark(`mosaic-siem: standard output cannot be written: ${message}`);
  process.exitCode = 1;
}

/** One line of JSON that is safe on a terminal and still says the same. */
export function jsonLine(value: unknown): string {
  return safeJson(JSON.stringify(value));
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
