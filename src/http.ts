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
  /** Rejects with NoAnswer, or with the signal's reason when it fires before the status line. */
  request(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse>;
  close(): Promise<void>;
}

/** No status line came back. `sent`: the server may have seen the request, and may have acted on it; a doubt counts as sent. */
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

/** One pool of connections. It never repeats a request, follows no redirect, and decodes no content-encoding. */
export function httpClient(options: HttpOptions = {}): HttpClient {
  const dispatcher = pool(options);
  return {
    request: (request, signal) => call(dispatcher, request, signal),
    close: () => dispatcher.destroy(),
  };
}

const LOOPBACK = 'localhost,127.0.0.1,::1';

function pool(options: HttpOptions): Dispatcher {
  const connect = tlsOptions(options.tls);
  const common = { connect, allowH2: false, headersTimeout: 0, bodyTimeout: 0 };
  const environment =
    process.env['HTTPS_PROXY'] || process.env['https_proxy'] || process.env['HTTP_PROXY'] || process.env['http_proxy'];
  if (!options.proxy && !environment) return new Agent(common);
  const noProxy = [LOOPBACK, process.env['NO_PROXY'] || process.env['no_proxy'] || ''].filter(Boolean).join(',');
  return new EnvHttpProxyAgent({
    ...common,
    requestTls: connect,
    ...(connect.ca && { proxyTls: { ca: connect.ca } }),
    noProxy,
    ...(options.proxy && { httpProxy: options.proxy, httpsProxy: options.proxy }),
  });
}

async function call(dispatcher: Dispatcher, request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
  signal.throwIfAborted();
  const url = new URL(request.url);
  const exchange = new Exchange(url.origin, request.maxBytes ?? 1024 * 1024);
  const onAbort = () => exchange.end(signal.reason, true);
  const late = () => exchange.end(new Error(`not finished within ${request.timeoutMs} ms`));
  const timer = setTimeout(late, request.timeoutMs);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const { method, headers, body } = request;
    const path = url.pathname + url.search;
    const options = {
      origin: url.origin,
      path,
      method,
      ...(headers && { headers }),
      ...(body !== undefined && { body }),
    };
    dispatcher.dispatch(options, exchange);
    return await exchange.answer.promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/** One request and its answer. How far it has come decides what a failure means. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly answer = Promise.withResolvers<HttpResponse>();
  readonly #origin: string;
  readonly #maximum: number;
  readonly #chunks: Buffer[] = [];
  #size = 0;
  #head: Pick<HttpResponse, 'status' | 'headers'> | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #ended = false;

  constructor(origin: string, maximum: number) {
    this.#origin = origin;
    this.#maximum = maximum;
  }

  /** The connection stands and nothing is written yet. Coming here a second time would be a silent repeat. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#ended || this.#controller) controller.abort(new Error('a request is sent once'));
    else this.#controller = controller;
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Dispatcher.ResponseData['headers']): void {
    if (status >= 200) this.#head = { status, headers: flat(headers) };
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    const room = this.#maximum - this.#size;
    this.#chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
    this.#size += chunk.length;
    if (chunk.length > room) this.#resolve('too_large');
  }

  onResponseEnd(): void {
    this.#resolve();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.end(error);
  }

  /** Ends it early. What has arrived of an answer is kept, even when the caller no longer waits for the rest. */
  end(error: unknown, byCaller = false): void {
    if (this.#head) this.#resolve('cut_off');
    if (this.#ended) return;
    const sent = this.#controller !== undefined;
    const message = `no ${sent ? 'answer from' : 'connection to'} ${this.#origin}: ${because(error)}`;
    this.answer.reject(byCaller ? error : new NoAnswer(message, sent, error));
    this.#stop();
  }

  #resolve(incomplete?: HttpResponse['incomplete']): void {
    if (this.#ended || !this.#head) return;
    this.answer.resolve({ ...this.#head, body: Buffer.concat(this.#chunks), ...(incomplete && { incomplete }) });
    this.#stop(incomplete !== undefined);
  }

  #stop(abort = true): void {
    this.#ended = true;
    if (abort) this.#controller?.abort(new Error('ended by the client'));
  }
}

function flat(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.toLowerCase(),
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  );
}

const HINTS: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [/SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY)|CERT_UNTRUSTED/, 'set tls.ca to the CA that signed its certificate'],
  [/ERR_TLS_CERT_ALTNAME_INVALID/, 'use a name that its certificate holds'],
  [/CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/, 'its certificate must be renewed, or a clock is wrong'],
  [
    /CERTIFICATE_REQUIRED|ALERT_BAD_CERTIFICATE|HANDSHAKE_FAILURE|UNKNOWN_CA|ACCESS_DENIED/,
    'it refuses our client certificate, or misses one: see tls.cert and tls.key',
  ],
  [/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/, 'it does not speak TLS on this port'],
  [/before secure TLS connection/, 'does it speak TLS on this port?'],
];

interface Told {
  readonly code?: string;
  readonly message?: string;
  readonly reason?: unknown;
  readonly cause?: unknown;
}

/** What a connection's error says, with what to do about it where that is known. */
export function because(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0)
    return [...new Set(error.errors.map(because))].join(', ');
  const { code = '', reason, message = '', cause } = error as Told;
  if (code === 'UND_ERR_PRX_TLS' && cause) return `no TLS with the proxy: ${because(cause)}`;
  const [, hint] = HINTS.find(([pattern]) => pattern.test(`${code} ${message}`)) ?? [];
  // An OpenSSL error's message is its place in the source; its reason is what happened. Node's own advice names its flags.
  const text = (typeof reason === 'string' ? reason : message).replace(/; if the root CA .*$/s, '');
  const told = text && code && !text.includes(code) ? `${text} (${code})` : text || code || String(error);
  return hint ? `${told}; ${hint}` : told;
}

/** Retry-After, in seconds or as a date, as ms from now; undefined where there is none or it is no use. RFC 9110 10.2.3. */
export function retryAfterMs(header: string | undefined, now: number = Date.now()): number | undefined {
  if (!header) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) && ms >= 0 ? ms : undefined;
}
