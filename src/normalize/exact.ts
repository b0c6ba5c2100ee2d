/**
 * A number token whose value a double may not hold: 16 digits or more, or an exponent of three digits. It looks only
 * behind what can come before a number, so that ids in texts seldom look like one.
 */
const UNSAFE_NUMBER = /[[:,\s]-?\d(?:\d{15}|[\d.]*[eE]\+?\d{3})/;

export function hasUnsafeNumber(text: string): boolean {
  return UNSAFE_NUMBER.test(text);
}

const parseWithSource = JSON.parse as (
  text: string,
  reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
) => unknown;

/** As JSON.parse, but an integer beyond 2^53, and a number too large for a double, is the text of its digits. */
export function parseExactly(text: string): unknown {
  return parseWithSource(text, (_, value, { source }) => {
    if (typeof value !== 'number' || source === undefined) return value;
    const isExact = Number.isFinite(value) && (Number.isSafeInteger(value) || !/^-?\d+$/.test(source));
    return isExact ? value : source;
  });
}

/** A copy whose texts hold no half of a surrogate pair: U+FFFD stands in its place. Keys lose theirs in snake_case. */
export function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(wellFormed);
  const copy: Record<string, unknown> = Object.create(null);
  for (const [key, member] of Object.entries(value)) copy[key] = wellFormed(member);
  return copy;
}
