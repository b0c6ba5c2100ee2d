import { readFileSync } from 'node:fs';
import tls from 'node:tls';
import { Agent, type Dispatcher, EnvHttpProxyAgent } from 'undici';

export interface TlsOptions {
  /** PEM files. `ca` is added to the certificates that Node trusts. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** false: any certificate is taken. */
  readonly verify?: boolean | undefined;
}

export interface HttpOptions {
  readonly tls?: TlsOptions | undefined;
  /** A proxy for everything but loopback; without it HTTPS_PROXY, HTTP_PROXY and NO_PROXY are followed. */
  readonly proxy?: string | undefined;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'HEAD';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** From the start of the call to the last byte of the answer. */
  readonly timeoutMs: number;
  /** The answer is read up to here. Default 1 MiB. */
  readonly maxBytes?: number;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case; repeated headers joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Why the body is not whole. What arrived of it is in `body`. */
  readonly incomplete?: 'cut_off' | 'too_large';
}

export interface HttpClient {
  request(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse>;
  close(): Promise<void>;
}

/** No status line came back. `sent`: the server may have seen the request, and may have acted on it. */
export class NoAnswer extends Error {
  readonly sent: boolean;
  constructor(message: string, sent: boolean, cause?: unknown) {
    super(message, { cause });
    this.name = 'NoAnswer';
    this.sent = sent;
  }
}

interface TlsParameters {
  ca?: string[];
  cert?: Buffer;
  key?: Buffer;
  rejectUnauthorized?: boolean;
}

/** For node:tls and undici alike. Files are read here, so that opening again takes up renewed certificates. */
export function tlsOptions(options: TlsOptions = {}): TlsParameters {
  return {
    ...(options.ca && { ca: [...tls.getCACertificates('default'), readFileSync(options.ca, 'utf8')] }),
    ...(options.cert && { cert: readFileSync(options.cert) }),
    ...(options.key && { key: readFileSync(options.key) }),
    ...(options.verify === false && { rejectUnauthorized: false }),
  };
}

/** One pool of connections. It never repeats a request and follows no redirect. */
export function httpClient(options: HttpOptions = {}): HttpClient {
  const dispatcher = pool(options);
  return {
    request: (request, signal) => call(dispatcher, request, signal),
    close: () => dispatcher.destroy(),
  };
}

const LOOPBACK = 'localhost,127.0.0.1,::1,[::1]';

function pool(options: HttpOptions): Dispatcher {
  const connect = tlsOptions(options.tls);
  const common = { connect, allowH2: false, headersTimeout: 0, bodyTimeout: 0 };
  const environment =
    process.env['HTTPS_PROXY'] ?? process.env['https_proxy'] ?? process.env['HTTP_PROXY'] ?? process.env['http_proxy'];
  if (!options.proxy && !environment) return new Agent(common);
  const noProxy = [LOOPBACK, process.env['NO_PROXY'] ?? process.env['no_proxy'] ?? ''].filter(Boolean).join(',');
  return new EnvHttpProxyAgent({
    ...common,
    requestTls: connect,
    noProxy,
    ...(options.proxy && { httpProxy: options.proxy, httpsProxy: options.proxy }),
  });
}

async function call(dispatcher: Dispatcher, request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(request.timeoutMs)]);
  const url = new URL(request.url);
  let answer: Dispatcher.ResponseData;
  try {
    answer = await dispatcher.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: request.method,
      ...(request.headers && { headers: request.headers }),
      ...(request.body !== undefined && { body: request.body }),
      signal: limit,
    });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new NoAnswer(`no answer from ${url.origin}: ${because(error, request)}`, !beforeSending(error), error);
  }
  const maximum = request.maxBytes ?? 1024 * 1024;
  const { body, incomplete } = await readUpTo(answer.body, maximum);
  return { status: answer.statusCode, headers: flat(answer.headers), body, ...(incomplete && { incomplete }) };
}

async function readUpTo(
  stream: AsyncIterable<Buffer>,
  maximum: number,
): Promise<Pick<HttpResponse, 'body' | 'incomplete'>> {
  const chunks: Buffer[] = [];
  let room = maximum;
  try {
    for await (const chunk of stream) {
      chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
      room -= chunk.length;
      if (room < 0) return { body: Buffer.concat(chunks), incomplete: 'too_large' };
    }
  } catch {
    return { body: Buffer.concat(chunks), incomplete: 'cut_off' };
  }
  return { body: Buffer.concat(chunks) };
}

function flat(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.toLowerCase(),
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  );
}

const NEVER_SENT =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT)$|CERT|SELF_SIGNED|ERR_TLS|UNABLE_TO|ERR_SSL/;

/** Only what surely failed before the request left counts: a doubt counts as sent. */
function beforeSending(error: unknown): boolean {
  const { code = '', syscall = '' } = error as { code?: string; syscall?: string };
  if (error instanceof AggregateError) return error.errors.every(beforeSending);
  return NEVER_SENT.test(code) || syscall === 'connect' || syscall === 'getaddrinfo';
}

function because(error: unknown, request: HttpRequest): string {
  if (error instanceof DOMException && error.name === 'TimeoutError') return `nothing within ${request.timeoutMs} ms`;
  const { code, message } = error as { code?: string; message?: string };
  return message ? message : (code ?? String(error));
}
