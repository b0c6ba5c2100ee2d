/** A detection's logic in words. Every number and name is from the data. */
import type { Filter, Group, Logic, Measure, Panel, Rate, Span } from './detection.ts';

const UNITS: Readonly<Record<string, string>> = { ms: 'millisecond', s: 'second', m: 'minute', h: 'hour', d: 'day' };

export function spanWords(span: Span): string {
  const [, count = '', unit = ''] = /^(\d+)(\w+)$/.exec(span) ?? [];
  return counted(Number(count), UNITS[unit] ?? unit);
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

const code = (text: string) => `\`${text}\``;
const anyOf = (values: readonly string[]) => values.map(code).join(' or ');

/** As the end of a sentence with `where`. */
export function filterWords(filter: Filter, inner = false): string {
  const join = (filters: readonly Filter[], word: string) => {
    const parts = filters.map((each) => filterWords(each, filters.length > 1));
    const joined = parts.join(`, ${word} `);
    return inner && parts.length > 1 ? `(${joined})` : joined;
  };
  if ('all' in filter) return join(filter.all, 'and');
  if ('any' in filter) return join(filter.any, 'or');
  if ('not' in filter) {
    if ('exists' in filter.not) return `${code(filter.not.field)} is missing`;
    if ('is' in filter.not) return `${code(filter.not.field)} is not ${anyOf(filter.not.is)}`;
    return `not: ${filterWords(filter.not, true)}`;
  }
  if ('exists' in filter) return `${code(filter.field)} is there`;
  if ('is' in filter) return `${code(filter.field)} is ${anyOf(filter.is)}`;
  if ('starts' in filter) return `${code(filter.field)} begins with ${anyOf(filter.starts)}`;
  return `${code(filter.field)} contains ${anyOf(filter.contains)}`;
}

const keyWords = (by: readonly string[]) => `the same ${by.map(code).join(' and ')}`;
const hoursWords = ([from, to]: readonly [number, number]) => `${hour(from)} to ${hour(to)} UTC`;
const hour = (of: number) => `${String(of).padStart(2, '0')}:00`;

/** Sentences; the first tells the most. */
export function logicWords(logic: Logic): readonly string[] {
  switch (logic.kind) {
    case 'each':
      return [`Each event where ${filterWords(logic.filter)}.`];
    case 'group':
      return groupWords(logic);
    case 'signs':
      return [
        `With ${keyWords(logic.by)}, within ${spanWords(logic.window)}, ${logic.atLeast} of these signs or more:`,
        ...logic.signs.map(({ name, filter }) => `\`${name}\`: ${filterWords(filter)}.`),
      ];
    case 'sequence':
      return [
        `With ${keyWords(logic.by)}, within ${spanWords(logic.window)}: ${counted(logic.after.atLeast, 'event')} or more where ${filterWords(logic.after.filter)}, and behind ${logic.after.atLeast === 1 ? 'it' : 'them'} one where ${filterWords(logic.filter)}.`,
        ...(logic.differing ? [`Both kinds together have two or more values of ${code(logic.differing)}.`] : []),
      ];
    case 'pace':
      return [
        `With ${keyWords(logic.by)}, within ${spanWords(logic.window)}: less than ${spanWords(logic.under)} from the first event where ${filterWords(logic.from)}, to the first one at or behind it where ${filterWords(logic.to)}.`,
      ];
    case 'rate':
      return rateWords(logic);
    case 'silence':
      return [`No event at all for ${spanWords(logic.window)}, from Monday to Friday, ${hoursWords(logic.hours)}.`];
  }
}

function groupWords({ filter, by, window, atLeast, distinct, unless, recent, quiet }: Group): readonly string[] {
  const what = distinct
    ? `${atLeast} or more different ${code(distinct)}, among events where`
    : `${counted(atLeast, 'event')} or more where`;
  return [
    `With ${keyWords(by)}, within ${spanWords(window)}, ${what} ${filterWords(filter)}.`,
    ...(unless ? [`Not where the window also holds an event where ${filterWords(unless)}.`] : []),
    ...(recent ? [`Only where the newest of them is at most ${spanWords(recent)} old.`] : []),
    ...(quiet ? [`Events from ${hoursWords(quiet)} do not count.`] : []),
  ];
}

function rateWords({ part, of, distinct, by, window, baseline, atLeast, partAtLeast, above }: Rate): readonly string[] {
  const what = distinct ? `different ${code(distinct)}` : 'events';
  const limit =
    'times' in above
      ? `more than ${above.times} times that of`
      : `more than ${above.sigmas} standard errors, ${above.sigmas} × √(p (1 − p) / n), above p, the share in`;
  return [
    `With ${keyWords(by)}: the share of ${what} where ${filterWords(part)}, in all where ${filterWords(of)}, over ${spanWords(window)}, is ${limit} the ${spanWords(baseline)} before.`,
    `Both spans need ${atLeast} or more ${what} in all, and the first one ${partAtLeast} or more of the first kind.`,
  ];
}

function measureWords(measure: Measure): string {
  if (measure === 'events') return 'events';
  if (measure === 'sessions') return 'different sessions';
  if ('share' in measure) return `sessions where ${filterWords(measure.share)}, in percent of those`;
  if ('newest' in measure) return `newest ${code(measure.newest)}`;
  return `average ${code(measure.average)}`;
}

/** What a panel shows: its measure, how it is parted, and of which events. */
export function panelWords({ measure, by, split, filter }: Panel): string {
  const named = (parts: Panel['split']) =>
    typeof parts === 'string' ? code(parts) : (parts ?? []).map(({ name }) => name).join(', ');
  return [
    measureWords(measure),
    ...(by === 'time' ? ['over time'] : by ? [`by ${named(by)}`] : []),
    ...(split ? [`split by ${named(split)}`] : []),
    ...(filter ? [`where ${filterWords(filter)}`] : []),
  ].join(', ');
}
