import { snakeCase } from './activity.ts';

/**
 * Bounds of the flattened field. Elasticsearch takes 20 levels, and 32,766 bytes for a path and its value together;
 * nothing is cut to stay under them:
 * - what lies deeper than MAX_LEVELS is written as JSON text
 * - a longer text becomes a list of its pieces, in order
 * - a pair whose key is longer than MAX_KEY is written as JSON text into the list `long_keys`
 * A number that JSON cannot carry, or not with all its digits, is a text.
 */
const MAX_LEVELS = 15;
const MAX_TEXT = 8000;
const MAX_KEY = 128;
const LONG_KEYS = 'long_keys';

/** A value with keys in snake_case at every level, within the bounds. */
function flatten(value: unknown, level = 1): unknown {
  if (typeof value === 'string') return pieces(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (level >= MAX_LEVELS) return pieces(JSON.stringify(value));
  if (Array.isArray(value)) return value.map((element) => flatten(element, level + 1));
  return flattenMembers(Object.entries(value), level);
}

/** Without a prototype, so that `__proto__` is a key like any other. */
export function flattenMembers(members: Iterable<readonly [string, unknown]>, level = 0): Record<string, unknown> {
  const flat: Record<string, unknown> = Object.create(null);
  const long: unknown[] = [];
  for (const [key, value] of members) {
    const name = snakeCase(key);
    if (name.length > MAX_KEY) long.push(pieces(JSON.stringify({ [key]: value })));
    else flat[freeName(flat, name)] = flatten(value, level + 1);
  }
  if (long.length > 0) flat[freeName(flat, LONG_KEYS)] = long;
  return flat;
}

function freeName(taken: Readonly<Record<string, unknown>>, name: string): string {
  if (!(name in taken)) return name;
  let count = 2;
  while (`${name}_${count}` in taken) count++;
  return `${name}_${count}`;
}

/** Never parts a surrogate pair. */
function pieces(text: string): string | string[] {
  if (text.length <= MAX_TEXT) return text;
  const list: string[] = [];
  for (let start = 0; start < text.length; ) {
    const last = text.charCodeAt(start + MAX_TEXT - 1);
    const end = start + MAX_TEXT - (last >= 0xd800 && last <= 0xdbff ? 1 : 0);
    list.push(text.slice(start, end));
    start = end;
  }
  return list;
}
