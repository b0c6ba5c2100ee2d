/** Detection rules of the simulated Kibana. */
import type { Asked, Holdings } from './kibana.ts';
import {
  checked,
  isFlag,
  isList,
  isNumber,
  isObject,
  isSpan,
  isText,
  isTexts,
  type Json,
  newId,
  ok,
  oneOf,
  type Reply,
  refused,
} from './kibana-check.ts';

const PATH = '/api/detection_engine/rules';

export function detectionRules(asked: Asked, held: Holdings): Reply | undefined {
  if (asked.path !== PATH || held.dials.noSecurity) return undefined;
  const { method } = asked;
  if (method === 'POST' || method === 'PUT') return write(method, JSON.parse(asked.text) as Json, held);
  const id = asked.query.get('rule_id') ?? '';
  const found = held.detection.get(id);
  if (!found) return unknown(id);
  if (method === 'DELETE') held.detection.delete(id);
  return ok(found);
}

function unknown(id: string): Reply {
  return { status: 404, body: { message: `rule_id: "${id}" not found`, status_code: 404 } };
}

/** What is left out of a replaced rule gets its default, as in the real one. */
function write(method: 'POST' | 'PUT', rule: Json, held: Holdings): Reply {
  check(rule);
  const id = String(rule['rule_id']);
  const found = held.detection.get(id);
  if (method === 'POST' && found)
    return { status: 409, body: { message: `rule_id: "${id}" already exists`, status_code: 409 } };
  if (method === 'PUT' && !found) return unknown(id);
  if (found && found['type'] !== rule['type']) return refused(400, 'the type of a rule cannot be changed');
  const time = held.now();
  const stored = {
    ...DEFAULTS,
    ...rule,
    id: found?.['id'] ?? newId(),
    immutable: false,
    rule_source: { type: 'internal' },
    revision: found ? Number(found['revision']) + 1 : 0,
    created_at: found?.['created_at'] ?? time,
    updated_at: time,
  };
  held.detection.set(id, stored);
  return ok(stored);
}

const DEFAULTS = {
  enabled: true,
  actions: [],
  exceptions_list: [],
  max_signals: 100,
  references: [],
  risk_score_mapping: [],
  severity_mapping: [],
  related_integrations: [],
  required_fields: [],
  setup: '',
};

const COMMON = {
  name: isText,
  description: isText,
  risk_score: (value: unknown) => isNumber(value) && Number(value) >= 0 && Number(value) <= 100,
  severity: oneOf('low', 'medium', 'high', 'critical'),
  type: oneOf('query', 'threshold', 'esql'),
  query: isText,
  'rule_id?': isText,
  'enabled?': isFlag,
  'interval?': isSpan,
  'from?': (value: unknown) => /^now-\d+[smhd]$/.test(String(value)),
  'to?': oneOf('now'),
  'timestamp_override?': isText,
  'threat?': isList,
  'false_positives?': isTexts,
  'note?': isText,
  'tags?': isTexts,
  'version?': (value: unknown) => isNumber(value) && Number(value) >= 1,
  'author?': isTexts,
  'license?': isText,
  'alert_suppression?': isObject,
  'actions?': isList,
  'exceptions_list?': isList,
  'max_signals?': isNumber,
  'references?': isTexts,
  'risk_score_mapping?': isList,
  'severity_mapping?': isList,
  'setup?': (value: unknown) => typeof value === 'string',
  'meta?': isObject,
  'timeline_id?': isText,
  'timeline_title?': isText,
  'throttle?': isText,
};
const KUERY = { language: oneOf('kuery', 'lucene'), 'index?': isTexts, 'filters?': isList };
const GROUPED = {
  group_by: isTexts,
  'duration?': isObject,
  'missing_fields_strategy?': oneOf('suppress', 'doNotSuppress'),
};

const BY_TYPE: Readonly<Record<string, Readonly<Record<string, (value: unknown) => boolean>>>> = {
  query: KUERY,
  threshold: { ...KUERY, threshold: isObject },
  esql: { language: oneOf('esql') },
};

function check(rule: Json): void {
  const type = String(rule['type']);
  checked(rule, { ...COMMON, ...BY_TYPE[type] }, 'request body');
  const {
    threshold,
    alert_suppression: suppression,
    threat = [],
  } = rule as {
    threshold?: Json;
    alert_suppression?: Json;
    threat?: readonly Json[];
  };
  if (suppression) checked(suppression, type === 'threshold' ? { duration: isObject } : GROUPED, 'alert_suppression');
  if (suppression?.['duration'])
    checked(suppression['duration'], { value: isNumber, unit: oneOf('s', 'm', 'h') }, 'alert_suppression.duration');
  if (threshold) checked(threshold, { field: isTexts, value: isNumber, 'cardinality?': isList }, 'threshold');
  for (const each of (threshold?.['cardinality'] ?? []) as readonly unknown[])
    checked(each, { field: isText, value: isNumber }, 'threshold.cardinality');
  for (const each of threat) checked(each, { framework: isText, tactic: isObject, 'technique?': isList }, 'threat');
}
