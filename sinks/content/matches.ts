/** Whether an event passes a filter: what every engine has to agree with. Pictures and tests are made with it. */
import type { Field, Filter } from './detection.ts';

/** The document is nested, as normalize makes it. Of several values any one is enough, as in every SIEM. */
export function matches(filter: Filter, document: Readonly<Record<string, unknown>>): boolean {
  if ('all' in filter) return filter.all.every((each) => matches(each, document));
  if ('any' in filter) return filter.any.some((each) => matches(each, document));
  if ('not' in filter) return !matches(filter.not, document);
  const values = valuesOf(document, filter.field);
  if ('exists' in filter) return values.length > 0;
  if ('is' in filter) return values.some((value) => filter.is.includes(value));
  if ('starts' in filter) return values.some((value) => filter.starts.some((start) => value.startsWith(start)));
  return values.some((value) => filter.contains.some((part) => value.includes(part)));
}

/** The values of a field as texts; none where it is missing, null or an empty list. */
export function valuesOf(document: Readonly<Record<string, unknown>>, field: Field): readonly string[] {
  return valuesAt(document, field.split('.'));
}

function valuesAt(value: unknown, path: readonly string[]): readonly string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((each) => valuesAt(each, path));
  const [name, ...rest] = path;
  if (name === undefined) return [typeof value === 'object' ? JSON.stringify(value) : String(value)];
  if (typeof value !== 'object' || !Object.hasOwn(value, name)) return [];
  return valuesAt((value as Readonly<Record<string, unknown>>)[name], rest);
}
