/**
 * The field table against the mapping: what is written, and what detections, dashboards and documents name. So a field that
 * is renamed in one of them and not in the others is found.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { describe, it } from 'node:test';
import { DASHBOARDS } from '../sinks/content/dashboards/index.ts';
import type { Filter, Panel, Step } from '../sinks/content/detection.ts';
import { DETECTIONS } from '../sinks/content/detections/index.ts';
import { FIELD_TABLE, type FieldRow, groupsOf, rowsOf, TAGS, tagNames } from '../sinks/content/field-documents.ts';
import { eventSchema, type Schema } from '../sinks/content/field-documents-schema.ts';
import { shrinkingSteps } from '../sinks/syslog/shrink.ts';
import { snakeCase } from '../src/normalize/activity.ts';
import { EVENT_CODES, STREAM_MAPPINGS } from '../src/normalize/mapping.ts';
import { DEFAULT_EVENT_OPTIONS, normalizer } from '../src/normalize.ts';
import { activitySource } from '../src/simulator/sessions.ts';
import { SPELLINGS } from '../src/simulator/spelling.ts';
import type { SecurityEvent, StreamType } from '../src/types.ts';
import { type Golden, goldenNames, pageOf, plain, RECEIVED, readGolden } from './normalize.fixtures.ts';

const TYPES = Object.keys(STREAM_MAPPINGS) as StreamType[];
const options = { ...DEFAULT_EVENT_OPTIONS, original: true };
const [normalize, unredacted] = [normalizer(options), normalizer({ ...options, redactUrls: false })];

/** Each parameter of the mapping as text, and texts that make the mapping say more. */
function fullActivities(type: StreamType): unknown[] {
  const { parameters, activities } = STREAM_MAPPINGS[type];
  const all = Object.fromEntries(Object.keys(parameters).map((name) => [name, `some ${name}`]));
  const full = {
    ...all,
    timestamp: RECEIVED,
    ip: '2001:db8::9',
    actor_type: 'user',
    target_resource_type: 'user',
    request_processing_time_ms: 12,
    redirect_url: 'https://someone@shop.example:8443/done?state=1#top',
    user_agent:
      'Mozilla/5.0 (Linux; Android 13; SM-G991B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Mobile Safari/537.36',
    else: { deep: [1, { deeper: null }], phone: '+49 30 123456' },
    status: { prev: 'Active', current: 'Suspended' },
    email: { prev: { value: 'a@example.com', email_verified: true }, current: { email_verified: false } },
    phone_number: { prev: { phone_number_verified: true }, current: { phone_number_verified: false } },
  };
  const names = ['none', ...activities.keys(), 'create_user_failure'];
  return names.flatMap((activity) => [
    { ...full, activity },
    { ...full, activity, user_id: full.user_agent, session_id: undefined },
    { activity, ip: 'nowhere', timestamp: 'once', request_processing_time_ms: -1, email: 'a@example.com' },
  ]);
}

function eventsOf(type: StreamType): SecurityEvent[] {
  const startAt = Date.parse(RECEIVED) - 600_000;
  const simulated = SPELLINGS.flatMap((spelling) =>
    activitySource({ type, seed: 3, startAt, spelling })
      .take(2_000)
      .map(({ json }) => json),
  );
  const page = pageOf(`[${simulated.join(',')}]`, `${type}/siem`);
  const full = pageOf(fullActivities(type), `${type}/siem`);
  const broken = ['not json', '{"a":1}', '[1]', '[{"activity":"x"}'].map((body) => pageOf(body, `${type}/siem`));
  return [page, full, ...broken].flatMap((each) => [...normalize.events(each)]).concat([...unredacted.events(full)]);
}

const golden = goldenNames().flatMap((name) => {
  const { stream, receivedAt, page } = readGolden<Golden>(`${name}/input.json`);
  return [...normalize.events(pageOf(page, stream, receivedAt))];
});
const events = [...golden, ...TYPES.flatMap(eventsOf)];
const documents = events.map(plain);

const fits: Readonly<Record<string, (value: unknown) => boolean>> = {
  keyword: (value) => typeof value === 'string',
  wildcard: (value) => typeof value === 'string',
  match_only_text: (value) => typeof value === 'string',
  date: (value) => typeof value === 'string' && new Date(value).toISOString() === value,
  ip: (value) => typeof value === 'string' && isIP(value) !== 0,
  long: (value) => Number.isSafeInteger(value),
  float: (value) => typeof value === 'number',
  boolean: (value) => typeof value === 'boolean',
  flattened: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
};

/** Each field of a document that is in the table, and each value that no row stands for. */
function* leavesOf(value: unknown, path = ''): Generator<{ field: string; row: FieldRow | undefined; value: unknown }> {
  const row = FIELD_TABLE.get(path);
  if (row || typeof value !== 'object' || value === null || Array.isArray(value)) yield { field: path, row, value };
  else for (const [key, member] of Object.entries(value)) yield* leavesOf(member, path === '' ? key : `${path}.${key}`);
}

describe('the field table and what the mapping writes', () => {
  const leaves = documents.flatMap((document) => [...leavesOf(document)]);
  const written = new Set(leaves.map(({ field }) => field));

  it('every field that is written is in it, with its type, and is a list where it says so', () => {
    const wrong = leaves.filter(({ row, value }) => {
      if (!row || (row.list ?? false) !== Array.isArray(value)) return true;
      return !(Array.isArray(value) ? value : [value]).every((each) => fits[row.type]?.(each));
    });
    assert.deepEqual([...new Set(wrong.map(({ field, value }) => `${field}: ${JSON.stringify(value)}`))], []);
  });

  it('every row is written, or says who writes it, or why nobody does', () => {
    const silent = [...FIELD_TABLE].filter(([field, { from }]) => written.has(field) === (from !== undefined));
    assert.deepEqual(
      silent.map(([field]) => field),
      [],
      'written and said not to be, or the other way round',
    );
    const rows = [...FIELD_TABLE];
    assert.deepEqual(
      rows.filter(([, { from, why }]) => (from === 'reserved') !== (why !== undefined)),
      [],
    );
    assert.deepEqual(
      rows.filter(([, { from = 'reserved' }]) => !['reserved', 'pipeline'].includes(from)),
      [],
    );
  });

  it('what the pipeline is said to add, it adds', () => {
    const pipeline = readFileSync(new URL('../sinks/elasticsearch/content/pipeline.json', import.meta.url), 'utf8');
    const targets = [...pipeline.matchAll(/"(?:field|target_field)": "([a-z_.]+)"/g)].map(([, name = '']) => name);
    const added = [...FIELD_TABLE].filter(([, { from }]) => from === 'pipeline').map(([field]) => field);
    assert.ok(added.length > 5);
    const strange = added.filter(
      (field) => !targets.some((target) => field === target || field.startsWith(`${target}.`)),
    );
    assert.deepEqual(strange, []);
  });

  it('every field that the mapping makes of a parameter is in it, and every parameter that it names is one', () => {
    const mappings = Object.values(STREAM_MAPPINGS);
    const made = mappings.flatMap(({ name, parameters }) =>
      Object.values(parameters).flatMap(({ copy, ecs = [], vendor = [] }) => [
        ...ecs,
        ...[...vendor, ...(copy ? [copy] : [])].map((field) => `transmit_security.${name}.${field}`),
      ]),
    );
    assert.ok(made.length > 50);
    assert.deepEqual(
      made.filter((field) => !FIELD_TABLE.has(field)),
      [],
    );
    const known = new Set(['status', 'email', 'phone_number']);
    for (const { parameters } of mappings) for (const name of Object.keys(parameters)) known.add(name);
    const strange = [...FIELD_TABLE.values()].filter(({ parameter }) => parameter && !known.has(snakeCase(parameter)));
    assert.deepEqual(strange, []);
  });

  it('tells each field in one group of the documents, in words', () => {
    const fields = [...FIELD_TABLE.keys()];
    assert.deepEqual(
      fields.filter((field) => groupsOf(field).length !== 1),
      [],
    );
    assert.deepEqual(
      [...FIELD_TABLE].filter(([, { holds }]) => !holds || /[.|]$/.test(holds)),
      [],
    );
  });
});

describe('tags', () => {
  it('are the ones that the documents tell', () => {
    const shortened = events.flatMap(({ document }) => [...shrinkingSteps(document)].slice(0, 1));
    const tags = [...documents, ...shortened].flatMap((document) => document['tags'] as string[]);
    assert.deepEqual([...new Set(tags)].sort(), [...tagNames()].sort());
    assert.ok(TAGS.length > 10);
  });
});

describe('event codes', () => {
  it('have in the documents the severity that they get', () => {
    const rows = Object.values(STREAM_MAPPINGS).flatMap((mapping) => [...rowsOf(mapping)]);
    assert.deepEqual(rows.map(({ code }) => code).sort(), [...EVENT_CODES].sort());
    const severities = new Map(rows.map(({ code, severity }) => [code, severity]));
    for (const { code, severity } of events) assert.equal(severity, severities.get(code), code);
    assert.equal(new Set(events.map(({ code }) => code)).size, severities.size, 'each code occurs in the test');
  });
});

describe('detections and dashboards', () => {
  const filters = [
    ...DETECTIONS.flatMap(({ rules }) => rules.flatMap(({ logic }) => filtersIn(logic))),
    ...DASHBOARDS.flatMap(({ panels }) => panels.flatMap(filtersOfPanel)),
  ].flatMap(comparisonsOf);

  function filtersIn(logic: object): Filter[] {
    return Object.values(logic).flatMap((value: unknown) => {
      if (Array.isArray(value)) return value.flatMap((each) => (typeof each === 'object' ? filtersIn(each) : []));
      if (typeof value !== 'object' || value === null) return [];
      return isFilter(value) ? [value] : filtersIn(value);
    });
  }

  function isFilter(value: object): value is Filter {
    return 'field' in value || 'all' in value || 'any' in value || 'not' in value;
  }

  function filtersOfPanel({ filter, measure, by, split }: Panel): Filter[] {
    const isSteps = (value: unknown): value is readonly Step[] => Array.isArray(value);
    const steps = [by, split].flatMap((each) => (isSteps(each) ? each.map((step) => step.filter) : []));
    const share = typeof measure === 'object' && 'share' in measure ? [measure.share] : [];
    return [...(filter ? [filter] : []), ...share, ...steps];
  }

  function comparisonsOf(filter: Filter): Extract<Filter, { field: unknown }>[] {
    if ('all' in filter) return filter.all.flatMap(comparisonsOf);
    if ('any' in filter) return filter.any.flatMap(comparisonsOf);
    return 'not' in filter ? comparisonsOf(filter.not) : [filter];
  }

  it('name event codes and tags that there are', () => {
    const named = (field: string, kind: 'is' | 'starts') =>
      filters.flatMap((each) => (each.field === field && kind in each ? (each as never)[kind] : []) as string[]);
    const codes = named('event.code', 'is');
    const starts = named('event.code', 'starts');
    const tags = named('tags', 'is');
    assert.ok(codes.length > 20 && starts.length > 3 && tags.length > 3, 'they were found');
    assert.deepEqual(
      codes.filter((code) => !EVENT_CODES.includes(code)),
      [],
    );
    assert.deepEqual(
      starts.filter((start) => !EVENT_CODES.some((code) => code.startsWith(start))),
      [],
    );
    assert.deepEqual(
      tags.filter((tag) => !tagNames().includes(tag)),
      [],
    );
  });

  it('compare with fields that somebody writes', () => {
    const idle = filters.filter(({ field }) => FIELD_TABLE.get(field)?.from === 'reserved');
    assert.deepEqual(idle, []);
  });
});

describe('the JSON Schema of an event', () => {
  const schema = JSON.parse(eventSchema(STREAM_MAPPINGS)) as Schema;

  it('takes every event', () => {
    for (const document of documents) assert.deepEqual(faultsOf(schema, document), []);
    for (const name of goldenNames())
      for (const document of readGolden<unknown[]>(`${name}/expected.json`))
        assert.deepEqual(faultsOf(schema, document), []);
  });

  it('takes no other', () => {
    const document = documents[0] as Record<string, Record<string, unknown>>;
    const { tags: _, ...untagged } = document;
    assert.deepEqual(faultsOf(schema, untagged), [': tags is missing']);
    assert.deepEqual(faultsOf(schema, { ...document, session: 'x' }), ['.session is not known']);
    const codeless = { ...document, event: { ...document['event'], code: 'x', severity: '10', created: 'today' } };
    assert.deepEqual(faultsOf(schema, codeless).length, 3);
    assert.deepEqual(faultsOf(schema, { ...document, source: { ip: '1.2.3' } }).length, 1);
    assert.deepEqual(faultsOf(schema, { ...document, tags: 'x' }).length, 1);
  });
});

/** JSON Schema as far as ours uses it; any other word in it is a fault. */
function faultsOf(schema: Schema, value: unknown, path = ''): string[] {
  const faults: string[] = [];
  const words = 'type properties required additionalProperties items enum format anyOf description title $schema'.split(
    ' ',
  );
  for (const word of Object.keys(schema)) if (!words.includes(word)) faults.push(`${path}: the schema says ${word}`);
  const {
    type,
    properties = {},
    required = [],
    items,
    enum: among,
    format,
    anyOf,
  } = schema as {
    readonly [word: string]: never;
  } as {
    type?: string;
    properties?: Record<string, Schema>;
    required?: string[];
    items?: Schema;
    enum?: string[];
    format?: string;
    anyOf?: Schema[];
  };
  const is: Record<string, boolean> = {
    object: typeof value === 'object' && value !== null && !Array.isArray(value),
    array: Array.isArray(value),
    string: typeof value === 'string',
    integer: Number.isInteger(value),
    number: typeof value === 'number',
    boolean: typeof value === 'boolean',
  };
  if (type && !is[type]) return [...faults, `${path} is no ${type}`];
  if (among && !among.includes(value as string)) faults.push(`${path} is none of the values`);
  if (format === 'date-time' && Number.isNaN(Date.parse(String(value)))) faults.push(`${path} is no time`);
  if (format === 'ipv4' && isIP(String(value)) !== 4) faults.push(`${path} is no IPv4 address`);
  if (format === 'ipv6' && isIP(String(value)) !== 6) faults.push(`${path} is no IPv6 address`);
  if (anyOf?.every((each) => faultsOf(each, value, path).length > 0)) faults.push(`${path} is none of them`);
  if (items)
    for (const [index, each] of (value as unknown[]).entries())
      faults.push(...faultsOf(items, each, `${path}[${index}]`));
  if (type !== 'object') return faults;
  const members = value as Record<string, unknown>;
  for (const name of required) if (!(name in members)) faults.push(`${path}: ${name} is missing`);
  for (const [name, member] of Object.entries(members)) {
    const inner = properties[name];
    if (inner) faults.push(...faultsOf(inner, member, `${path}.${name}`));
    else if (schema['additionalProperties'] === false) faults.push(`${path}.${name} is not known`);
  }
  return faults;
}
