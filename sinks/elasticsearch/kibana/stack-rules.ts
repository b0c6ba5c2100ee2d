/**
 * The same rules for Kibana's alerting in general, which needs no Security solution: an ES|QL query, and an alert for each row. They are
 * put there switched off, since whoever has the detection engine would be told everything twice.
 */
import type { Detection, Logic, Rule } from '../../content/detection.ts';
import { RULES } from '../../content/detections/index.ts';
import { milliseconds } from '../../content/span.ts';
import { esql } from './esql.ts';
import { markOf } from './mark.ts';
import { nameOf, tagsOf } from './rules.ts';
import { idIn } from './space.ts';
import { inUnits, pause, reach } from './span.ts';

export interface StackRule {
  readonly id: string;
  readonly body: {
    readonly name: string;
    readonly rule_type_id: '.es-query';
    readonly consumer: 'stackAlerts';
    readonly enabled: false;
    readonly schedule: { readonly interval: string };
    readonly tags: readonly string[];
    readonly params: Parameters;
    readonly actions: readonly [];
  };
}

interface Parameters {
  readonly searchType: 'esqlQuery';
  readonly esqlQuery: { readonly esql: string };
  readonly timeField: '@timestamp' | 'event.ingested';
  readonly timeWindowSize: number;
  readonly timeWindowUnit: 's' | 'm' | 'h';
  readonly threshold: readonly [0];
  readonly thresholdComparator: '>';
  readonly size: number;
  readonly aggType: 'count';
  readonly groupBy: 'row';
  readonly excludeHitsFromPreviousRun: false;
}

export function stackRules(space = ''): readonly StackRule[] {
  return RULES.map(({ detection, rule }) => stackRule(detection, rule, space));
}

function stackRule(detection: Detection, rule: Rule, space: string): StackRule {
  const { logic, severity, uuid } = rule;
  const content = {
    name: nameOf(detection, rule),
    rule_type_id: '.es-query',
    consumer: 'stackAlerts',
    enabled: false,
    schedule: { interval: inUnits(pause(logic), ['s', 'm', 'h']).join('') },
    params: parametersOf(logic),
    actions: [],
  } as const;
  return {
    id: idIn(space, uuid),
    body: { ...content, tags: [...tagsOf(detection), `Severity: ${severity}`, markOf(tunedStack(content))] },
  };
}

function parametersOf(logic: Logic): Parameters {
  // What was late by less than a day has arrived, and is no silence.
  const [size, unit] = inUnits(logic.kind === 'silence' ? milliseconds('1d') : reach(logic), ['s', 'm', 'h']);
  return {
    searchType: 'esqlQuery',
    esqlQuery: { esql: esql(logic) },
    // A single event that comes late has to be told too. The other queries have a window of their own, by `@timestamp`.
    timeField: logic.kind === 'each' ? 'event.ingested' : '@timestamp',
    timeWindowSize: size,
    timeWindowUnit: unit,
    threshold: [0],
    thresholdComparator: '>',
    size: 100,
    aggType: 'count',
    groupBy: 'row',
    excludeHitsFromPreviousRun: false,
  };
}

/** What a user tunes, in the form in which it is compared. */
export function tunedStack(rule: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { esqlQuery, timeWindowSize, timeWindowUnit } = (rule['params'] ?? {}) as Partial<Parameters>;
  const { interval } = (rule['schedule'] ?? {}) as { interval?: string };
  return {
    name: rule['name'],
    query: esqlQuery?.esql,
    window: `${timeWindowSize}${timeWindowUnit}`,
    interval,
  };
}
