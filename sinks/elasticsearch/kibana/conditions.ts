/** A filter as a condition of ES|QL. */
import type { Field, Filter } from '../../content/detection.ts';
import { isList } from '../../content/field.ts';
import fields from '../../content/fields.json' with { type: 'json' };

/** Not true may be null, as everywhere in ES|QL: WHERE and CASE take it for false. */
export function condition(filter: Filter): string {
  if ('all' in filter) return joined(filter.all.map(condition), 'AND');
  if ('any' in filter) return joined(filter.any.map(condition), 'OR');
  if ('not' in filter) return opposite(filter.not);
  const field = columnOf(filter.field);
  if ('exists' in filter) return `${field} IS NOT NULL`;
  const values = isList(filter.field) ? oneText(filter.field) : undefined;
  if (!('is' in filter)) {
    const [texts, before] = 'starts' in filter ? [filter.starts, ''] : [filter.contains, '*'];
    const [left, start] = values ? [values, before || '*\n'] : [field, before];
    return joined(
      texts.map((text) => `${left} LIKE ${quote(`${start}${pattern(text)}*`)}`),
      'OR',
    );
  }
  if (values)
    return joined(
      filter.is.map((text) => `${values} LIKE ${quote(`*\n${pattern(text)}\n*`)}`),
      'OR',
    );
  const [only, ...others] = filter.is.map((text) => literal(filter.field, text));
  return others.length > 0 ? `${field} IN (${[only, ...others].join(', ')})` : `${field} == ${only}`;
}

/** NOT of null is null: an event without the field would be lost. */
function opposite(filter: Filter): string {
  return 'exists' in filter ? `${columnOf(filter.field)} IS NULL` : `NOT COALESCE(${condition(filter)}, false)`;
}

function joined(parts: readonly string[], word: 'AND' | 'OR'): string {
  return parts.length === 1 ? (parts[0] ?? '') : `(${parts.join(` ${word} `)})`;
}

/** ES|QL gives null where a list is compared: its values are made one text, each between two ends of a line. */
function oneText(field: Field): string {
  const column = fields[field].type === 'keyword' ? columnOf(field) : `TO_STRING(${columnOf(field)})`;
  return `CONCAT("\\n", MV_CONCAT(${column}, "\\n"), "\\n")`;
}

/** As a column is named in a query. */
export function columnOf(field: Field): string {
  return field
    .split('.')
    .map((part) => (/^@?[a-z_][a-z0-9_]*$/i.test(part) && !RESERVED.has(part) ? part : `\`${part}\``))
    .join('.');
}

const RESERVED: ReadonlySet<string> = new Set(
  'and as asc by desc false first in is last like not null nulls on or rlike true where with'.split(' '),
);

function literal(field: Field, text: string): string {
  const { type } = fields[field];
  return type === 'long' || type === 'float' || type === 'boolean' ? text : quote(text);
}

function quote(text: string): string {
  const escaped = text
    .replace(/["\\]/g, '\\$&')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t');
  return `"${escaped}"`;
}

/** A text that LIKE takes as it is. */
function pattern(text: string): string {
  return text.replace(/[\\*?]/g, '\\$&');
}
