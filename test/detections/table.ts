/** What the engine test found, handed to the runner through a file, and the table that is printed of it. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';

export interface Row {
  readonly id: string;
  readonly rule: string;
  readonly engine: string;
  readonly fired: boolean;
  readonly silent: boolean;
  /** `by design` where each result of a kind is an alert. */
  readonly ordinary: boolean | 'by design';
  /** The evaluator said the same at each run; `alone` where there was no engine to compare with. */
  readonly agrees: boolean | 'alone';
}

const FILE = 'MOSAIC_SIEM_DETECTIONS_ROWS';

export function rowsInto(path: string): Readonly<Record<string, string>> {
  return { [FILE]: path };
}

export function addRow(row: Row): void {
  const path = process.env[FILE];
  if (path) appendFileSync(path, `${JSON.stringify(row)}\n`);
}

export function rowsOf(path: string): readonly Row[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);
}

export function isRight({ fired, silent, ordinary, agrees }: Row): boolean {
  return fired && silent && ordinary !== false && agrees !== false;
}

const HEAD = [
  'id',
  'rule',
  'engine',
  'fired on its attack',
  'silent on its look-alike',
  'silent on ordinary days',
  'evaluator agrees',
];

export function tableOf(rows: readonly Row[]): string {
  const word = (value: boolean | string) => (typeof value === 'string' ? value : value ? 'yes' : 'NO');
  const ordinary = (value: Row['ordinary']) => (value === 'by design' ? 'alerts on each' : word(value));
  const cells = rows
    .toSorted((one, other) => Number(one.id.slice(1)) - Number(other.id.slice(1)))
    .map((row) => [
      row.id,
      row.rule,
      row.engine,
      word(row.fired),
      word(row.silent),
      ordinary(row.ordinary),
      word(row.agrees),
    ]);
  const all = [HEAD, ...cells];
  const widths = HEAD.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0)));
  return all
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
