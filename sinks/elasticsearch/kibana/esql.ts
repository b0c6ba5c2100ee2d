/**
 * The logic of a rule as ES|QL. Columns of the answer: the key, how many, when first and last, the applications, and at most twenty
 * sessions. What each kind means is said in ../../content/detection.ts.
 */
import type { Each, Field, Group, Logic, Pace, Rate, Sequence, Signs, Silence, Span } from '../../content/detection.ts';
import { SESSION } from '../../content/detections/codes.ts';
import { milliseconds } from '../../content/span.ts';
import { dataStream } from '../encode.ts';
import { columnOf, condition } from './conditions.ts';
import { inUnits, reach } from './span.ts';

const SOURCE = dataStream('idv', '*');
const APPLICATION: Field = 'transmit_security.idv.app_id';
const AT_MOST = 20;
/** Distinct values are counted by estimate beyond 3,000 unless told otherwise; two shares are too near to each other for that. */
const EXACT_UP_TO = 40_000;

export function esql(logic: Logic): string {
  switch (logic.kind) {
    case 'each':
      return each(logic);
    case 'group':
      return group(logic);
    case 'signs':
      return signs(logic);
    case 'sequence':
      return sequence(logic);
    case 'pace':
      return pace(logic);
    case 'rate':
      return rate(logic);
    case 'silence':
      return silence(logic);
  }
}

/** Each command on a line of its own, behind the source. */
function query(...commands: readonly (string | false | undefined)[]): string {
  return [`FROM ${SOURCE}`, ...commands.filter((command) => command)].join('\n| ');
}

function each({ filter }: Each): string {
  const kept: readonly Field[] = [
    '@timestamp',
    'event.code',
    SESSION,
    APPLICATION,
    'source.ip',
    'url.domain',
    'event.id',
  ];
  return query(`WHERE ${condition(filter)}`, `KEEP ${kept.map(columnOf).join(', ')}`, 'SORT @timestamp DESC');
}

function group({ filter, by, window, atLeast, distinct, unless, recent, quiet }: Group): string {
  const counted = [condition(filter), ...(quiet ? [awake(quiet)] : [])].join(' AND ');
  const measure = distinct === undefined ? 'events' : pluralOf(distinct);
  // With `unless` there are events that only exempt.
  const only = (column: string) => (unless ? `CASE(counted, ${column})` : column);
  return query(
    since(window),
    `WHERE ${withKeys(by, unless ? `(${counted} OR ${condition(unless)})` : counted)}`,
    unless && `EVAL counted = COALESCE(${counted}, false)`,
    stats(
      {
        ...(distinct !== undefined && { [measure]: `COUNT_DISTINCT(${only(columnOf(distinct))})` }),
        events: `COUNT_DISTINCT(${only('event.id')})`,
        ...(unless && { exempting: `SUM(CASE(${condition(unless)}, 1, 0))` }),
        ...seen(by, distinct, only),
      },
      by,
    ),
    `WHERE ${measure} >= ${atLeast}${unless ? ' AND exempting == 0' : ''}`,
    unless && 'DROP exempting',
    recent !== undefined && `WHERE last_seen >= NOW() - ${amount(milliseconds(recent))}`,
    fewSessions(by),
    `SORT ${measure} DESC`,
  );
}

/** Whether the hour of an event counts. */
function awake([from, to]: readonly [number, number]): string {
  const hour = 'DATE_EXTRACT("hour_of_day", @timestamp)';
  return from < to ? `(${hour} < ${from} OR ${hour} >= ${to})` : `(${hour} < ${from} AND ${hour} >= ${to})`;
}

function signs({ signs: kinds, by, window, atLeast }: Signs): string {
  const conditions = kinds.map(({ name, filter }) => [name, condition(filter)] as const);
  const columns = conditions.map(([name, text]) => [name, `MAX(CASE(${text}, 1, 0))`] as const);
  return query(
    since(window),
    `WHERE ${withKeys(by, `(${conditions.map(([, text]) => text).join(' OR ')})`)}`,
    stats({ ...Object.fromEntries(columns), events: 'COUNT_DISTINCT(event.id)', ...seen(by) }, by),
    `EVAL signs = ${kinds.map(({ name }) => name).join(' + ')}`,
    `WHERE signs >= ${atLeast}`,
    fewSessions(by),
    'SORT signs DESC',
  );
}

/** In two steps: an event that is stored twice is one. */
function sequence({ filter, after, by, window, differing }: Sequence): string {
  const [first, then] = [condition(after.filter), condition(filter)];
  const inner = { session_ids: SESSION, apps: APPLICATION, ...(differing && { [pluralOf(differing)]: differing }) };
  const carried = Object.entries(inner).filter(([, field]) => !by.includes(field));
  const nth = after.atLeast === 1 ? 'MIN(before_at)' : `MV_MAX(TOP(before_at, ${after.atLeast}, "asc"))`;
  return query(
    since(window),
    `WHERE ${withKeys(by, `(${first} OR ${then})`)}`,
    stats(
      {
        before_at: `MIN(CASE(${first}, @timestamp))`,
        then_at: `MIN(CASE(${then}, @timestamp))`,
        ...Object.fromEntries(carried.map(([name, field]) => [name, `VALUES(${columnOf(field)})`])),
      },
      by,
      'event.id',
    ),
    stats(
      {
        events_before: 'COUNT(before_at)',
        enough_at: nth,
        first_seen: 'MIN(before_at)',
        last_seen: 'MAX(then_at)',
        ...Object.fromEntries(carried.map(([name]) => [name, `VALUES(${name})`])),
      },
      by,
    ),
    `WHERE events_before >= ${after.atLeast} AND last_seen > enough_at`,
    differing && `WHERE MV_COUNT(${pluralOf(differing)}) >= 2`,
    fewSessions(by),
    'SORT last_seen DESC',
  );
}

/** The first of the second kind at or behind the first of the first: each of them becomes a row of its own first. */
function pace({ from, to, by, window, under }: Pace): string {
  const [begin, end] = [condition(from), condition(to)];
  const apps: Record<string, string> = by.includes(APPLICATION) ? {} : { apps: `VALUES(${columnOf(APPLICATION)})` };
  return query(
    since(window),
    `WHERE ${withKeys(by, `(${begin} OR ${end})`)}`,
    stats({ first_seen: `MIN(CASE(${begin}, @timestamp))`, ends: `VALUES(CASE(${end}, @timestamp))`, ...apps }, by),
    'MV_EXPAND ends',
    'WHERE ends >= first_seen',
    stats({ first_seen: 'MIN(first_seen)', last_seen: 'MIN(ends)', ...(apps['apps'] && { apps: 'VALUES(apps)' }) }, by),
    'EVAL took_ms = DATE_DIFF("milliseconds", first_seen, last_seen)',
    `WHERE took_ms < ${milliseconds(under)}`,
    'SORT last_seen DESC',
  );
}

function rate(logic: Rate): string {
  const { part, of, distinct, by, window, atLeast, partAtLeast, above } = logic;
  const counted = columnOf(distinct ?? 'event.id');
  const count = (...conditions: readonly string[]) =>
    `COUNT_DISTINCT(CASE(${conditions.join(' AND ')}, ${counted}), ${EXACT_UP_TO})`;
  const [recent, usual] = ['recent', 'NOT recent'];
  const limit =
    'times' in above
      ? `${above.times} * usual_share`
      : `usual_share + ${above.sigmas} * SQRT(usual_share * (1.0 - usual_share) / all_now)`;
  return query(
    sinceTime(reach(logic)),
    `WHERE ${withKeys(by, condition(of))}`,
    `EVAL recent = @timestamp >= NOW() - ${amount(milliseconds(window))}`,
    stats(
      {
        found_now: count(recent, condition(part)),
        all_now: count(recent),
        found_before: count(usual, condition(part)),
        all_before: count(usual),
        last_seen: 'MAX(@timestamp)',
      },
      by,
    ),
    `WHERE all_now >= ${atLeast} AND all_before >= ${atLeast} AND found_now >= ${partAtLeast}`,
    'EVAL share = TO_DOUBLE(found_now) / all_now, usual_share = TO_DOUBLE(found_before) / all_before',
    `WHERE share > ${limit}`,
    'SORT share DESC',
  );
}

/** One row where there is nothing, none where there is something. What arrives late has arrived. */
function silence({ window, hours: [from, to] }: Silence): string {
  return query(
    `WHERE COALESCE(event.ingested, @timestamp) >= NOW() - ${amount(milliseconds(window))}`,
    'STATS events = COUNT(*)',
    'EVAL hour = DATE_EXTRACT("hour_of_day", NOW()), day = DATE_EXTRACT("day_of_week", NOW())',
    `WHERE events == 0 AND hour >= ${from} AND hour < ${to} AND day <= 5`,
  );
}

function since(window: Span): string {
  return sinceTime(milliseconds(window));
}

function sinceTime(time: number): string {
  return `WHERE @timestamp >= NOW() - ${amount(time)}`;
}

const WORDS = { s: 'second', m: 'minute', h: 'hour' } as const;

function amount(time: number): string {
  const [number, unit] = inUnits(time, ['s', 'm', 'h']);
  return `${number} ${WORDS[unit]}${number === 1 ? '' : 's'}`;
}

function withKeys(by: readonly Field[], text: string): string {
  return [...by.map((field) => `${columnOf(field)} IS NOT NULL`), text].join(' AND ');
}

function stats(columns: Readonly<Record<string, string>>, by: readonly Field[], also?: Field): string {
  const parts = Object.entries(columns).map(([name, text]) => `${name} = ${text}`);
  const keys = [...by, ...(also ? [also] : [])].map(columnOf);
  return `STATS ${parts.join(', ')} BY ${keys.join(', ')}`;
}

function seen(by: readonly Field[], distinct?: Field, only = (column: string) => column): Record<string, string> {
  const lists: Record<string, Field> = { apps: APPLICATION, session_ids: SESSION };
  if (distinct !== undefined && distinct !== SESSION) lists[`${pluralOf(distinct)}_seen`] = distinct;
  const shown = Object.entries(lists).filter(([, field]) => !by.includes(field));
  return {
    first_seen: `MIN(${only('@timestamp')})`,
    last_seen: `MAX(${only('@timestamp')})`,
    ...Object.fromEntries(shown.map(([name, field]) => [name, `VALUES(${only(columnOf(field))})`])),
  };
}

function fewSessions(by: readonly Field[]): string | false {
  return !by.includes(SESSION) && `EVAL session_ids = MV_SLICE(session_ids, 0, ${AT_MOST - 1})`;
}

/** A column of an answer, named for people. */
function pluralOf(field: Field): string {
  if (field === SESSION) return 'sessions';
  if (field === 'source.geo.country_iso_code') return 'countries';
  if (field === 'user_agent.original') return 'user_agents';
  return `${field.replace(/^.*\./, '')}_values`;
}
