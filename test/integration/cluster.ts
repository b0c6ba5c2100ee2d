/** A real Elasticsearch or OpenSearch for a test: started, asked as its administrator, and read back. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import { type Certificates, makeCertificates } from './certificates.ts';
import { type Ends, type Server, type ServerSettings, startServer } from './servers.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  // What a server says is read by path; a test that reads a wrong one fails.
  readonly body: Json;
}
export type Json = { readonly [key: string]: Json } & { readonly [index: number]: Json } & Iterable<Json> &
  (string | number | boolean);

export interface Hit {
  readonly id: string;
  readonly index: string;
  readonly source: Readonly<Record<string, unknown>>;
  /** Fields that the server took and did not index. */
  readonly ignored: readonly string[];
}

export interface Cluster {
  readonly server: Server;
  readonly certificates: Certificates | undefined;
  /** As administrator. A string is sent as it is, as a bulk body. Any status is an answer. */
  ask(method: string, path: string, body?: unknown): Promise<Answer>;
  /** The same, and fails on any status but 200 and 201. */
  must(method: string, path: string, body?: unknown): Promise<Answer>;
  /** All documents that these indices or data streams hold: every copy. */
  documents(indices: string): Promise<readonly Hit[]>;
}

export type ClusterKind = 'elasticsearch9' | 'elasticsearch8' | 'opensearch';

export interface ClusterSettings {
  /** Lines for elasticsearch.yml. */
  readonly more?: string;
  /** HTTPS with a private CA, users and keys: elasticsearch8 alone has them. */
  readonly security?: boolean;
}

export const ADMIN = { username: 'admin', password: 'integration' };
const BASIC = `Basic ${Buffer.from(`${ADMIN.username}:${ADMIN.password}`).toString('base64')}`;

export async function startCluster(context: Ends, kind: ClusterKind, settings: ClusterSettings = {}): Promise<Cluster> {
  const certificates = settings.security ? makeCertificates(context) : undefined;
  const ca = certificates && readFileSync(certificates.path('ca.pem'), 'utf8');
  const security = settings.security ? '/_cluster/health/.security-7' : '/_cluster/health';
  const ready = async ({ port }: { readonly port: number }) => {
    const yellow = await call({ port, ca }, 'GET', `${security}?wait_for_status=yellow&timeout=2s`);
    return yellow.status === 200;
  };
  const serverSettings: ServerSettings = {
    scheme: certificates ? 'https' : 'http',
    environment: {
      MORE: settings.more ?? '',
      ...(certificates && { CERTIFICATE: certificates.path('server.pem'), KEY: certificates.path('server.key') }),
    },
    ready,
  };
  const server = await startServer(context, kind, serverSettings);
  const ask = (method: string, path: string, body?: unknown) => call({ port: server.port, ca }, method, path, body);
  const must = async (method: string, path: string, body?: unknown) => {
    const answer = await ask(method, path, body);
    if (answer.status === 200 || answer.status === 201) return answer;
    throw new Error(`${kind} answered ${answer.status} to ${method} ${path}: ${JSON.stringify(answer.body)}`);
  };
  return { server, certificates, ask, must, documents: (indices) => documents(must, indices) };
}

/** A connection for each question, so that none is open when a test counts them. */
async function call(
  { port, ca }: { readonly port: number; readonly ca: string | undefined },
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  const sent = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const type = typeof body === 'string' ? 'application/x-ndjson' : 'application/json';
  const ofBody = sent !== undefined && { 'content-type': type, 'content-length': Buffer.byteLength(sent) };
  const headers = { ...ofBody, ...(ca && { authorization: BASIC }) };
  const options = { host: '127.0.0.1', port, method, path, headers, agent: false as const, timeout: 30_000 };
  const question = ca ? tlsRequest({ ...options, ca, servername: 'localhost' }) : plainRequest(options);
  question.once('timeout', () => question.destroy(new Error(`no answer to ${method} ${path}`)));
  question.end(sent);
  const [response] = (await once(question, 'response')) as [IncomingMessage];
  const said = await text(response);
  const parsed = response.headers['content-type']?.includes('json') ? JSON.parse(said) : said;
  return { status: response.statusCode ?? 0, headers: response.headers, body: parsed as Json };
}

async function documents(must: Cluster['must'], indices: string): Promise<readonly Hit[]> {
  const lenient = 'ignore_unavailable=true&allow_no_indices=true';
  await must('POST', `/${indices}/_refresh?${lenient}`);
  const query = { size: 2_000, query: { match_all: {} }, stored_fields: ['_ignored', '_source'] };
  const found: Hit[] = [];
  let { body } = await must('POST', `/${indices}/_search?${lenient}&scroll=1m`, query);
  for (let hits = hitsIn(body); hits.length > 0; hits = hitsIn(body)) {
    found.push(...hits);
    ({ body } = await must('POST', '/_search/scroll', { scroll: '1m', scroll_id: body['_scroll_id'] }));
  }
  // Where there is no index at all there is nothing to end either.
  if (found.length > 0) await must('DELETE', '/_search/scroll', { scroll_id: body['_scroll_id'] });
  return found;
}

function hitsIn(body: Json): readonly Hit[] {
  return [...(body['hits']?.['hits'] ?? [])].map((hit) => ({
    id: String(hit['_id']),
    index: String(hit['_index']),
    source: hit['_source'] as unknown as Hit['source'],
    ignored: [...((hit['_ignored'] as unknown as readonly string[] | undefined) ?? [])],
  }));
}

/** Of an API key that holds exactly these privileges on our data streams; as `install` and the README want it written. */
export async function newApiKey(cluster: Cluster, privileges: readonly string[]): Promise<{ id: string; key: string }> {
  const role_descriptors = { forwarder: roleOf(privileges) };
  const { body } = await cluster.must('POST', '/_security/api_key', { name: 'forwarder', role_descriptors });
  return { id: String(body['id']), key: String(body['encoded']) };
}

/** What the README of the sink says that a key needs. */
export const DOCUMENTED = ['create_doc', 'auto_configure'];

export function roleOf(privileges: readonly string[]): unknown {
  return { indices: [{ names: ['logs-transmit_security.*-*'], privileges }] };
}
