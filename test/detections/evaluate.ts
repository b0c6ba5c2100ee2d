/**
 * Every kind of rule over documents in memory. It says in plain code what the queries for the engines have to say in theirs, and is
 * checked against a real one. A window is open where it begins and closed at `now`.
 */
import type {
  Field,
  Filter,
  Group,
  Logic,
  Pace,
  Rate,
  Sequence,
  Signs,
  Silence,
} from '../../sinks/content/detection.ts';
import { matches, valuesOf } from '../../sinks/content/matches.ts';
import type { StoredEvent } from './documents.ts';
import { HOUR, msOf, windowOf } from './schedule.ts';

/** What the rule alerts on when it runs at `now`: its keys, sorted; for single events their ids. */
export type Evaluate = (now: number) => readonly string[];

/** Each event is held against each filter once, however often the rule runs. */
export function evaluator(logic: Logic, events: readonly StoredEvent[]): Evaluate {
  const sorted = oncePerId(events);
  if (logic.kind === 'each') return each(logic, sorted);
  if (logic.kind === 'group') return group(logic, sorted);
  if (logic.kind === 'signs') return signs(logic, sorted);
  if (logic.kind === 'sequence') return sequence(logic, sorted);
  if (logic.kind === 'pace') return pace(logic, sorted);
  if (logic.kind === 'rate') return rate(logic, sorted);
  return silence(logic, sorted);
}

/** An event may be stored twice, and counts once. */
function oncePerId(events: readonly StoredEvent[]): readonly StoredEvent[] {
  const known = new Map(events.map((event) => [event.id, event]));
  return [...known.values()].sort((one, other) => one.at - other.at || (one.id < other.id ? -1 : 1));
}

/** The events that pass a filter, of any stretch of time. */
type Between = (from: number, to: number) => readonly StoredEvent[];

function passing(filter: Filter, events: readonly StoredEvent[]): Between {
  const those = passed(filter, events);
  return (from, to) => between(those, from, to);
}

function passed(filter: Filter, events: readonly StoredEvent[]): readonly StoredEvent[] {
  return events.filter(({ document }) => matches(filter, document));
}

function between(events: readonly StoredEvent[], from: number, to: number): readonly StoredEvent[] {
  return events.slice(firstBehind(events, from), firstBehind(events, to));
}

/** The place of the first event later than `time`, by halves. */
function firstBehind(events: readonly StoredEvent[], time: number): number {
  let [low, high] = [0, events.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((events[middle]?.at ?? 0) <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** An event without a value for each field of the key has no key. */
export function keysOf({ document }: StoredEvent, by: readonly Field[]): readonly string[] {
  return by
    .map((field) => valuesOf(document, field))
    .reduce<readonly string[]>(
      (keys, values) => keys.flatMap((key) => values.map((value) => (key === '' ? value : `${key} ${value}`))),
      [''],
    );
}

function byKey(events: readonly StoredEvent[], by: readonly Field[]): Map<string, StoredEvent[]> {
  const groups = new Map<string, StoredEvent[]>();
  for (const event of events)
    for (const key of keysOf(event, by)) {
      const known = groups.get(key);
      if (known) known.push(event);
      else groups.set(key, [event]);
    }
  return groups;
}

function different(events: readonly StoredEvent[], field: Field | undefined): number {
  return new Set(events.flatMap((event) => (field ? valuesOf(event.document, field) : [event.id]))).size;
}

const keysWhere = (
  groups: Map<string, StoredEvent[]>,
  fires: (events: readonly StoredEvent[], key: string) => boolean,
) =>
  [...groups]
    .filter(([key, events]) => fires(events, key))
    .map(([key]) => key)
    .sort();

function each(logic: Extract<Logic, { kind: 'each' }>, events: readonly StoredEvent[]): Evaluate {
  const single = passing(logic.filter, events);
  return (now) =>
    single(now - windowOf(logic), now)
      .map(({ id }) => id)
      .sort();
}

function group(logic: Group, events: readonly StoredEvent[]): Evaluate {
  const { by, atLeast, distinct, unless, quiet, recent } = logic;
  const [from, to] = quiet ?? [0, 0];
  const awake = events.filter(({ at }) => !(hourOf(at) >= from && hourOf(at) < to));
  const counted = passing(logic.filter, awake);
  const silencing = unless && passing(unless, events);
  return (now) => {
    const begin = now - msOf(logic.window);
    const silenced = new Set(silencing?.(begin, now).flatMap((event) => keysOf(event, by)));
    return keysWhere(
      byKey(counted(begin, now), by),
      (found, key) =>
        different(found, distinct) >= atLeast &&
        !silenced.has(key) &&
        (found.at(-1)?.at ?? 0) > (recent ? now - msOf(recent) : begin),
    );
  };
}

function hourOf(at: number): number {
  return Math.floor(at / HOUR) % 24;
}

function signs({ signs: all, by, window, atLeast }: Signs, events: readonly StoredEvent[]): Evaluate {
  const kinds = all.map(({ filter }) => passing(filter, events));
  return (now) => {
    const shown = kinds.map((kind) => new Set(kind(now - msOf(window), now).flatMap((event) => keysOf(event, by))));
    return [...new Set(shown.flatMap((keys) => [...keys]))]
      .filter((key) => shown.filter((keys) => keys.has(key)).length >= atLeast)
      .sort();
  };
}

function sequence(logic: Sequence, events: readonly StoredEvent[]): Evaluate {
  const { filter, after, by, window, differing } = logic;
  const both = passing({ any: [filter, after.filter] }, events);
  return (now) =>
    keysWhere(byKey(both(now - msOf(window), now), by), (found) => {
      const before = found.filter(({ document }) => matches(after.filter, document))[after.atLeast - 1];
      return (
        before !== undefined &&
        found.some(({ at, document }) => at > before.at && matches(filter, document)) &&
        (differing === undefined || different(found, differing) >= 2)
      );
    });
}

function pace({ from, to, by, window, under }: Pace, events: readonly StoredEvent[]): Evaluate {
  const starts = passing(from, events);
  const ends = passing(to, events);
  return (now) => {
    const ended = byKey(ends(now - msOf(window), now), by);
    return keysWhere(byKey(starts(now - msOf(window), now), by), ([start], key) => {
      const end = start && ended.get(key)?.find(({ at }) => at >= start.at);
      return end !== undefined && start !== undefined && end.at - start.at < msOf(under);
    });
  };
}

function rate(logic: Rate, events: readonly StoredEvent[]): Evaluate {
  const keyed = byKey(passed(logic.of, events), logic.by);
  const kinds = [...keyed].map(([key, of]) => ({ key, of, part: passed(logic.part, of) }));
  return (now) => {
    const begin = now - msOf(logic.window);
    const before = begin - msOf(logic.baseline);
    const counted = (all: readonly StoredEvent[], from: number, to: number) =>
      different(between(all, from, to), logic.distinct);
    const counts = ({ of, part }: (typeof kinds)[number], from: number, to: number) => ({
      of: counted(of, from, to),
      part: counted(part, from, to),
    });
    return kinds
      .filter((kind) => isAbove(logic, counts(kind, begin, now), counts(kind, before, begin)))
      .map(({ key }) => key)
      .sort();
  };
}

interface Counts {
  readonly of: number;
  readonly part: number;
}

/** Whether the share now is that much above the share before. */
export function isAbove({ atLeast, partAtLeast, above }: Rate, now: Counts, before: Counts): boolean {
  if (now.of < atLeast || before.of < atLeast || now.part < partAtLeast) return false;
  const share = now.part / now.of;
  const usual = before.part / before.of;
  if ('times' in above) return share > above.times * usual;
  return share > usual + above.sigmas * Math.sqrt((usual * (1 - usual)) / now.of);
}

function silence({ window, hours }: Silence, events: readonly StoredEvent[]): Evaluate {
  return (now) =>
    isWithin(now, hours) && firstBehind(events, now - msOf(window)) === firstBehind(events, now) ? ['silence'] : [];
}

/** Monday to Friday, in these hours of UTC. */
export function isWithin(now: number, [from, to]: readonly [number, number]): boolean {
  const day = new Date(now).getUTCDay();
  return day >= 1 && day <= 5 && hourOf(now) >= from && hourOf(now) < to;
}
