/**
 * A small Elasticsearch for tests and the demo: it answers as the real one where a forwarder looks, stores each document
 * once under its `_id`, and can be told to misbehave. Strict: what a real server refuses, this one refuses.
 */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { bulk, type Document } from './elasticsearch-bulk.ts';
import { catalogue } from './elasticsearch-catalogue.ts';
import { problem } from './elasticsearch-problem.ts';
import { search } from './elasticsearch-search.ts';
import type { DataStream } from './elasticsearch-streams.ts';

/** Each may be changed while the server runs, and acts from the next request on. */
interface ElasticsearchDials {
  /** Every connection is cut before an answer. */
  down: boolean;
  /** Answered to every bulk request instead of looking at it. */
  status: number | undefined;
  /** The type of the error that comes with `status`. */
  errorType: string;
  /** Retry-After of `status` and of `everyNth`, in seconds. */
  retryAfter: number | undefined;
  /** Every n-th bulk request is answered with this status. */
  everyNth: { readonly n: number; readonly status: number } | undefined;
  /** A larger bulk request, before compression, is answered 413 without a body. */
  maxBytes: number;
  /** Answered for this document instead of storing it. */
  itemStatus: ((document: Document) => number | undefined) | undefined;
  /** The type of the error that comes with `itemStatus`. */
  itemErrorType: string;
  /** A document that does not fit is answered 201 and put into the failure store. */
  failureStore: boolean;
  /** Bulk requests are done, but their answer is lost. */
  loseAnswer: boolean;
  /** The last document is not looked at: bulk answers have one item too few. */
  shortAnswer: boolean;
  /** A proxy's page with status 200 instead of an answer. */
  html: boolean;
  /** Answers come without the header that tells Elasticsearch from its relatives. */
  otherProduct: boolean;
  /** Data streams that the key may not write, as it is asked for its privileges, and may not search. */
  denied: readonly string[];
  /** A search says that one shard could not be asked, where it is allowed to leave that out. */
  shardFails: boolean;
  /** Bulk answers wait this long. */
  delayMs: number;
  /** As serverless: there is no index lifecycle management. */
  noPolicies: boolean;
  /** An 8.x refuses `compatible-with=9`; before 8.18 it refuses `include_source_on_error` too. */
  version: string;
}

export interface ElasticsearchOptions {
  readonly apiKey?: string;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: { readonly key: string | Buffer; readonly cert: string | Buffer };
  readonly port?: number;
  /** false: only ids are kept and documents are not looked at, which is several times faster. */
  readonly keep?: boolean;
  readonly dials?: Partial<ElasticsearchDials>;
}

export interface SimulatedElasticsearch {
  readonly url: string;
  readonly dials: ElasticsearchDials;
  /** By `_id`. With `keep: false` each value is empty. */
  readonly stored: ReadonlyMap<string, Document>;
  readonly failures: ReadonlyMap<string, Document>;
  /** Documents that came again under an `_id` that was there. */
  readonly duplicates: number;
  readonly bulkRequests: number;
  /** Templates and pipelines by path, as they were put. */
  readonly installed: ReadonlyMap<string, unknown>;
  /** By name. Events make none: a test puts those here that it needs. */
  readonly streams: Map<string, DataStream>;
  /** Method and path of every request, in order. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

const DIALS: ElasticsearchDials = {
  down: false,
  status: undefined,
  errorType: 'es_rejected_execution_exception',
  retryAfter: undefined,
  everyNth: undefined,
  maxBytes: 100 * 1024 * 1024,
  itemStatus: undefined,
  itemErrorType: 'es_rejected_execution_exception',
  failureStore: false,
  loseAnswer: false,
  shortAnswer: false,
  html: false,
  otherProduct: false,
  denied: [],
  shardFails: false,
  delayMs: 0,
  noPolicies: false,
  version: '9.5.3',
};

/** What the parts of the server share. */
export interface Holdings {
  readonly dials: ElasticsearchDials;
  readonly keep: boolean;
  readonly stored: Map<string, Document>;
  readonly failures: Map<string, Document>;
  readonly installed: Map<string, unknown>;
  readonly streams: Map<string, DataStream>;
  duplicates: number;
  bulkRequests: number;
}

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}
export interface Reply {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** The work is done, but nobody hears of it. */
  readonly lost?: boolean;
}

export async function startElasticsearch(options: ElasticsearchOptions = {}): Promise<SimulatedElasticsearch> {
  const held: Holdings = {
    dials: { ...DIALS, ...options.dials },
    keep: options.keep ?? true,
    stored: new Map(),
    failures: new Map(),
    installed: new Map(),
    streams: new Map(),
    duplicates: 0,
    bulkRequests: 0,
  };
  const requests: string[] = [];
  const listener: RequestListener = (request, response) => {
    if (held.keep) requests.push(`${request.method} ${request.url?.split('?')[0]}`);
    serve(request, response, options, held).catch(() => response.destroy());
  };
  const server = options.tls ? createTlsServer(options.tls, listener) : createServer(listener);
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    dials: held.dials,
    stored: held.stored,
    failures: held.failures,
    installed: held.installed,
    streams: held.streams,
    requests,
    get duplicates() {
      return held.duplicates;
    },
    get bulkRequests() {
      return held.bulkRequests;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  options: ElasticsearchOptions,
  held: Holdings,
): Promise<void> {
  if (held.dials.down) return void response.destroy();
  const url = new URL(request.url ?? '/', 'http://localhost');
  const asked: Asked = {
    method: request.method ?? '',
    path: decodeURIComponent(url.pathname),
    query: url.searchParams,
    headers: request.headers,
    body: await bodyOf(request),
  };
  const reply = isWelcome(request, options) ? await answer(asked, held) : problem(401, 'security_exception', 'no');
  if (reply.lost || held.dials.down) return void response.destroy();
  await write(response, reply, asked, held);
}

async function answer(asked: Asked, held: Holdings): Promise<Reply> {
  if (held.dials.html) return { status: 200, body: '<html><body>Please log in</body></html>' };
  if (asked.path.endsWith('/_search')) return search(asked, held);
  return asked.path === '/_bulk' ? bulk(asked, held) : catalogue(asked, held);
}

/** As the real server: a 401 does not tell the product. */
async function write(response: ServerResponse, reply: Reply, asked: Asked, held: Holdings): Promise<void> {
  const page = typeof reply.body === 'string';
  const text = page ? String(reply.body) : JSON.stringify(reply.body);
  const small = text.length < 1024 || !asked.headers['accept-encoding']?.includes('gzip');
  const body = small ? text : await promisify(gzip)(text, { level: 1 });
  const compatible = /compatible-with=\d+/.exec(asked.headers.accept ?? '')?.[0];
  const json = compatible ? `application/vnd.elasticsearch+json;${compatible}` : 'application/json';
  response.writeHead(reply.status, {
    'content-type': page ? 'text/html' : json,
    ...(!page && reply.status !== 401 && !held.dials.otherProduct && { 'x-elastic-product': 'Elasticsearch' }),
    ...(!small && { 'content-encoding': 'gzip' }),
    'content-length': Buffer.byteLength(body),
    ...reply.headers,
  });
  response.end(body);
}

function isWelcome(request: IncomingMessage, { apiKey, username, password }: ElasticsearchOptions): boolean {
  const { authorization } = request.headers;
  if (apiKey === undefined && username === undefined) return true;
  const basic = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  return (
    (apiKey !== undefined && authorization === `ApiKey ${apiKey}`) ||
    (username !== undefined && authorization === basic)
  );
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  return (request.headers['content-encoding'] === 'gzip' ? await promisify(gunzip)(bytes) : bytes).toString();
}
