/** When a rule is run, and over what: as a SIEM would that runs it often enough to miss nothing. */
import type { Logic, Span } from '../../sinks/content/detection.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

const UNITS = { ms: 1, s: 1_000, m: MINUTE, h: HOUR, d: DAY } as const;

export function msOf(span: Span): number {
  const [, number, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(span) ?? [];
  const length = UNITS[unit as keyof typeof UNITS];
  if (length === undefined) throw new Error(`no span: ${span}`);
  return Number(number) * length;
}

/** Each hour for rules over a day, else every five minutes. */
export function intervalOf(logic: Logic): number {
  return windowOf(logic) >= DAY ? HOUR : 5 * MINUTE;
}

/** What lies behind `now` for at most this long, in ms. A rule for single events looks at what is new since its last run. */
export function windowOf(logic: Logic): number {
  return logic.kind === 'each' ? 5 * MINUTE : msOf(logic.window);
}

/** The times at which the rule runs, behind the first and up to the last: on the clock, as schedulers do. */
export function timesOf(logic: Logic, from: number, to: number): readonly number[] {
  const interval = intervalOf(logic);
  const first = Math.floor(from / interval) * interval + interval;
  return Array.from(
    { length: Math.max(0, Math.floor((to - first) / interval) + 1) },
    (_, index) => first + index * interval,
  );
}
