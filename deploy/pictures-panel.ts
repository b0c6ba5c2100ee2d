/** What a panel of a dashboard shows over events: its own filter, measure and parts, as the SIEMs count them. */
import type { Field, Measure, Panel, Step } from '../sinks/content/detection.ts';
import { matches, valuesOf } from '../sinks/content/matches.ts';

export interface Event {
  /** Epoch ms. */
  readonly at: number;
  readonly document: Readonly<Record<string, unknown>>;
}

/** From the first up to, but without, the second; epoch ms. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly buckets: number;
}

export interface Value {
  readonly name: string;
  /** Undefined where there is nothing to measure. */
  readonly value: number | undefined;
}

export type Shown =
  | { readonly kind: 'number'; readonly value: number | undefined }
  | { readonly kind: 'rows'; readonly rows: readonly Value[] }
  | { readonly kind: 'lines'; readonly lines: readonly { readonly name: string; readonly values: Value['value'][] }[] };

const SESSION: Field = 'transmit_security.idv.session_id';
/** As many as the dashboards show. */
const MOST_ROWS = 10;
const MOST_LINES = 5;

export function shown(panel: Panel, events: readonly Event[], span: Span): Shown {
  const { filter, measure, by, split } = panel;
  const counted = filter ? events.filter(({ document }) => matches(filter, document)) : events;
  if (by === undefined) return { kind: 'number', value: measured(measure, counted) };
  if (by === 'time') {
    const parts = split === undefined ? [{ name: '', events: counted }] : partsOf(split, counted, measure, MOST_LINES);
    const lines = parts.map((part) => ({
      name: part.name,
      values: inBuckets(part.events, span).map((each) => measured(measure, each)),
    }));
    return { kind: 'lines', lines };
  }
  const parts = partsOf(by, counted, measure, MOST_ROWS);
  return { kind: 'rows', rows: parts.map((part) => ({ name: part.name, value: measured(measure, part.events) })) };
}

interface Part {
  readonly name: string;
  readonly events: readonly Event[];
}

/** By named kinds in their order, or by the values of a field that have the most. */
function partsOf(by: Field | readonly Step[], events: readonly Event[], measure: Measure, most: number): Part[] {
  if (typeof by !== 'string')
    return by.map(({ name, filter }) => ({ name, events: events.filter((each) => matches(filter, each.document)) }));
  const parts = new Map<string, Event[]>();
  for (const event of events) {
    for (const value of new Set(valuesOf(event.document, by))) {
      const part = parts.get(value);
      if (part) part.push(event);
      else parts.set(value, [event]);
    }
  }
  return [...parts]
    .map(([name, own]) => ({ name, events: own, size: measured(measure, own) ?? 0 }))
    .sort((one, other) => other.size - one.size || (one.name < other.name ? -1 : 1))
    .slice(0, most);
}

function inBuckets(events: readonly Event[], { from, to, buckets }: Span): Event[][] {
  const filled: Event[][] = Array.from({ length: buckets }, () => []);
  for (const event of events) filled[Math.floor(((event.at - from) / (to - from)) * buckets)]?.push(event);
  return filled;
}

function measured(measure: Measure, events: readonly Event[]): number | undefined {
  if (measure === 'events') return new Set(events.flatMap(({ document }) => valuesOf(document, 'event.id'))).size;
  if (measure === 'sessions') return sessionsOf(events);
  if ('share' in measure) {
    const all = sessionsOf(events);
    const part = sessionsOf(events.filter(({ document }) => matches(measure.share, document)));
    return all === 0 ? undefined : (100 * part) / all;
  }
  if ('newest' in measure) return newest(events, measure.newest);
  const values = events.flatMap(({ document }) => valuesOf(document, measure.average).map(Number));
  return values.length === 0 ? undefined : values.reduce((sum, each) => sum + each, 0) / values.length;
}

function sessionsOf(events: readonly Event[]): number {
  return new Set(events.flatMap(({ document }) => valuesOf(document, SESSION))).size;
}

function newest(events: readonly Event[], field: Field): number | undefined {
  let latest: number | undefined;
  for (const { document } of events)
    for (const value of valuesOf(document, field)) latest = Math.max(latest ?? 0, Date.parse(value));
  return latest;
}
