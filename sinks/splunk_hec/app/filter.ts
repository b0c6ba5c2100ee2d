/** A filter of the detections in the two languages of a search: what the index can find by, and what is exactly meant. */
import type { Field, Filter } from '../../content/detection.ts';
import { isList } from '../../content/field.ts';

/** Made from the address by `iplocation`, which gives the country's name and not its code. */
const COUNTRY = 'Country';

/** As `search`, `stats` and `by` take it. Fields that a pipeline elsewhere adds to the events are not in Splunk. */
export function nameOf(field: Field): string {
  if (field === '@timestamp') return '_time';
  if (field === 'source.geo.country_iso_code') return COUNTRY;
  if (/^source\.(geo|as)\./.test(field) || field === 'event.ingested') throw new Error(`Splunk has no field ${field}`);
  return isList(field) ? `${field}{}` : field;
}

/** As `eval` and `where` take it: a dot would otherwise join two values. */
export function termOf(field: Field): string {
  const name = nameOf(field);
  return /^\w+$/.test(name) ? name : `'${name}'`;
}

/** Whether the country has to be looked up before this can be asked. */
export function asksCountry(fields: readonly Field[]): boolean {
  return fields.some((field) => nameOf(field) === COUNTRY);
}

export function fieldsOf(filter: Filter): readonly Field[] {
  if ('all' in filter) return filter.all.flatMap(fieldsOf);
  if ('any' in filter) return filter.any.flatMap(fieldsOf);
  if ('not' in filter) return fieldsOf(filter.not);
  return [filter.field];
}

/** A text in quotes. None of ours has a character that the search language would read otherwise. */
export function text(value: string): string {
  if (/["\\`$|^[\]\n]/.test(value)) throw new Error(`this text needs more than quotes in a search: ${value}`);
  return `"${value}"`;
}

/**
 * For `search`, which finds by the index and compares without case and takes `*` for anything: all events that pass the filter, and
 * perhaps others. Undefined: any event may.
 */
export function roughly(filter: Filter): string | undefined {
  if ('all' in filter) {
    const parts = filter.all.map(roughly).filter((part) => part !== undefined);
    return parts.length > 0 ? parts.join(' ') : undefined;
  }
  if ('any' in filter) return either(filter.any);
  if ('not' in filter) return undefined;
  // The country is looked up behind this, from the address.
  const name = asksCountry([filter.field]) ? 'source.ip' : nameOf(filter.field);
  if ('exists' in filter || asksCountry([filter.field])) return `${name}=*`;
  if ('is' in filter) return anyOf(name, filter.is.map(text));
  if ('starts' in filter)
    return anyOf(
      name,
      filter.starts.map((start) => text(start).replace(/"$/, '*"')),
    );
  return anyOf(
    name,
    filter.contains.map((part) => text(part).replace(/^"(.*)"$/, '"*$1*"')),
  );
}

/** Those that may pass any of the filters. */
export function either(filters: readonly Filter[]): string | undefined {
  const parts = [...new Set(filters.map(roughly))];
  if (parts.length === 0 || parts.includes(undefined)) return undefined;
  return parts.length === 1
    ? parts[0]
    : `(${parts.map((part) => (part?.includes(' ') ? `(${part})` : part)).join(' OR ')})`;
}

function anyOf(name: string, values: readonly string[]): string {
  return values.length === 1 ? `${name}=${values[0]}` : `${name} IN (${values.join(', ')})`;
}

/** A list of values that the user completes: gives what stands for it in the search. */
export type ListOf = (field: Field, values: readonly string[]) => string;

/** For `where`, which compares upper and lower case apart: exactly the events that pass the filter. */
export function exactly(filter: Filter, listOf: ListOf): string {
  if ('all' in filter) return joined(filter.all, 'AND', listOf);
  if ('any' in filter) return joined(filter.any, 'OR', listOf);
  if ('not' in filter) return `NOT ${allowed(filter.not, listOf) ?? bracketed(exactly(filter.not, listOf))}`;
  const value = termOf(filter.field);
  if ('exists' in filter) return exists(filter.field);
  if ('contains' in filter) return matched(filter.field, filter.contains.map(pattern).join('|'));
  if ('starts' in filter) return matched(filter.field, `^${oneOf(filter.starts)}`);
  if (isList(filter.field)) return matched(filter.field, `^${oneOf(filter.is)}(?!.)`);
  return filter.is.length === 1
    ? `${value}==${text(filter.is[0] ?? '')}`
    : `in(${value},${filter.is.map(text).join(',')})`;
}

/** What must not be one of a list of values other than codes is a list of what is allowed, and so the user's. */
function allowed(filter: Filter, listOf: ListOf): string | undefined {
  if (!('is' in filter) || filter.field === 'event.code') return undefined;
  return `in(${termOf(filter.field)},${listOf(filter.field, filter.is)})`;
}

function exists(field: Field): string {
  const value = termOf(field);
  return asksCountry([field]) ? `(isnotnull(${value}) AND ${value}!="")` : `isnotnull(${value})`;
}

function joined(filters: readonly Filter[], word: 'AND' | 'OR', listOf: ListOf): string {
  const parts = filters.map((each) => exactly(each, listOf));
  return parts.length === 1 ? (parts[0] ?? '') : `(${parts.join(` ${word} `)})`;
}

function bracketed(condition: string): string {
  return /^(\w+\(|\()/.test(condition) ? condition : `(${condition})`;
}

function matched(field: Field, expression: string): string {
  const value = termOf(field);
  return isList(field) ? `isnotnull(mvfind(${value},"${expression}"))` : `match(${value},"${expression}")`;
}

function oneOf(values: readonly string[]): string {
  return values.length === 1 ? pattern(values[0] ?? '') : `(?:${values.map(pattern).join('|')})`;
}

/** The text as a regular expression, without a backslash, which would be read twice on the way. */
function pattern(value: string): string {
  return text(value)
    .slice(1, -1)
    .replace(/[.*?+(){}]/g, '[$&]');
}
