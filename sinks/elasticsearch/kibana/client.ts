/** Kibana as `install` asks it: one request, one answer, nothing repeated. */
import { type AdminContext, httpClient, printable } from '../../../src/sink.ts';
import type { Credentials } from '../options.ts';
import { spaceOf } from './space.ts';

export interface Answer {
  readonly status: number;
  /** Parsed where it is JSON, else text. */
  readonly body: unknown;
}

export interface Kibana {
  /** '' is the default one. */
  readonly space: string;
  /** Any status is an answer. Throws where there is none. */
  ask(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<Answer>;
  /** A file of one line. */
  upload(path: string, line: unknown): Promise<Answer>;
  refused(method: string, path: string, answer: Answer): Error;
  /** Of a 200 that Kibana would not give. */
  strange(method: string, path: string): Error;
  close(): Promise<void>;
}

/** Dashboards with all their panels. */
const MAX_ANSWER = 16 * 1024 * 1024;
const BOUNDARY = 'mosaic-siem-forwarder-7f1d3c0b9a52';

export function connectKibana(
  url: string,
  credentials: Credentials | undefined,
  context: AdminContext,
  signal: AbortSignal,
): Kibana {
  const http = httpClient({ tls: context.tls, proxy: context.proxy });
  const common = {
    // Kibana refuses what could come from another page in a browser, unless this header is there.
    'kbn-xsrf': 'mosaic-siem-forwarder',
    'user-agent': `mosaic-siem-forwarder/${context.version}`,
    ...(credentials && { authorization: authorization(credentials) }),
  };
  const send = async (method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, type?: string, body?: string) => {
    const headers = { ...common, ...(type && { 'content-type': type }) };
    const request = { method, url: url + path, headers, timeoutMs: context.timeoutMs, maxBytes: MAX_ANSWER };
    const answer = await http.request({ ...request, ...(body !== undefined && { body }) }, signal);
    if (answer.incomplete)
      throw new Error(`the answer of ${url} to ${method} ${path} did not arrive whole (${answer.incomplete})`);
    const answered = { status: answer.status, body: parsed(answer.body.toString()) };
    // A proxy's page to log in on is a 200 too, and must not pass for a rule or a dashboard of somebody else.
    if (answer.status === 200 && (typeof answered.body !== 'object' || answered.body === null))
      throw strange(url, method, path);
    return answered;
  };
  return {
    space: spaceOf(url),
    ask: (method, path, body) =>
      body === undefined ? send(method, path) : send(method, path, 'application/json', JSON.stringify(body)),
    upload: (path, line) => send('POST', path, `multipart/form-data; boundary=${BOUNDARY}`, multipart(line)),
    refused: (method, path, answer) => refused(url, method, path, answer),
    strange: (method, path) => strange(url, method, path),
    close: () => http.close(),
  };
}

function authorization(credentials: Credentials): string {
  if ('apiKey' in credentials) return `ApiKey ${credentials.apiKey}`;
  const { username, password } = credentials;
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function multipart(line: unknown): string {
  const head = [
    `--${BOUNDARY}`,
    'content-disposition: form-data; name="file"; filename="objects.ndjson"',
    'content-type: application/x-ndjson',
  ];
  return `${head.join('\r\n')}\r\n\r\n${JSON.stringify(line)}\n\r\n--${BOUNDARY}--\r\n`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function strange(url: string, method: string, path: string): Error {
  return new Error(`${url} answered 200 to ${method} ${path}, but not as Kibana does: is something else in between?`);
}

function refused(url: string, method: string, path: string, { status, body }: Answer): Error {
  const { message } = (typeof body === 'object' && body !== null ? body : {}) as { message?: unknown };
  const reason = [message, body].find((each) => typeof each === 'string') ?? 'no reason given';
  const words = printable(reason.slice(0, 300));
  const hint =
    status === 401 || status === 403
      ? '; the administrative key needs the Kibana privileges `all` on Security, Stack Rules, Dashboard and Data View Management, and Saved Objects Management'
      : '';
  return new Error(`${url} answered ${status} to ${method} ${path} (${words})${hint}`);
}
