/**
 * Each kind of rule as queries with aggregations for Elasticsearch, and how their answers are read. Only the order of a sequence has
 * no such form: there the engine gives the events that pass the filters, and the evaluator does the rest.
 */
import type { Field, Filter, Logic } from '../../sinks/content/detection.ts';
import type { Json } from '../integration/cluster.ts';
import type { StoredEvent } from './documents.ts';
import { evaluator, isAbove, isWithin } from './evaluate.ts';
import { HOUR, msOf, windowOf } from './schedule.ts';

type Body = Readonly<Record<string, unknown>>;

/** Answers in the order of the bodies. */
export type Search = (bodies: readonly Body[]) => Promise<readonly Json[]>;

/** What a rule is asked as. `more`: questions that only the answer to the first raises. */
interface Question {
  readonly body: Body;
  readonly read: (answer: Json) => readonly string[];
  readonly more?: (
    answer: Json,
  ) => readonly { readonly body: Body; readonly read: (answer: Json) => readonly string[] }[];
}

/** Where a rule is judged, for the table. */
export function engineOf(logic: Logic): string {
  return logic.kind === 'sequence' ? 'elasticsearch + evaluator' : 'elasticsearch';
}

/** What the engine alerts on when the rule runs at each of these times: its keys, sorted. */
export async function askRule(
  search: Search,
  logic: Logic,
  times: readonly number[],
): Promise<readonly (readonly string[])[]> {
  const questions = times.map((now) => questionOf(logic, now));
  const answers = await search(questions.map(({ body }) => body));
  const found = questions.map(({ read }, index) => [...read(answers[index] as Json)]);
  const more = questions.flatMap((question, index) =>
    (question.more?.(answers[index] as Json) ?? []).map((each) => ({ ...each, index })),
  );
  const further = more.length > 0 ? await search(more.map(({ body }) => body)) : [];
  for (const [place, { index, read }] of more.entries()) found[index]?.push(...read(further[place] as Json));
  return found.map((keys) => keys.sort());
}

function questionOf(logic: Logic, now: number): Question {
  const within = during(now - windowOf(logic), now);
  if (logic.kind === 'each') return each(logic, within);
  if (logic.kind === 'group') return group(logic, now, within);
  if (logic.kind === 'signs') return signs(logic, within);
  if (logic.kind === 'sequence') return sequence(logic, now, within);
  if (logic.kind === 'pace') return pace(logic, within);
  if (logic.kind === 'rate') return rate(logic, now);
  const body = { size: 0, track_total_hits: true, query: within };
  const isSilent = (answer: Json) => Number(answer['hits']?.['total']?.['value']) === 0 && isWithin(now, logic.hours);
  return { body, read: (answer) => (isSilent(answer) ? ['silence'] : []) };
}

type Of<Kind extends Logic['kind']> = Extract<Logic, { kind: Kind }>;

/** Behind the first time and up to the second. */
function during(from: number, to: number): Body {
  return { range: { '@timestamp': { gt: from, lte: to, format: 'epoch_millis' } } };
}

const any = (...should: readonly Body[]): Body => ({ bool: { should, minimum_should_match: 1 } });
const all = (...filter: readonly Body[]): Body => ({ bool: { filter } });

export function clauseOf(filter: Filter): Body {
  if ('all' in filter) return all(...filter.all.map(clauseOf));
  if ('any' in filter) return any(...filter.any.map(clauseOf));
  if ('not' in filter) return { bool: { must_not: [clauseOf(filter.not)] } };
  const { field } = filter;
  if ('exists' in filter) return { exists: { field } };
  if ('is' in filter) return { terms: { [field]: filter.is } };
  if ('starts' in filter) return any(...filter.starts.map((value) => ({ prefix: { [field]: { value } } })));
  const literal = (text: string) => text.replace(/[\\*?]/g, '\\$&');
  return any(...filter.contains.map((part) => ({ wildcard: { [field]: { value: `*${literal(part)}*` } } })));
}

/** More buckets than this would be cut off; reading them then fails. */
const MOST = 10_000;

function perKey(by: readonly Field[], aggs: Body): Body {
  const sources = by.map((field) => ({ [field]: { terms: { field } } }));
  return { keys: { composite: { size: MOST, sources }, aggs } };
}

interface Bucket {
  readonly key: string;
  readonly of: (aggregation: string) => Json;
}

function bucketsOf(answer: Json): readonly Bucket[] {
  const buckets = [...(answer['aggregations']?.['keys']?.['buckets'] ?? [])];
  if (buckets.length >= MOST) throw new Error('more keys than one answer holds');
  return buckets.map((bucket) => ({
    key: Object.values(bucket['key'] ?? {}).join(' '),
    of: (aggregation) => bucket[aggregation] ?? fail(aggregation),
  }));
}

function fail(aggregation: string): never {
  throw new Error(`the answer lacks ${aggregation}`);
}

const count = (aggregation: Json) => Number(aggregation['doc_count']);
const value = (aggregation: Json | undefined) => aggregation?.['value'] as unknown as number | null;
/** As good as exact up to 4,000 different values: no scenario has so many with one key. */
const different = (field: Field): Body => ({ cardinality: { field, precision_threshold: 4_000 } });

function each({ filter }: Of<'each'>, within: Body): Question {
  const body = {
    size: MOST,
    track_total_hits: true,
    _source: false,
    fields: ['event.id'],
    query: all(within, clauseOf(filter)),
  };
  return {
    body,
    read: (answer) => [...new Set(hitsOf(answer).map((hit) => String(hit['fields']?.['event.id']?.[0])))],
  };
}

function hitsOf(answer: Json): readonly Json[] {
  const hits = [...(answer['hits']?.['hits'] ?? [])];
  if (hits.length !== Number(answer['hits']?.['total']?.['value']))
    throw new Error('more events than one answer holds');
  return hits;
}

function group(logic: Of<'group'>, now: number, within: Body): Question {
  const { by, window, atLeast, distinct, unless, quiet, recent } = logic;
  const asleep = quiet ? hoursOf(quiet, now - msOf(window), now) : [];
  const counted = { bool: { filter: [clauseOf(logic.filter)], must_not: asleep } };
  const aggs = {
    counted: {
      filter: counted,
      aggs: { different: different(distinct ?? 'event.id'), newest: { max: { field: '@timestamp' } } },
    },
    ...(unless && { silencing: { filter: clauseOf(unless) } }),
  };
  const query = all(within, any(counted, ...(unless ? [clauseOf(unless)] : [])));
  const since = now - msOf(recent ?? window);
  const fires = ({ of }: Bucket) =>
    Number(value(of('counted')['different'])) >= atLeast &&
    (value(of('counted')['newest']) ?? 0) > since &&
    (!unless || count(of('silencing')) === 0);
  return { body: { size: 0, query, aggs: perKey(by, aggs) }, read: (answer) => keysWhere(answer, fires) };
}

function keysWhere(answer: Json, fires: (bucket: Bucket) => boolean): readonly string[] {
  return bucketsOf(answer)
    .filter(fires)
    .map(({ key }) => key);
}

/** These hours of each day that the window touches. */
function hoursOf([from, to]: readonly [number, number], begin: number, end: number): readonly Body[] {
  const day = 24 * HOUR;
  const days = Math.floor(end / day) - Math.floor(begin / day) + 1;
  return Array.from({ length: days }, (_, index) => {
    const midnight = (Math.floor(begin / day) + index) * day;
    const range = { gte: midnight + from * HOUR, lt: midnight + to * HOUR, format: 'epoch_millis' };
    return { range: { '@timestamp': range } };
  });
}

function signs({ signs: kinds, by, atLeast }: Of<'signs'>, within: Body): Question {
  const filters = Object.fromEntries(kinds.map(({ name, filter }) => [name, clauseOf(filter)]));
  const query = all(within, any(...Object.values(filters)));
  const shown = ({ of }: Bucket) =>
    Object.values(of('kinds')['buckets'] ?? {}).filter((kind) => count(kind as Json) > 0);
  return {
    body: { size: 0, query, aggs: perKey(by, { kinds: { filters: { filters } } }) },
    read: (answer) => keysWhere(answer, (bucket) => shown(bucket).length >= atLeast),
  };
}

function sequence(logic: Of<'sequence'>, now: number, within: Body): Question {
  const query = all(within, any(clauseOf(logic.filter), clauseOf(logic.after.filter)));
  const sort = [{ '@timestamp': 'asc' }, { 'event.id': 'asc' }];
  const read = (answer: Json) => evaluator(logic, hitsOf(answer).map(storedEvent))(now);
  return { body: { size: MOST, track_total_hits: true, query, sort }, read };
}

function storedEvent(hit: Json): StoredEvent {
  const document = hit['_source'] as unknown as Readonly<Record<string, unknown>>;
  const { id, code } = document['event'] as { readonly id: string; readonly code: string };
  return { at: Date.parse(String(document['@timestamp'])), id, code, document };
}

/**
 * The first of each kind. Where an event of the second kind comes even before the first of the other, the first one at or behind that
 * is asked for in a question of its own.
 */
function pace({ from, to, by, under }: Of<'pace'>, within: Body): Question {
  const [begin, end] = [clauseOf(from), clauseOf(to)];
  const first = { time: { min: { field: '@timestamp' } } };
  const aggs = perKey(by, { from: { filter: begin, aggs: first }, to: { filter: end, aggs: first } });
  const times = ({ key, of }: Bucket) => ({ key, begun: value(of('from')['time']), ended: value(of('to')['time']) });
  const isQuick = (begun: number | null, ended: number | null) =>
    begun !== null && ended !== null && ended >= begun && ended - begun < msOf(under);
  const read = (answer: Json) =>
    bucketsOf(answer)
      .map(times)
      .filter(({ begun, ended }) => isQuick(begun, ended))
      .map(({ key }) => key);
  const more = (answer: Json) =>
    bucketsOf(answer)
      .map(times)
      .flatMap(({ key, begun, ended }) => {
        if (begun === null || ended === null || ended >= begun) return [];
        const behind = { range: { '@timestamp': { gte: begun, format: 'epoch_millis' } } };
        const query = all(within, end, behind, { term: { [by[0] as Field]: key } });
        const later = (next: Json) => (isQuick(begun, value(next['aggregations']?.['time'])) ? [key] : []);
        return [{ body: { size: 0, query, aggs: first }, read: later }];
      });
  if (by.length !== 1) throw new Error('a pace has one key');
  return { body: { size: 0, query: all(within, any(begin, end)), aggs }, read, more };
}

function rate(logic: Of<'rate'>, now: number): Question {
  const { by, distinct = 'event.id' } = logic;
  const begin = now - msOf(logic.window);
  const before = begin - msOf(logic.baseline);
  const counts = {
    of: different(distinct),
    part: { filter: clauseOf(logic.part), aggs: { of: different(distinct) } },
  };
  const aggs = perKey(by, {
    now: { filter: during(begin, now), aggs: counts },
    before: { filter: during(before, begin), aggs: counts },
  });
  const countsOf = (range: Json) => ({ of: Number(value(range['of'])), part: Number(value(range['part']?.['of'])) });
  const fires = ({ of }: Bucket) => isAbove(logic, countsOf(of('now')), countsOf(of('before')));
  const query = all(during(before, now), clauseOf(logic.of));
  return { body: { size: 0, query, aggs }, read: (answer) => keysWhere(answer, fires) };
}
