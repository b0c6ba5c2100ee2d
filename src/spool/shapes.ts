import type { Cell, Value } from './records.ts';

/** What a row of each table looks like. No two tables, and no index, have rows alike. */
const SHAPES: Readonly<Record<string, readonly ((value: Value) => boolean)[]>> = {
  pages: [isNull, isText, isNumber, isNumber, isNumberOrNull],
  bodies: [isNull, isSum, isBytes],
  sinks: [isText, isNumber, isNumber, isNumber, isNumber, isNumber, isNumber],
  settled: [isNumber, isText, isNumber, isNumber, isNumber, isNumber, isNumber],
  folded: [isText, isText, isNumber, isNumber, isNumber, isNumber, isNumber, isNumber, isNumber],
  dead_letters: [
    isNull,
    isText,
    isNumber,
    isText,
    isText,
    isText,
    isText,
    isNumber,
    isNumber,
    isNumber,
    isNumber,
    isNumber,
    isBytes,
  ],
  orders: [isNull, isText, isText, isText, isNumber, isNumberOrNull, isNumber, isNumber, isNumber, isNumber, isNumber],
  gaps: [isText, isText, isNumber, isNumber],
  set_aside: [isNull, isText, isNumber, isNumberOrNull, isNumber, isText, isBytesOrNull],
  wanted: [isNumber, isNumber, isNumber],
};
/** These got columns later, so their rows may be longer. */
const GROWN = ['bodies', 'dead_letters', 'orders'];

/** The table that these rows of one block are of, where nothing else tells it. */
export function tableOf(cells: readonly Cell[]): string | undefined {
  const [values] = cells.flatMap((cell) => (cell.values ? [cell.values] : []));
  if (!values) return undefined;
  const found = Object.entries(SHAPES).find(([name, shape]) => {
    const long = GROWN.includes(name) ? values.length >= shape.length : values.length === shape.length;
    return long && shape.every((fits, index) => fits(values[index] ?? null));
  });
  return found?.[0];
}

function isNull(value: Value): boolean {
  return value === null;
}
function isText(value: Value): boolean {
  return typeof value === 'string';
}
function isNumber(value: Value): boolean {
  return typeof value === 'number';
}
function isNumberOrNull(value: Value): boolean {
  return value === null || typeof value === 'number';
}
function isBytes(value: Value): boolean {
  return value instanceof Uint8Array;
}
function isBytesOrNull(value: Value): boolean {
  return value === null || value instanceof Uint8Array;
}
function isSum(value: Value): boolean {
  return value instanceof Uint8Array && value.length === 32;
}
