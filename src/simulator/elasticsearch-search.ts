/** `_search` of the simulated Elasticsearch: the ids of one data stream, by the time of receipt or by id. It refuses what it does not know. */
import type { Asked, Holdings, Reply } from './elasticsearch.ts';
import type { Document } from './elasticsearch-bulk.ts';
import { problem } from './elasticsearch-problem.ts';

const PARAMETERS = ['allow_partial_search_results', 'filter_path'];
const KEYS = ['size', 'query', 'sort', 'search_after', '_source', 'track_total_hits'];
const MOST = 10_000;

interface Body {
  readonly size?: number;
  readonly query?: {
    readonly range?: {
      readonly 'event.created'?: { readonly gte: string; readonly lt: string; readonly format?: string };
    };
    readonly ids?: { readonly values: readonly string[] };
  };
  readonly sort?: readonly { readonly 'event.id'?: { readonly order?: string } }[];
  readonly search_after?: readonly string[];
  readonly _source?: boolean;
}

export function search(asked: Asked, held: Holdings): Reply {
  const [, name = ''] = /^\/([^/]+)\/_search$/.exec(asked.path) ?? [];
  const body = JSON.parse(asked.body) as Body;
  return refused(asked, name, body, held) ?? { status: 200, body: answer(asked, name, body, held) };
}

function refused({ method, query, headers }: Asked, name: string, body: Body, held: Holdings): Reply | undefined {
  const illegal = (reason: string) => problem(400, 'illegal_argument_exception', reason);
  if (method !== 'POST' && method !== 'GET')
    return { status: 405, body: { error: `Incorrect HTTP method [${method}]` } };
  if (!/^application\/json/.test(headers['content-type'] ?? ''))
    return { status: 406, body: { error: `Content-Type header [${headers['content-type']}] is not supported` } };
  const parameter = [...query.keys()].find((key) => !PARAMETERS.includes(key));
  if (parameter) return illegal(`request [/${name}/_search] contains unrecognized parameter: [${parameter}]`);
  const unknown = Object.keys(body).find((key) => !KEYS.includes(key));
  if (unknown) return problem(400, 'parsing_exception', `Unknown key for a VALUE in [${unknown}].`);
  if (held.dials.denied.includes(name))
    return problem(
      403,
      'security_exception',
      `action [indices:data/read/search] is unauthorized for API key on [${name}]`,
    );
  if ((body.size ?? 10) > MOST)
    return illegal(`Result window is too large, from + size must be less than or equal to: [${MOST}]`);
  if (body.search_after && body.search_after.length !== body.sort?.length)
    return illegal(`search_after has ${body.search_after.length} value(s) but sort has ${body.sort?.length ?? 0}.`);
  if (!documentsOf(name, held).next().value)
    return problem(404, 'index_not_found_exception', `no such index [${name}]`);
  if (held.dials.shardFails && query.get('allow_partial_search_results') === 'false')
    return problem(503, 'search_phase_execution_exception', 'Partial shards failure');
  return undefined;
}

function answer({ query }: Asked, name: string, body: Body, held: Holdings): unknown {
  const found = [...documentsOf(name, held)].filter(([id, document]) => matches(body.query, id, document));
  const after = body.search_after?.[0];
  const sorted = body.sort
    ? found.map(([id, document]) => ({ id, key: eventOf(document)['id'] as string })).sort(byKey)
    : found.map(([id]) => ({ id, key: undefined }));
  const page = sorted.filter(({ key }) => after === undefined || (key ?? '') > after).slice(0, body.size ?? 10);
  const hits = page.map(({ id, key }) => ({ _id: id, ...(key !== undefined && { sort: [key] }) }));
  const filtered = query.has('filter_path') && hits.length === 0;
  const failed = held.dials.shardFails ? 1 : 0;
  return { timed_out: false, _shards: { failed }, ...(!filtered && { hits: { hits } }) };
}

function byKey(one: { readonly key: string }, other: { readonly key: string }): number {
  return one.key < other.key ? -1 : Number(one.key > other.key);
}

function* documentsOf(name: string, held: Holdings): Generator<[string, Document]> {
  for (const [id, document] of held.stored) {
    const { type, dataset, namespace } = document['data_stream'] as Readonly<Record<string, string>>;
    if (`${type}-${dataset}-${namespace}` === name) yield [id, document];
  }
}

function eventOf(document: Document): Readonly<Record<string, unknown>> {
  return document['event'] as Readonly<Record<string, unknown>>;
}

function matches(query: Body['query'], id: string, document: Document): boolean {
  if (query?.ids) return query.ids.values.includes(id);
  const range = query?.range?.['event.created'];
  if (!range) return query === undefined;
  const created = Date.parse(String(eventOf(document)['created']));
  return created >= Date.parse(range.gte) && created < Date.parse(range.lt);
}
