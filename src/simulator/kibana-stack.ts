/** Stack rules of the simulated Kibana. */
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
  ok,
  oneOf,
  type Reply,
  refused,
} from './kibana-check.ts';

const PATH = /^\/api\/alerting\/rule\/([^/]+)$/;

export function stackRules({ method, path, text }: Asked, held: Holdings): Reply | undefined {
  const id = PATH.exec(path)?.[1];
  if (id === undefined) return undefined;
  const found = held.stack.get(id);
  if (method === 'POST')
    return found || held.isElsewhere(`alert:${id}`)
      ? refused(409, `${id} is there already`)
      : create(id, JSON.parse(text), held);
  if (!found) return refused(404, `Saved object [alert/${id}] not found`);
  if (method === 'PUT') return update(id, found, JSON.parse(text), held);
  if (method !== 'DELETE') return ok(found);
  held.stack.delete(id);
  held.homes.delete(`alert:${id}`);
  return { status: 204, body: undefined };
}

const BOTH = { name: isText, schedule: isObject, params: isObject, 'tags?': isTexts, 'actions?': isList };

function create(id: string, body: unknown, held: Holdings): Reply {
  const rule = checked(
    body,
    { ...BOTH, rule_type_id: oneOf('.es-query'), consumer: oneOf('stackAlerts', 'alerts', 'logs'), 'enabled?': isFlag },
    'request body',
  );
  check(rule, held);
  const stored = { id, enabled: true, actions: [], tags: [], ...rule, revision: 0, created_at: held.now() };
  held.stack.set(id, stored);
  held.homes.set(`alert:${id}`, held.space);
  return ok(stored);
}

/** Switching on and off has an address of its own; actions that are not sent are gone. */
function update(id: string, found: Json, body: unknown, held: Holdings): Reply {
  const rule = checked(body, { ...BOTH, 'alert_delay?': isObject, 'flapping?': isObject }, 'request body');
  check(rule, held);
  const actions = ((rule['actions'] ?? []) as readonly Json[]).map((action) => {
    checked(
      action,
      { group: isText, id: isText, params: isObject, 'uuid?': isText, 'frequency?': isObject },
      'actions',
    );
    return { ...action, connector_type_id: '.server-log' };
  });
  const stored = { ...found, ...rule, actions, revision: Number(found['revision']) + 1, updated_at: held.now() };
  held.stack.set(id, stored);
  return ok(stored);
}

function check({ schedule, params }: Json, { dials }: Holdings): void {
  if (dials.noRows && (params as Json)['groupBy'] === 'row')
    throw new Error('[params.groupBy]: invalid groupBy: "row"');
  checked(schedule, { interval: isSpan }, 'schedule');
  const { esqlQuery } = checked(
    params,
    {
      searchType: oneOf('esqlQuery'),
      esqlQuery: isObject,
      timeField: isText,
      timeWindowSize: (value) => isNumber(value) && Number(value) >= 1,
      timeWindowUnit: oneOf('s', 'm', 'h', 'd'),
      threshold: (value) => JSON.stringify(value) === '[0]',
      thresholdComparator: oneOf('>'),
      size: (value) => isNumber(value) && Number(value) <= 10_000,
      'aggType?': oneOf('count'),
      'groupBy?': oneOf('all', 'row'),
      'excludeHitsFromPreviousRun?': isFlag,
    },
    'params',
  );
  checked(esqlQuery, { esql: isText }, 'params.esqlQuery');
}
