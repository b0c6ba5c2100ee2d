import type { Logic } from '../../content/detection.ts';
import { milliseconds } from '../../content/span.ts';

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** The largest of these units of which the time is a whole number. */
export function inUnits<Among extends 's' | 'm' | 'h'>(time: number, units: readonly Among[]): [number, Among] {
  const [first, ...others] = units;
  if (first === undefined) throw new Error('no unit');
  const unit = others.findLast((each) => time % UNITS[each] === 0) ?? first;
  return [time / UNITS[unit], unit];
}

/** How far back a rule has to look. */
export function reach(logic: Logic): number {
  if (logic.kind === 'each') return EACH.reach;
  return milliseconds(logic.window) + (logic.kind === 'rate' ? milliseconds(logic.baseline) : 0);
}

/**
 * How often a rule runs: ten times in its window, but not more often than each minute and not more seldom than each quarter of an
 * hour. Silence has no key by which its alerts could be held together: once in its window.
 */
export function pause(logic: Logic): number {
  if (logic.kind === 'each') return EACH.pause;
  const window = milliseconds(logic.window);
  if (logic.kind === 'silence') return window;
  return Math.min(Math.max(window / 10, UNITS.m), 15 * UNITS.m);
}

/** A rule of single events looks back twice as far as it pauses; an event that it sees twice is one alert, by its id. */
const EACH = { pause: 5 * UNITS.m, reach: 10 * UNITS.m };
