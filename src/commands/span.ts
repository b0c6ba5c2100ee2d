import { Failure, printable } from '../terminal.ts';
import type { Span } from '../types.ts';
import { parseDuration } from '../units.ts';

const TIME = /^\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d))?$/;
/** As far as a Date goes. */
const NEVER = new Date(8.64e15);

/** Times of receipt, from the command line: RFC 3339 (a day alone is its start in UTC), or how long ago. */
export function spanOf({ from, to }: { readonly from?: string; readonly to?: string }, now: Date): Span {
  const span = {
    from: from === undefined ? new Date(0) : timeOf('--from', from, now),
    to: to === undefined ? NEVER : timeOf('--to', to, now),
  };
  if (span.from < span.to) return span;
  throw new Failure(`--from ${span.from.toISOString()} is not before --to ${span.to.toISOString()}`, 2);
}

function timeOf(option: string, text: string, now: Date): Date {
  const ago = parseDuration(text);
  const time = ago === undefined ? parsed(text) : now.getTime() - ago;
  if (!Number.isNaN(time)) return new Date(time);
  throw new Failure(
    `${option} ${printable(text)} is no time: expected as in 2026-01-31T12:00:00Z, or as in 2h for 2 hours ago`,
    2,
  );
}

/** Of 30 February Date.parse makes 2 March. */
function parsed(text: string): number {
  const day = Date.parse(text.slice(0, 10));
  const isReal = TIME.test(text) && !Number.isNaN(day) && new Date(day).toISOString().startsWith(text.slice(0, 10));
  return isReal ? Date.parse(text) : Number.NaN;
}
