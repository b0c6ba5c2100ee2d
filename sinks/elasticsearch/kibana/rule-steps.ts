/**
 * Rules into Kibana and out of it, one by one. A rule that somebody has tuned stays as it is, and the step says in what it differs;
 * whether it is switched on, its actions and its exceptions are always the user's.
 */
import type { InstallStep } from '../../../src/sink.ts';
import { CONTENT_VERSION } from '../templates.ts';
import type { Kibana } from './client.ts';
import { digestOf, readMark } from './mark.ts';
import { type DetectionRule, detectionRules, ownTags, tuned } from './rules.ts';
import { type StackRule, stackRules, tunedStack } from './stack-rules.ts';

type Found = Readonly<Record<string, unknown>>;

/** A rule of either kind, and how it is written. */
interface Put {
  readonly name: string;
  readonly post: string;
  readonly put: string;
  readonly one: string;
  readonly tags: readonly string[];
  readonly body: unknown;
  readonly tuned: (rule: Found) => Found;
  /** What replaces a rule that is there: ours, with what is the user's. */
  readonly onto: (found: Found) => unknown;
}

const DETECTION = '/api/detection_engine/rules';
const STACK = '/api/alerting/rule';

function detectionPuts(): readonly Put[] {
  return detectionRules().map((rule) => ({
    name: rule.name,
    post: DETECTION,
    put: DETECTION,
    one: `${DETECTION}?rule_id=${rule.rule_id}`,
    tags: rule.tags,
    body: rule,
    tuned,
    onto: (found) => ({ ...rule, ...kept(found), tags: mergedTags(rule.tags, found) }),
  }));
}

function stackPuts({ space }: Kibana): readonly Put[] {
  return stackRules(space).map(({ id, body }) => ({
    name: `stack rule ${body.name}`,
    post: `${STACK}/${id}`,
    put: `${STACK}/${id}`,
    one: `${STACK}/${id}`,
    tags: body.tags,
    body,
    tuned: tunedStack,
    onto: (found) => ontoStack(body, found),
  }));
}

/** Fields of a detection rule that an operator fills in. A replaced rule would lose them. */
const USERS: readonly string[] = [
  'enabled',
  'actions',
  'exceptions_list',
  'throttle',
  'max_signals',
  'filters',
  'timeline_id',
  'timeline_title',
  'investigation_fields',
  'building_block_type',
  'rule_name_override',
  'severity_mapping',
  'risk_score_mapping',
  'response_actions',
  'references',
  'setup',
  'meta',
];

function kept(found: Found): Found {
  return Object.fromEntries(Object.entries(found).filter(([name]) => USERS.includes(name)));
}

function mergedTags(ours: readonly string[], { tags = [] }: { readonly tags?: readonly string[] }): readonly string[] {
  return [...ours, ...ownTags(tags, ours)];
}

/** Alerting replaces actions too, and takes them in another form than it gives them. */
function ontoStack({ name, schedule, params, tags }: StackRule['body'], found: Found): unknown {
  const {
    actions = [],
    alert_delay,
    flapping,
  } = found as {
    actions?: readonly Found[];
    alert_delay?: unknown;
    flapping?: unknown;
  };
  return {
    name,
    schedule,
    params,
    tags: mergedTags(tags, found),
    actions: actions.map(({ connector_type_id: _, ...action }) => action),
    ...(alert_delay ? { alert_delay } : {}),
    ...(flapping ? { flapping } : {}),
  };
}

export async function* putRules(kibana: Kibana, dryRun: boolean): AsyncGenerator<InstallStep, void, undefined> {
  if (dryRun) {
    yield* [...detectionPuts(), ...stackPuts(kibana)].map(dryStep);
    return;
  }
  if (await hasDetectionEngine(kibana)) for (const put of detectionPuts()) yield await putRule(kibana, put);
  else yield noEngine();
  for (const put of stackPuts(kibana)) yield await putRule(kibana, put);
}

function dryStep({ post, name, body }: Put): InstallStep {
  return { request: `POST ${post} (${name})`, body, result: 'dry-run' };
}

/** Where there is no Security solution, its addresses are unknown: Kibana then answers with nothing but that. */
async function hasDetectionEngine(kibana: Kibana): Promise<boolean> {
  const [rule] = detectionRules() as readonly [DetectionRule];
  const path = `${DETECTION}?rule_id=${rule.rule_id}`;
  const answer = await kibana.ask('GET', path);
  if (answer.status !== 200 && answer.status !== 404) throw kibana.refused('GET', path, answer);
  return answer.status === 200 || (answer.body as { message?: unknown } | null)?.message !== 'Not Found';
}

function noEngine(): InstallStep {
  const note =
    'left out: this Kibana has no detection engine (the Security solution). Switch on the stack rules instead';
  return { request: `POST ${DETECTION}`, result: 'unchanged', note };
}

async function putRule(kibana: Kibana, put: Put): Promise<InstallStep> {
  const found = await find(kibana, put);
  if (found === undefined) return write(kibana, 'POST', put.post, put, put.body);
  const body = put.onto(found);
  const note = whyLeft(put, found);
  if (note === undefined) return write(kibana, 'PUT', put.put, put, body);
  return { request: `PUT ${put.put} (${put.name})`, body, result: 'unchanged', ...(note && { note }) };
}

/** An older Kibana makes no alert for each row, and refuses to be asked for it. */
async function write(
  kibana: Kibana,
  method: 'POST' | 'PUT',
  path: string,
  { name }: Put,
  body: unknown,
): Promise<InstallStep> {
  const request = `${method} ${path} (${name})`;
  const result = method === 'POST' ? 'created' : 'updated';
  const answer = await kibana.ask(method, path, body);
  if (answer.status === 200) return { request, body, result };
  const { params } = body as { params?: Found };
  if (answer.status !== 400 || params?.['groupBy'] !== 'row' || !/groupBy/.test(JSON.stringify(answer.body)))
    throw kibana.refused(method, `${path} (${name})`, answer);
  const older = { ...(body as Found), params: { ...params, groupBy: 'all' } };
  const second = await kibana.ask(method, path, older);
  if (second.status !== 200) throw kibana.refused(method, `${path} (${name})`, second);
  return { request, body: older, result, note: 'with one alert for all rows together: this Kibana knows no other' };
}

async function find(kibana: Kibana, { one }: Put): Promise<Found | undefined> {
  const answer = await kibana.ask('GET', one);
  if (answer.status === 404) return undefined;
  if (answer.status !== 200) throw kibana.refused('GET', one, answer);
  const found = answer.body as Found;
  if (!Array.isArray(found['tags'])) throw kibana.strange('GET', one);
  return found;
}

/** Undefined: it has to be replaced. Empty: it is as it should be. */
function whyLeft(put: Put, found: Found): string | undefined {
  const mark = readMark((found['tags'] ?? []) as readonly string[]);
  if (!mark) return 'is there without our tag: left alone';
  if (mark.version > CONTENT_VERSION) return `version ${mark.version} of a newer release stays`;
  const [theirs, ours] = [put.tuned(found), put.tuned(put.body as Found)];
  const current = mark.version === CONTENT_VERSION && mark.digest === digestOf(ours);
  if (digestOf(theirs) === digestOf(ours)) return current ? '' : undefined;
  if (digestOf(theirs) === mark.digest) return undefined;
  return `was changed and stays so; it differs from ours in ${different(theirs, ours)}`;
}

function different(theirs: Found, ours: Found): string {
  return Object.keys(ours)
    .filter((name) => digestOf([theirs[name]]) !== digestOf([ours[name]]))
    .join(', ');
}

export async function* removeRules(kibana: Kibana, dryRun: boolean): AsyncGenerator<InstallStep, void, undefined> {
  const engine = dryRun || (await hasDetectionEngine(kibana));
  for (const put of [...stackPuts(kibana), ...(engine ? detectionPuts() : [])]) {
    const request = `DELETE ${put.one} (${put.name})`;
    if (dryRun) yield { request, result: 'dry-run' };
    else yield { request, ...(await removeRule(kibana, put)) };
  }
}

async function removeRule(kibana: Kibana, put: Put): Promise<Omit<InstallStep, 'request'>> {
  const found = await find(kibana, put);
  if (!found) return { result: 'unchanged', note: 'is not there' };
  const mark = readMark((found['tags'] ?? []) as readonly string[]);
  if (!mark) return { result: 'unchanged', note: 'has not our tag: stays' };
  const answer = await kibana.ask('DELETE', put.one);
  if (answer.status !== 200 && answer.status !== 204) throw kibana.refused('DELETE', put.one, answer);
  const theirs = put.tuned(found);
  if (digestOf(theirs) === mark.digest) return { result: 'removed' };
  return {
    result: 'removed',
    note: `with what was changed in Kibana: ${different(theirs, put.tuned(put.body as Found))}`,
  };
}
