/**
 * The detections as Sigma rules and correlations, as far as Sigma can say them and its released converters understand it. Field
 * names are ECS, so they are converted without a pipeline.
 */
import { createHash } from 'node:crypto';
import type { Detection, Filter, Group, Logic, Rule, Signs } from './detection.ts';
import { RULES, type RuleOf } from './detections/index.ts';
import { type YamlMap, yamlFile } from './sigma-yaml.ts';

export interface SigmaRule extends RuleOf {
  /** From the project's root. */
  readonly path: string;
  /** The rule that alerts is the last one; one before it finds the events that it counts. */
  readonly documents: readonly YamlMap[];
}

/** A rule that is no file, and why. */
export interface NotInSigma extends RuleOf {
  readonly why: string;
}

const SIGMA_FOLDER = 'sinks/content/sigma';

/** By path: the text of each file. */
export function sigmaFiles(): ReadonlyMap<string, string> {
  return new Map(sigmaRules().map(({ path, documents }) => [path, yamlFile(documents)]));
}

export function sigmaRules(): readonly SigmaRule[] {
  return RULES.flatMap(({ detection, rule }) => {
    if (whyNot(rule.logic) !== undefined) return [];
    const path = `${SIGMA_FOLDER}/${nameOf(detection, rule).replaceAll('.', '_')}.yml`;
    return [{ detection, rule, path, documents: documentsOf(detection, rule) }];
  });
}

export function notInSigma(): readonly NotInSigma[] {
  return RULES.flatMap(({ detection, rule }) => {
    const why = whyNot(rule.logic);
    return why === undefined ? [] : [{ detection, rule, why }];
  });
}

function whyNot(logic: Logic): string | undefined {
  switch (logic.kind) {
    case 'each':
      return undefined;
    case 'group':
      if (logic.unless) return 'Sigma cannot leave out a key for which there is another event';
      if (logic.recent) return 'Sigma cannot ask how old the newest event is';
      return logic.quiet && 'the released converters know no hours of the day';
    case 'signs':
      return logic.atLeast > 1 ? 'Sigma cannot count how many of several signs there are' : undefined;
    case 'sequence':
      if (logic.differing) return 'Sigma cannot compare the values of two events';
      return 'the released converters know no correlation in order (`temporal_ordered`)';
    case 'pace':
      return 'Sigma knows no first event of a kind, and the released converters no correlation in order';
    case 'rate':
      return 'Sigma cannot compare a share with the share of another time';
    case 'silence':
      return 'Sigma finds events, and not that there are none';
  }
}

function documentsOf(detection: Detection, rule: Rule): YamlMap[] {
  const { logic } = rule;
  if (logic.kind === 'each') {
    return [{ ...head(detection, rule), ...search(logic.filter), ...tail(detection, rule) }];
  }
  if (logic.kind === 'group') return [base(detection, rule, logic.filter), counting(detection, rule, countOf(logic))];
  if (logic.kind === 'signs') return signed(detection, rule, logic);
  throw new Error(`${logic.kind} is no Sigma rule`);
}

function signed(detection: Detection, rule: Rule, { signs, by, window, atLeast }: Signs): YamlMap[] {
  const any = { any: signs.map(({ filter }) => filter) };
  const count = { type: 'event_count', by, window, condition: { gte: atLeast } };
  return [base(detection, rule, any), counting(detection, rule, count)];
}

interface Count {
  readonly type: string;
  readonly by: readonly string[];
  readonly window: string;
  readonly condition: YamlMap;
}

/** An event may be stored twice, so it is counted by its id. */
function countOf({ by, window, atLeast, distinct = 'event.id' }: Group): Count {
  return { type: 'value_count', by, window, condition: { field: distinct, gte: atLeast } };
}

function counting(detection: Detection, rule: Rule, { type, by, window, condition }: Count): YamlMap {
  return {
    ...head(detection, rule),
    correlation: { type, rules: [baseName(detection, rule)], 'group-by': by, timespan: window, condition },
    ...tail(detection, rule),
  };
}

/** Finds what is counted, and alerts nobody. */
function base(detection: Detection, rule: Rule, filter: Filter): YamlMap {
  return {
    title: `${titleOf(detection, rule)}: events`,
    id: derivedUuid(rule.uuid),
    name: baseName(detection, rule),
    status: 'experimental',
    description: 'What the rule behind it counts. It alerts nobody.',
    taxonomy: 'ecs',
    ...search(filter),
    level: 'informational',
  };
}

function head(detection: Detection, rule: Rule): YamlMap {
  const { off } = detection;
  return {
    title: titleOf(detection, rule),
    id: rule.uuid,
    name: nameOf(detection, rule),
    status: 'experimental',
    description: [`${detection.id}. ${rule.finds}.`, detection.why, ...(off ? [`Not as it is: ${off}.`] : [])].join(
      ' ',
    ),
    taxonomy: 'ecs',
  };
}

function tail(detection: Detection, rule: Rule): YamlMap {
  // Tactics are left out: Sigma's names for them are older than those of ATT&CK.
  const techniques = detection.related.filter(({ framework }) => framework === 'MITRE ATT&CK');
  const tags = techniques.map(({ id }) => `attack.${id.toLowerCase()}`);
  return { ...(tags.length > 0 && { tags }), falsepositives: detection.wrongWhen, level: rule.severity };
}

function search(filter: Filter): YamlMap {
  const selections = new Map<string, YamlMap>();
  const condition = conditionOf(filter, selections, false);
  return {
    logsource: { product: 'transmit_security', service: 'idv' },
    detection: { ...Object.fromEntries(selections), condition },
  };
}

/** Each comparison becomes a selection of its own, named after its field. */
function conditionOf(filter: Filter, selections: Map<string, YamlMap>, inner: boolean): string {
  const join = (filters: readonly Filter[], word: string) => {
    const parts = filters.map((each) => conditionOf(each, selections, filters.length > 1));
    const joined = parts.join(` ${word} `);
    return inner && parts.length > 1 ? `(${joined})` : joined;
  };
  if ('all' in filter) return join(filter.all, 'and');
  if ('any' in filter) return join(filter.any, 'or');
  if ('not' in filter) return `not ${conditionOf(filter.not, selections, true)}`;
  const last = filter.field.slice(filter.field.lastIndexOf('.') + 1);
  let name = last;
  for (let count = 2; selections.has(name); count++) name = `${last}_${count}`;
  selections.set(name, selectionOf(filter));
  return name;
}

function selectionOf(filter: Extract<Filter, { field: unknown }>): YamlMap {
  if ('exists' in filter) return { [`${filter.field}|exists`]: true };
  if ('is' in filter) return { [filter.field]: literal(filter.is) };
  if ('starts' in filter) return { [`${filter.field}|startswith`]: literal(filter.starts) };
  return { [`${filter.field}|contains`]: literal(filter.contains) };
}

/** In Sigma `*` and `?` stand for any text, and a backslash takes that from them. */
function literal(values: readonly string[]): string | readonly string[] {
  const escaped = values.map((value) => value.replace(/[\\*?]/g, '\\$&'));
  return escaped.length === 1 ? (escaped[0] ?? '') : escaped;
}

function nameOf({ name }: Detection, { part }: Rule): string {
  return part === '' ? name : `${name}.${part}`;
}

function baseName(detection: Detection, rule: Rule): string {
  return `${nameOf(detection, rule)}.events`;
}

function titleOf({ title }: Detection, { part }: Rule): string {
  return part === '' ? title : `${title} (${part.replaceAll('_', ' ')})`;
}

/** The same for ever, in the shape of a UUID of version 4. */
function derivedUuid(uuid: string): string {
  const digits = createHash('sha256').update(`${uuid} events`).digest('hex');
  const variant = ((Number.parseInt(digits[16] ?? '0', 16) & 3) | 8).toString(16);
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `4${digits.slice(13, 16)}`,
    `${variant}${digits.slice(17, 20)}`,
    digits.slice(20, 32),
  ].join('-');
}
