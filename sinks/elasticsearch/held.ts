import type { HeldQuestion } from '../../src/sink.ts';
import { type Answer, connect, type ElasticsearchClient } from './client.ts';
import { dataStream, datasetOf } from './encode.ts';
import { addresses, encodedKey, type Options } from './options.ts';

/** As many as Elasticsearch gives in one answer (index.max_result_window). */
const AT_ONCE = 10_000;

/**
 * The ids of the events that the data streams hold, of those received in a span or of those named. Throws where the answer is
 * not whole, or the key may not read: what is not found counts as missing.
 */
export async function* held(
  options: Options,
  question: HeldQuestion,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const client = await connect(addresses(options), { apiKey: encodedKey(question.key) }, question);
  const names = new Set(question.streams.map((stream) => dataStream(datasetOf(stream), options.namespace)));
  try {
    for (const name of names) {
      if (question.received) yield* received(client, name, question.received, signal);
      if (question.ids) yield* named(client, name, question.ids, signal);
    }
  } finally {
    await client.close();
  }
}

/** Each answer goes on behind the last id of the one before. */
async function* received(
  client: ElasticsearchClient,
  name: string,
  { from, to }: NonNullable<HeldQuestion['received']>,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const range = { gte: from.toISOString(), lt: to.toISOString(), format: 'strict_date_optional_time' };
  let last: string | undefined;
  for (;;) {
    const hits = await search(client, name, signal, {
      size: AT_ONCE,
      query: { range: { 'event.created': range } },
      sort: [{ 'event.id': { order: 'asc', unmapped_type: 'keyword' } }],
      ...(last !== undefined && { search_after: [last] }),
    });
    for (const { sort } of hits) if (typeof sort?.[0] === 'string') yield sort[0];
    // Documents without an id, which are none of ours, come last: their sort value is null.
    last = hits.at(-1)?.sort?.[0] ?? undefined;
    if (hits.length < AT_ONCE || last === undefined) return;
  }
}

/** Whatever their time: an activity that Mosaic handed out twice is one document, with the time of the first. */
async function* named(
  client: ElasticsearchClient,
  name: string,
  ids: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const hits = await search(client, name, signal, { size: AT_ONCE, query: { ids: { values: ids } } });
  for (const { _id: id } of hits) yield id;
}

interface Hit {
  readonly _id: string;
  readonly sort?: readonly (string | null)[];
}
interface Found {
  readonly timed_out?: boolean;
  readonly _shards?: { readonly failed?: number };
  readonly hits?: { readonly hits?: readonly Hit[] };
}

async function search(
  client: ElasticsearchClient,
  name: string,
  signal: AbortSignal,
  body: Readonly<Record<string, unknown>>,
): Promise<readonly Hit[]> {
  const query = {
    allow_partial_search_results: 'false',
    filter_path: 'timed_out,_shards.failed,hits.hits._id,hits.hits.sort,error.type',
  };
  const all = { ...body, _source: false, track_total_hits: false };
  const answer = await client.ask({ method: 'POST', path: `/${name}/_search`, query, body: all }, signal);
  if (answer.status === 404 && typeOf(answer) === 'index_not_found_exception') return [];
  if (answer.status !== 200) throw new Error(refusal(answer, name));
  const found = answer.body as Found | null;
  if (found?.timed_out !== false || found._shards?.failed !== 0)
    throw new Error(`${answer.from} answered the search of ${name} in part only: what it holds is not known for sure`);
  return found.hits?.hits ?? [];
}

function typeOf({ body }: Answer): string {
  const type = (body as { error?: { type?: unknown } } | null)?.error?.type;
  return typeof type === 'string' && /^[a-z_]{1,80}$/.test(type) ? type : 'error without a type';
}

function refusal(answer: Answer, name: string): string {
  const said = `${answer.from} answered ${answer.status} ${typeOf(answer)} to a search of ${name}`;
  if (answer.status === 401) return `${said}: the key of --key-file is not accepted`;
  if (answer.status === 403) return `${said}: the key of --key-file needs the index privilege read on ${name}`;
  return said;
}
