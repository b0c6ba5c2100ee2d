/** A filter in the words of Kibana's own query language. */
import type { Filter } from '../../content/detection.ts';

export function kql(filter: Filter): string {
  return outermost(part(filter));
}

function part(filter: Filter): string {
  if ('all' in filter) return joined(filter.all.map(part), 'and');
  if ('any' in filter) return joined(filter.any.map(part), 'or');
  if ('not' in filter) return `not ${bracketed(part(filter.not))}`;
  if ('exists' in filter) return `${filter.field}: *`;
  const [texts, write] =
    'is' in filter
      ? [filter.is, quoted]
      : 'starts' in filter
        ? [filter.starts, (text: string) => `${escaped(text)}*`]
        : [filter.contains, (text: string) => `*${escaped(text)}*`];
  const values = texts.map(write);
  return `${filter.field}: ${values.length === 1 ? values[0] : `(${values.join(' or ')})`}`;
}

function joined(parts: readonly string[], word: 'and' | 'or'): string {
  return parts.length === 1 ? (parts[0] ?? '') : `(${parts.join(` ${word} `)})`;
}

function bracketed(text: string): string {
  return text.startsWith('(') ? text : `(${text})`;
}

/** Brackets around the whole say nothing. */
function outermost(text: string): string {
  if (!text.startsWith('(')) return text;
  return text.slice(1, -1);
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** Between stars: what has a meaning of its own loses it. */
function escaped(text: string): string {
  return text.replace(/[\\():<>"*{}]/g, '\\$&').replace(/\b(and|or|not)\b/gi, '\\$1');
}
