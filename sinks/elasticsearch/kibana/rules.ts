/** Each rule for Kibana's detection engine, as its API takes it and as its page imports it. */
import type { Detection, Field, Filter, Group, Logic, Rule } from '../../content/detection.ts';
import { RULES } from '../../content/detections/index.ts';
import { milliseconds } from '../../content/span.ts';
import { dataStream } from '../encode.ts';
import { CONTENT_VERSION } from '../templates.ts';
import { esql } from './esql.ts';
import { kql } from './kql.ts';
import { isMark, markOf } from './mark.ts';
import { inUnits, pause, reach } from './span.ts';
import { otherFrameworks, type Threat, threatsOf } from './threat.ts';

interface Suppression {
  readonly group_by?: readonly Field[];
  readonly duration: { readonly value: number; readonly unit: 's' | 'm' | 'h' };
  readonly missing_fields_strategy?: 'suppress' | 'doNotSuppress';
}

interface Common {
  readonly rule_id: string;
  readonly name: string;
  readonly description: string;
  readonly severity: Rule['severity'];
  readonly risk_score: number;
  readonly enabled: boolean;
  readonly interval: string;
  readonly from: string;
  readonly to: 'now';
  readonly timestamp_override: Field;
  readonly threat: readonly Threat[];
  readonly false_positives: readonly string[];
  readonly note: string;
  readonly tags: readonly string[];
  readonly version: number;
  readonly author: readonly string[];
  readonly license: string;
  readonly alert_suppression?: Suppression;
}
interface Kuery {
  readonly query: string;
  readonly language: 'kuery';
  readonly index: readonly string[];
}
type Query =
  | ({ readonly type: 'query' } & Kuery)
  | ({ readonly type: 'threshold'; readonly threshold: Threshold } & Kuery)
  | { readonly type: 'esql'; readonly query: string; readonly language: 'esql' };
export type DetectionRule = Common & Query;
interface Threshold {
  readonly field: readonly Field[];
  readonly value: number;
  readonly cardinality: readonly { readonly field: Field; readonly value: number }[];
}

export function detectionRules(): readonly DetectionRule[] {
  return RULES.map(({ detection, rule }) => detectionRule(detection, rule));
}

function detectionRule(detection: Detection, rule: Rule): DetectionRule {
  const { logic, severity, uuid } = rule;
  const suppression = suppressionOf(logic);
  const content = {
    rule_id: uuid,
    name: nameOf(detection, rule),
    description: `${rule.finds}. ${detection.why}`,
    severity,
    risk_score: RISK[severity],
    enabled: detection.off === undefined,
    interval: inText(pause(logic)),
    from: `now-${lookback(logic) / 1000}s`,
    to: 'now',
    timestamp_override: 'event.ingested',
    threat: threatsOf(detection.related),
    false_positives: detection.wrongWhen,
    note: noteOf(detection),
    version: CONTENT_VERSION,
    author: ['Mosaic SIEM Forwarder'],
    license: 'Apache-2.0',
    ...(suppression && { alert_suppression: suppression }),
    ...queryOf(logic),
  } as const;
  return { ...content, tags: [...tagsOf(detection), markOf(tuned(content))] };
}

const RISK = { low: 21, medium: 47, high: 73, critical: 99 } as const;

export function nameOf(detection: Detection, { part }: Rule): string {
  return `Mosaic ${detection.id}: ${detection.title}${part && ` (${part.replaceAll('_', ' ')})`}`;
}

export function tagsOf({ id, name, related }: Detection): readonly string[] {
  return ['Domain: Identity', 'Data Source: Transmit Security Mosaic', id, name, ...otherFrameworks(related)];
}

/** What an analyst reads beside the alert. */
function noteOf({ why, next, wrongWhen, off }: Detection): string {
  const steps = next.map((step, index) => `${index + 1}. ${step}`);
  return [
    `## Triage and analysis\n\n${why}`,
    `### What to do\n\n${steps.join('\n')}`,
    `### When it fires and nothing is wrong\n\n${wrongWhen.map((reason) => `- ${reason}`).join('\n')}`,
    ...(off === undefined ? [] : [`### Why it is switched off\n\nBecause ${off}.`]),
  ].join('\n\n');
}

function queryOf(logic: Logic): Query {
  if (logic.kind === 'each') return { type: 'query', ...kuery(logic.filter) };
  if (isThreshold(logic)) return { type: 'threshold', ...kuery(logic.filter), threshold: thresholdOf(logic) };
  return { type: 'esql', query: esql(logic), language: 'esql' };
}

function kuery(filter: Filter): Kuery {
  return { query: kql(filter), language: 'kuery', index: [dataStream('idv', '*')] };
}

/** What exempts a key, hours that do not count, and the end of a window a threshold rule cannot say. */
function isThreshold(logic: Logic): logic is Group {
  if (logic.kind !== 'group') return false;
  return logic.unless === undefined && logic.quiet === undefined && logic.recent === undefined;
}

/** Events are counted by their ids: one may be stored twice. */
function thresholdOf({ by, atLeast, distinct = 'event.id' }: Group): Threshold {
  return { field: by, value: atLeast, cardinality: [{ field: distinct, value: atLeast }] };
}

/** A threshold rule counts in all that it looks at. The window of the others is in their query: some more does no harm. */
function lookback(logic: Logic): number {
  return isThreshold(logic) || logic.kind === 'each' ? reach(logic) : reach(logic) + pause(logic);
}

/** One alert for each key in each window. A threshold rule groups by its own fields. */
function suppressionOf(logic: Logic): Suppression | undefined {
  if (logic.kind === 'each' || logic.kind === 'silence') return undefined;
  const [value, unit] = inUnits(milliseconds(logic.window), ['s', 'm', 'h']);
  const duration = { value, unit };
  return isThreshold(logic) ? { duration } : { group_by: logic.by, duration, missing_fields_strategy: 'suppress' };
}

function inText(time: number): string {
  return inUnits(time, ['s', 'm', 'h']).join('');
}

/** What a user tunes, in the form in which it is compared: what Kibana writes another way by itself is made the same. */
export function tuned(rule: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { field, value, cardinality } = (rule['threshold'] ?? {}) as Partial<Threshold>;
  const { duration, group_by: groupBy } = (rule['alert_suppression'] ?? {}) as Partial<Suppression>;
  return {
    name: rule['name'],
    type: rule['type'],
    query: rule['query'],
    index: rule['index'],
    'threshold.field': field && [field].flat(),
    'threshold.value': value,
    'threshold.cardinality': cardinality?.map((each) => `${each.field} ${each.value}`),
    severity: rule['severity'],
    risk_score: rule['risk_score'],
    interval: rule['interval'],
    from: rule['from'],
    'alert_suppression.duration': duration && `${duration.value}${duration.unit}`,
    'alert_suppression.group_by': groupBy,
    description: rule['description'],
    note: rule['note'],
    false_positives: rule['false_positives'],
  };
}

/** Those that a user has put to ours. */
export function ownTags(tags: readonly string[], ours: readonly string[]): readonly string[] {
  return tags.filter((tag) => !ours.includes(tag) && !isMark(tag));
}
