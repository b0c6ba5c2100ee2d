/**
 * Runs our searches over events in memory: a small reader of the commands that they use, made here from Splunk's documentation. It is
 * no Splunk. What it shows is that the searches say what the detections mean; what only a Splunk can show, it cannot.
 */
import assert from 'node:assert/strict';
import { readAssignments, readExpression } from './splunk-app-eval.ts';
import type { Row, Value } from './splunk-app-functions.ts';
import { pipeline } from './splunk-app-spl.ts';

type Rows = readonly Row[];

/** In seconds; the first is in it, the last is not. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface StoredEvent {
  /** Epoch ms. */
  readonly at: number;
  readonly document: Readonly<Record<string, unknown>>;
}

/** As Splunk takes the fields of an event from its JSON, with the aliases that the app makes. */
export function rowOf({ at, document }: StoredEvent): Row {
  const row = new Map<string, Value>([['_time', at / 1000]]);
  addFields(row, document, '');
  const address = row.get('source.ip');
  if (address !== undefined) row.set('src', address);
  return row;
}

/** `iplocation` asks the places that the documents were given; Splunk would ask its own database, and may give an empty text. */
const PLACE = 'source.geo.country_iso_code';

function addFields(row: Map<string, Value>, value: unknown, path: string): void {
  if (Array.isArray(value)) row.set(`${path}{}`, value.map(String));
  else if (typeof value === 'object' && value !== null)
    for (const [key, inner] of Object.entries(value)) addFields(row, inner, path === '' ? key : `${path}.${key}`);
  else if (typeof value === 'string' || typeof value === 'number') row.set(path, value);
}

/** @param rows newest first, as Splunk finds them */
export function runSearch(search: string, macros: ReadonlyMap<string, string>, rows: Rows, span: Span): Rows {
  const [base = '', ...commands] = pipeline(search, macros);
  const passes = baseOf(base);
  const found = rows.filter((row) => {
    const time = Number(row.get('_time'));
    return time >= span.from && time < span.to && passes(row);
  });
  return commands.reduce<Rows>((kept, command) => {
    const [, name = '', rest = ''] = /^(\w+)\s*([\s\S]*)$/.exec(command) ?? [];
    return (COMMANDS[name] ?? assert.fail(`${name} is not run here`))(rest, kept, span);
  }, found);
}

type Passes = (row: Row) => boolean;

const TERM = /\s*(?:(\()|(\))|(OR)\b|([\w@.{}]+)(?: IN \(([^)]*)\)|=("[^"]*"|[^\s()]+)))/y;

/** Terms side by side must all hold; those with OR between stand in brackets of their own. */
function baseOf(source: string): Passes {
  const pattern = new RegExp(TERM);
  const next = () => pattern.exec(source) ?? assert.fail(`not run here: ${source.slice(pattern.lastIndex)}`);
  const group = (): Passes => {
    const either: Passes[][] = [[]];
    while (source.slice(pattern.lastIndex).trim() !== '') {
      const [, open, close, or, field = '', list, value = ''] = next();
      if (close) break;
      if (or) either.push([]);
      else either.at(-1)?.push(open ? group() : termOf(field, list?.split(/,\s*/) ?? [value]));
    }
    return (row) => either.some((all) => all.every((passes) => passes(row)));
  };
  return group();
}

/** Without case, and `*` for anything. The index and the source type are all that is here. */
function termOf(field: string, values: readonly string[]): Passes {
  if (field === 'index' || field === 'sourcetype') return () => true;
  const patterns = values.map((value) => {
    const parts = value.replace(/^"(.*)"$/, '$1').split('*');
    return new RegExp(`^${parts.map((part) => part.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')).join('.*')}$`, 'i');
  });
  return (row) => {
    const value = row.get(field);
    if (value === undefined || value === null) return false;
    const all = Array.isArray(value) ? value : [String(value)];
    return all.some((each) => patterns.some((pattern) => pattern.test(each)));
  };
}

type Command = (rest: string, rows: Rows, span: Span) => Rows;

const COMMANDS: Readonly<Record<string, Command>> = {
  where: (rest, rows) => {
    const { of } = readExpression(rest);
    return rows.filter((row) => of(row) === true);
  },
  // All that stands in one `eval` is read from left to right.
  eval: (rest, rows) => {
    const assignments = readAssignments(rest);
    return rows.map((row) => {
      const changed = new Map(row);
      for (const { name, value } of assignments) changed.set(name, value.of(changed));
      return changed;
    });
  },
  dedup: (rest, rows) => [...new Map(rows.toReversed().map((row) => [row.get(rest), row])).values()].toReversed(),
  table: (rest, rows) => rows.map((row) => new Map(rest.split(' ').map((name) => [name, row.get(name) ?? null]))),
  fields: (_, rows) => rows,
  sort: (rest, rows) => sorted(rest.replace(/^0 /, '').split(/,\s*/), rows),
  iplocation: (_, rows) => rows.map((row) => new Map(row).set('Country', row.get(PLACE) ?? '')),
  addinfo: (_, rows, { from, to }) =>
    rows.map((row) => new Map(row).set('info_min_time', from).set('info_max_time', to)),
  stats: (rest, rows) => {
    const { aggregates, by } = readAggregates(rest);
    const groups = by.length === 0 ? [rows] : [...grouped(rows, by).values()];
    return groups.map((group) => {
      const keys = by.map((name) => [name, group[0]?.get(name) ?? null] as const);
      return new Map<string, Value>([...keys, ...aggregates.map(({ name, of }) => [name, of(group)] as const)]);
    });
  },
  eventstats: (rest, rows) => {
    const { aggregates, by } = readAggregates(rest);
    const groups = grouped(rows, by);
    return rows.map((row) => {
      const group = groups.get(keyOf(row, by) ?? '') ?? [];
      return new Map([...row, ...aggregates.map(({ name, of }) => [name, of(group)] as const)]);
    });
  },
  streamstats: (rest, rows) => {
    const { aggregates, by } = readAggregates(rest);
    const seen = new Map<string, Row[]>();
    return rows.map((row) => {
      const key = keyOf(row, by);
      if (key === undefined) return row;
      const before = seen.get(key) ?? [];
      before.push(row);
      seen.set(key, before);
      return new Map([...row, ...aggregates.map(({ name, of }) => [name, of(before)] as const)]);
    });
  },
};

function sorted(names: readonly string[], rows: Rows): Rows {
  return rows.toSorted((one, other) => {
    for (const name of names) {
      const [field, sign] = [name.replace(/^-/, ''), name.startsWith('-') ? -1 : 1];
      const [left, right] = [one.get(field) ?? '', other.get(field) ?? ''];
      if (left !== right) return left < right ? -sign : sign;
    }
    return 0;
  });
}

/** A row without a value for each field of the key is in no group. */
function keyOf(row: Row, by: readonly string[]): string | undefined {
  const values = by.map((name) => row.get(name) ?? null);
  return values.includes(null) ? undefined : values.join(' ');
}

function grouped(rows: Rows, by: readonly string[]): Map<string, Row[]> {
  const groups = Map.groupBy(rows, (row) => keyOf(row, by));
  return new Map([...groups].flatMap(([key, group]) => (key === undefined ? [] : [[key, group] as const])));
}

interface Aggregate {
  readonly name: string;
  readonly of: (rows: Rows) => Value;
}

const AGGREGATE = /(\w+)(?:\((eval\(.*?\)(?=\) as)|[^()]*)\))? as (\w+)/g;

function readAggregates(rest: string): { readonly aggregates: readonly Aggregate[]; readonly by: readonly string[] } {
  const [, functions = '', by] = /^(.*?)(?: by (.*))?$/s.exec(rest) ?? [];
  const aggregates = [...functions.matchAll(AGGREGATE)].map(([, kind = '', inner, name = '']) => ({
    name,
    of: (rows: Rows) => aggregated(kind, inner, rows),
  }));
  return { aggregates, by: by?.split(' ') ?? [] };
}

function aggregated(kind: string, inner: string | undefined, rows: Rows): Value {
  if (inner === undefined) return rows.length;
  if (inner.startsWith('eval(')) {
    assert.equal(kind, 'count');
    const { of } = readExpression(inner.slice(5, -1));
    return rows.filter((row) => of(row) === true).length;
  }
  const values = rows.flatMap((row) => row.get(inner) ?? []);
  if (kind === 'dc') return new Set(values).size;
  if (kind === 'values') return [...new Set(values.map(String))].sort();
  if (values.length === 0) return null;
  const numbers = values.map(Number);
  if (kind === 'min') return numbers.reduce((least, value) => Math.min(least, value));
  assert.equal(kind, 'max', `${kind} is not run here`);
  return numbers.reduce((most, value) => Math.max(most, value));
}
