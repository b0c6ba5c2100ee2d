import { z } from 'zod';

const DURATIONS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};
const DURATION = /^\d+(\.\d+)?(ms|s|m|h|d)$/;
const SIZE = /^\d+(\.\d+)?(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$/;

/** `500ms 30s 5m 24h 7d` in ms; undefined for anything else, a bare number too. */
export function parseDuration(text: string): number | undefined {
  return DURATION.test(text) ? scaled(text, DURATIONS) : undefined;
}

/** `500KiB 10GiB 5MB` in bytes; undefined for anything else, a bare number too. */
export function parseSize(text: string): number | undefined {
  return SIZE.test(text) ? scaled(text, SIZES) : undefined;
}

function scaled(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const amount = Number.parseFloat(text);
  const value = Math.round(amount * (units[text.replace(/^[\d.]+/, '')] ?? Number.NaN));
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Takes a string with a unit, gives ms. */
export const duration = withUnit(DURATION, parseDuration, 'a duration with a unit, as in 500ms, 30s, 5m, 24h or 7d');
/** Takes a string with a unit, gives bytes. */
export const size = withUnit(SIZE, parseSize, 'a size with a unit, as in 500KiB, 5MB or 10GiB');

function withUnit(pattern: RegExp, parse: (text: string) => number | undefined, wanted: string) {
  return z
    .string({ error: `expected ${wanted}` })
    .regex(pattern, { error: `expected ${wanted}`, abort: true })
    .transform((text, context) => {
      const value = parse(text);
      if (value !== undefined) return value;
      context.addIssue({ code: 'custom', message: `too large: expected ${wanted}` });
      return z.NEVER;
    });
}
