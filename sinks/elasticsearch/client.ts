/** The official client, cut down to what the sink asks of it: one request, one answer, nothing repeated. */
import { promisify } from 'node:util';
import { gzip, unzip } from 'node:zlib';
import type { Client, ClientOptions } from '@elastic/elasticsearch';
import { type HttpClient, type HttpResponse, httpClient, type SinkContext, Unavailable } from '../../src/sink.ts';
import type { Credentials } from './options.ts';

export interface Question {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly bulkBody?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  /** The node that answered: scheme, host and port. */
  readonly from: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed where the answer says that it is JSON, else text. */
  readonly body: unknown;
}

export interface ElasticsearchClient {
  /** Any status is an answer. Throws `Unavailable` where there is none, and the signal's reason when it fires. */
  ask(question: Question, signal: AbortSignal): Promise<Answer>;
  close(): Promise<void>;
}

/** Imported here and not at the top: the client costs 40 MB, which a config without this sink should not pay. */
export async function connect(
  urls: readonly string[],
  credentials: Credentials | undefined,
  context: SinkContext,
): Promise<ElasticsearchClient> {
  const { Client, ClusterConnectionPool } = await import('@elastic/elasticsearch');
  const http = httpClient({ tls: context.tls, proxy: context.proxy });
  const client = new Client({
    nodes: [...urls],
    ...(credentials && { auth: credentials }),
    ConnectionPool: ClusterConnectionPool,
    resurrectStrategy: 'optimistic',
    maxRetries: 0,
    compression: true,
    // Redacting copies an error's request body byte by byte. No error leaves this file, so there is nothing to hide.
    redaction: { type: 'off' },
    headers: { 'user-agent': `mosaic-siem-forwarder/${context.version}` },
    agent: poolOver(http, context.timeoutMs),
  });
  return {
    ask: (question, signal) => ask(client, urls, question, signal),
    close: () => http.close(),
  };
}

async function ask(
  client: Client,
  urls: readonly string[],
  { method, path, query, body, bulkBody, headers }: Question,
  signal: AbortSignal,
): Promise<Answer> {
  const packed = bulkBody === undefined ? undefined : await gzipped(bulkBody, { level: FAST });
  const question = { method, path, ...(query && { querystring: query }), ...bodyOf(body, packed) };
  const all = { ...PLAIN, ...headers, ...(packed && { 'content-encoding': 'gzip' }) };
  const options = { meta: true, signal, headers: all, ...(packed && { compression: false }) } as const;
  try {
    return answerOf(await client.transport.request(question, options));
  } catch (error) {
    signal.throwIfAborted();
    return answerIn(error, urls);
  }
}

/** What every version takes, in both headers: one alone is refused. The bulk request asks for a compatible version. */
const PLAIN = { accept: 'application/json', 'content-type': 'application/json' };

const gzipped = promisify(gzip);
/** The client's own level costs half as much again and saves a few per cent. */
const FAST = 1;

function bodyOf(body: unknown, packed: Buffer | undefined): { body?: Record<string, unknown>; bulkBody?: Buffer } {
  return packed ? { bulkBody: packed } : body === undefined ? {} : { body: body as Record<string, unknown> };
}

interface PoolRequest {
  readonly origin: URL;
  readonly path: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly signal: AbortSignal;
}

/** In bytes, unpacked: a batch of which every event is refused with many words takes a quarter of it. */
const MAX_ANSWER = 16 * 1024 * 1024;

/**
 * The client takes any object with undici's `request` as its pool of connections. Over this program's HTTP client the
 * certificates, the proxy and the time limit mean what they mean for every sink. The client's own limit must stay unset:
 * it fires `abort` on the caller's signal, which all deliveries share.
 */
function poolOver(http: HttpClient, timeoutMs: number): NonNullable<ClientOptions['agent']> {
  const request = async ({ origin, path, method, headers, body, signal }: PoolRequest) => {
    const url = origin.origin + path;
    const answer = await http.request(
      { method, url, headers, ...(body !== undefined && { body }), timeoutMs, maxBytes: MAX_ANSWER },
      signal,
    );
    if (answer.incomplete)
      throw new Error(`the answer of ${origin.origin} did not arrive whole (${answer.incomplete})`);
    return { statusCode: answer.status, ...(await unpacked(answer, origin.origin)) };
  };
  return () => ({ request, close: async () => undefined });
}

const unzipped = promisify(unzip);

/** The client would unpack it too, but without a bound: some KB could fill the memory. */
async function unpacked({ headers, body }: HttpResponse, from: string) {
  const { 'content-encoding': coding = 'identity', 'content-length': _, ...others } = headers;
  if (coding === 'identity' || body.length === 0) return { headers: others, body: [body] };
  try {
    return { headers: others, body: [await unzipped(body, { maxOutputLength: MAX_ANSWER })] };
  } catch (error) {
    throw new Error(`the answer of ${from} cannot be unpacked: ${(error as Error).message}`);
  }
}

interface Found {
  readonly body?: unknown;
  readonly statusCode?: number;
  readonly headers?: Answer['headers'];
  readonly meta: { readonly connection: { readonly url: URL } | null };
}

function answerOf(found: Found): Answer {
  const from = found.meta.connection?.url.origin ?? 'the cluster';
  return { from, status: found.statusCode ?? 0, headers: found.headers ?? {}, body: found.body };
}

/**
 * The client's errors hold the whole request and answer, and with them applicant data: nothing of theirs goes on but the
 * status, the parsed body of an error, and the sentence of a failed connection, which is this program's own.
 */
function answerIn(error: unknown, urls: readonly string[]): Answer {
  const { name, message, meta } = error as { name?: string; message?: string; meta?: Found };
  if (name === 'ResponseError' && meta) return answerOf(meta);
  const from = meta?.meta.connection?.url.origin ?? urls.map((url) => new URL(url).origin).join(', ');
  if (name === 'ConnectionError' || name === 'TimeoutError') throw new Unavailable(message ?? `no answer from ${from}`);
  if (name === 'ProductNotSupportedError')
    throw new Unavailable(
      `${from} answered ${meta?.statusCode ?? ''} without the header x-elastic-product: it is not Elasticsearch ` +
        '(OpenSearch is not supported), or something in between answers or removes headers',
    );
  throw new Unavailable(`the answer of ${from} cannot be read (${name ?? 'unknown error'}): is it Elasticsearch?`);
}
