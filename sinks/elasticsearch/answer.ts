/** What an answer to `_bulk` says about each event, and about the sink. Pure. */
import { BatchRefused, type Outcome, retryAfterMs, Unavailable } from '../../src/sink.ts';
import fields from '../content/fields.json' with { type: 'json' };
import type { Answer } from './client.ts';

interface Failure {
  readonly type?: unknown;
  readonly reason?: unknown;
  readonly caused_by?: Failure | null;
}
interface Item {
  readonly status: number;
  readonly error?: Failure;
  readonly failure_store?: string;
}

export const PRIVILEGES_HINT =
  'the key needs the index privileges create_doc and auto_configure on logs-transmit_security.*-*';

/** `other_dialect`: the server does not speak the version or the parameters that were used; it looked at no event. */
export function readAnswer(answer: Answer, count: number): readonly Outcome[] | 'other_dialect' {
  if (answer.status !== 200) return refuse(answer);
  const outcomes = itemsOf(answer, count).map(outcomeOf);
  const refused = itemsOf(answer, count).find((item) => item.error?.type === 'security_exception');
  if (refused && outcomes.every((outcome) => outcome.status === 'retry'))
    throw new Unavailable(`${answer.from} refused every event with ${refused.status}: ${PRIVILEGES_HINT}`, {
      reopen: true,
    });
  return outcomes;
}

/** Items stand in the order of the request; one too few or too many and none can be told from its neighbour. */
function itemsOf(answer: Answer, count: number): readonly Item[] {
  const items = (answer.body as { items?: unknown } | null)?.items;
  if (!Array.isArray(items))
    throw new Unavailable(`${answer.from} answered 200 to a bulk request, but not with a list of items`);
  const found = items.map((item: { create?: Item } | null) => item?.create);
  const whole = found.filter((item): item is Item => typeof item?.status === 'number');
  if (found.length !== count || whole.length !== count)
    throw new Unavailable(
      `${answer.from} answered ${whole.length} items to ${count} events: nothing of it can be used`,
      {
        reopen: true,
      },
    );
  return whole;
}

/** Reasons that lie with the cluster or its settings, whatever the status that comes with them, and what to look at. */
const HELD: ReadonlyMap<string, string> = new Map([
  ['cluster_block_exception', 'writing is blocked, by a full disk or by index.blocks'],
  ['index_closed_exception', 'the write index is closed'],
  ['index_not_found_exception', 'no index template makes this data stream'],
  ['security_exception', PRIVILEGES_HINT],
]);

function outcomeOf(item: Item): Outcome {
  const { status, error } = item;
  if (status === 200 || status === 201) return stored(item);
  if (status === 409) return { status: 'delivered' };
  const reason = `${status} ${describe(error)}`;
  const hint =
    HELD.get(typeOf(error)) ?? (lacksPipeline(error) ? 'the ingest pipeline of its template is missing' : undefined);
  if (hint) return { status: 'retry', reason: `${reason}: ${hint}`, held: true };
  if (status === 401 || status === 403 || status === 404) return { status: 'retry', reason, held: true };
  return status === 400 ? { status: 'rejected', reason } : { status: 'retry', reason };
}

function stored({ status, failure_store: place }: Item): Outcome {
  if (place === 'used')
    return { status: 'rejected', reason: `${status}, but kept in the failure store of its data stream` };
  if (place === 'failed') return { status: 'rejected', reason: `${status}, but refused by the failure store too` };
  return { status: 'delivered' };
}

/** A template that names a pipeline that is not there makes every event a 400. */
function lacksPipeline(error: Failure | undefined): boolean {
  return /^pipeline with id \[[^\]]*\] does not exist/.test(textOf(error));
}

function refuse(answer: Answer): 'other_dialect' {
  const { from, status } = answer;
  const error = (answer.body as { error?: Failure | string } | null)?.error;
  const failure = typeof error === 'object' && error !== null ? error : undefined;
  const said = `${from} answered ${status}${failure ? ` ${typeOf(failure)}` : ''} to a bulk request`;
  if (status === 401) throw new Unavailable(`${said}: the api_key, or username and password, are not accepted`, REOPEN);
  if (status === 403) throw new Unavailable(`${said}: ${PRIVILEGES_HINT}`, REOPEN);
  if (status === 413)
    throw new BatchRefused(`${said}: larger than http.max_content_length or a proxy allows`, TOO_LARGE);
  if (status === 400 && failure && spokenByElasticsearch(answer)) return refusedRequest(failure, said);
  if (status >= 300 && status < 400)
    throw new Unavailable(`${said}: redirects are not followed, name the final address`);
  const later = answer.headers['retry-after'];
  throw new Unavailable(said, { retryAfterMs: retryAfterMs(typeof later === 'string' ? later : undefined) });
}
const REOPEN = { reopen: true };
const TOO_LARGE = { tooLarge: true };

/** Elasticsearch says so with every answer but some of 401. */
export function spokenByElasticsearch(answer: Answer): boolean {
  return answer.headers['x-elastic-product'] === 'Elasticsearch';
}

/** Refusals of a whole request that speak of what it holds. Any other 400 says nothing about the events. */
const ABOUT_DATA = new Set([
  'action_request_validation_exception',
  'document_parsing_exception',
  'input_coercion_exception',
  'json_parse_exception',
  'mapper_parsing_exception',
  'parse_exception',
  'parsing_exception',
  'stream_constraints_exception',
  'x_content_parse_exception',
]);

function refusedRequest(failure: Failure, said: string): 'other_dialect' {
  const type = typeOf(failure);
  const text = textOf(failure);
  if (type === 'media_type_header_exception' || /contains unrecognized parameters?:/.test(text)) return 'other_dialect';
  if (ABOUT_DATA.has(type) || /^Malformed (action|content)|^The bulk request must/.test(text))
    throw new BatchRefused(said);
  throw new Unavailable(said);
}

const KNOWN: ReadonlySet<string> = new Set([
  ...Object.keys(fields),
  'data_stream.type',
  'data_stream.dataset',
  'data_stream.namespace',
]);

/** Elasticsearch's sentences quote values, so only its own words go on: the types, and a field that is known by name. */
function describe(error: Failure | undefined): string {
  const field = fieldIn(textOf(error)) ?? fieldIn(textOf(error?.caused_by));
  const cause = error?.caused_by ? ` (${typeOf(error.caused_by)})` : '';
  return `${typeOf(error)}${cause}${field ? ` at ${field}` : ''}`;
}

function fieldIn(text: string): string | undefined {
  for (const [, brackets, quotes] of text.matchAll(/\[([\w.@]+)\]|field="([\w.@]+)"/g)) {
    const name = brackets ?? quotes ?? '';
    if (KNOWN.has(name)) return name;
  }
  return undefined;
}

function typeOf(error: Failure | null | undefined): string {
  return typeof error?.type === 'string' && /^[a-z_]{1,80}$/.test(error.type) ? error.type : 'error without a type';
}

function textOf(error: Failure | null | undefined): string {
  return typeof error?.reason === 'string' ? error.reason : '';
}
