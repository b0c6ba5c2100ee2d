/**
 * Data streams that are there already. A template acts on indices that are made after it, so a data stream whose newest index was made
 * by an older one is rolled over; and what its options are is decided when it is made, so they are set.
 */
import type { InstallStep } from '../../src/sink.ts';
import type { Answer, ElasticsearchClient } from './client.ts';
import { DATASETS, type Dataset, dataStream } from './encode.ts';
import { refused } from './steps.ts';
import { type Abilities, CONTENT_VERSION, MANAGED_BY, templateName } from './templates.ts';

interface Stream {
  readonly name: string;
  readonly template?: string;
  readonly indices: readonly { readonly index_name: string }[];
}

const ALL = 'logs-transmit_security.*-*';
const OPTIONS = { failure_store: { enabled: true } };

/** For those of which it is not known whether they are there. */
export function dryStreamSteps(): readonly InstallStep[] {
  const [name] = DATASETS.map((dataset) => dataStream(dataset, 'NAMESPACE'));
  const note = 'for each data stream whose newest index was made by an older template';
  return [
    { request: `POST /${name}/_rollover`, result: 'dry-run', note },
    { request: `PUT /_data_stream/${name}/_options`, body: OPTIONS, result: 'dry-run', note: 'where they are not set' },
  ];
}

/** `changed`: the kinds of which a template was written just now. */
export async function* streamSteps(
  client: ElasticsearchClient,
  { failureStore }: Abilities,
  changed: ReadonlySet<Dataset>,
  signal: AbortSignal,
): AsyncGenerator<InstallStep, void, undefined> {
  const streams = await findStreams(client, signal);
  if (typeof streams === 'string') {
    const note = `${streams}: roll existing data streams over by hand, so that they take up the templates`;
    yield { request: `GET /_data_stream/${ALL}`, result: 'unchanged', note };
    return;
  }
  for (const stream of streams) {
    const dataset = DATASETS.find((each) => stream.name.startsWith(dataStream(each, '')));
    if (dataset === undefined) continue;
    yield await rollOver(client, stream, dataset, changed.has(dataset), signal);
    if (failureStore) yield await setOptions(client, stream, signal);
  }
}

/** Or why they cannot be told. A server with only the core has no list of data streams, but resolves names. */
async function findStreams(client: ElasticsearchClient, signal: AbortSignal): Promise<readonly Stream[] | string> {
  const listed = await client.ask({ method: 'GET', path: `/_data_stream/${ALL}` }, signal);
  if (listed.status === 404) return [];
  if (listed.status === 200) return (listed.body as { data_streams: readonly Stream[] }).data_streams;
  const resolved = await client.ask({ method: 'GET', path: `/_resolve/index/${ALL}` }, signal);
  if (resolved.status !== 200) return `answered ${listed.status}`;
  type Names = { data_streams: readonly { name: string; backing_indices: string | readonly string[] }[] };
  return (resolved.body as Names).data_streams.map(({ name, backing_indices: indices }) => ({
    name,
    indices: [indices].flat().map((index_name) => ({ index_name })),
  }));
}

async function rollOver(
  client: ElasticsearchClient,
  { name, template, indices }: Stream,
  dataset: Dataset,
  changed: boolean,
  signal: AbortSignal,
): Promise<InstallStep> {
  const path = `/${name}/_rollover`;
  const request = `POST ${path}`;
  if (template !== undefined && template !== templateName(dataset))
    return { request, result: 'unchanged', note: `the template ${template} serves it, not ours` };
  const version = await versionOf(client, indices.at(-1)?.index_name, signal);
  if (version !== undefined && (version > CONTENT_VERSION || (version === CONTENT_VERSION && !changed)))
    return { request, result: 'unchanged' };
  const answer = await client.ask({ method: 'POST', path }, signal);
  if (answer.status !== 200) throw refused('POST', path, answer);
  return { request, result: 'updated', note: 'its next events go into a new index; those before stay where they are' };
}

/** Of the content by which an index was made. */
async function versionOf(
  client: ElasticsearchClient,
  index: string | undefined,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (index === undefined) return undefined;
  const path = `/${index}/_mapping`;
  const answer = await client.ask({ method: 'GET', path, query: { filter_path: '*.mappings._meta' } }, signal);
  if (answer.status !== 200) throw refused('GET', path, answer);
  type Mapping = { mappings?: { _meta?: { managed_by?: unknown; version?: unknown } } };
  const meta = Object.values(answer.body as Record<string, Mapping>)[0]?.mappings?._meta;
  return meta?.managed_by === MANAGED_BY ? Number(meta.version) : undefined;
}

async function setOptions(client: ElasticsearchClient, { name }: Stream, signal: AbortSignal): Promise<InstallStep> {
  const path = `/_data_stream/${name}/_options`;
  const step = { request: `PUT ${path}`, body: OPTIONS };
  const found = await client.ask({ method: 'GET', path }, signal);
  if (found.status !== 200)
    return { ...step, result: 'unchanged', note: `answered ${found.status}: the failure store is as it was` };
  const enabled = enabledIn(found);
  if (enabled !== undefined)
    return { ...step, result: 'unchanged', ...(!enabled && { note: 'was switched off and stays so' }) };
  const answer = await client.ask({ method: 'PUT', path, body: OPTIONS }, signal);
  if (answer.status !== 200) throw refused('PUT', path, answer);
  return { ...step, result: 'updated' };
}

function enabledIn({ body }: Answer): boolean | undefined {
  type Options = { options?: { failure_store?: { enabled?: boolean } } };
  const { data_streams: streams = [] } = body as { data_streams?: readonly Options[] };
  return streams[0]?.options?.failure_store?.enabled;
}
