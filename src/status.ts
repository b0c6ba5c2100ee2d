import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from './status/metrics.ts';
import { createPage } from './status/page.ts';
import type { Status } from './status/shape.ts';
import type { StatusState } from './status/state.ts';
import type { SpoolReport } from './types.ts';

export interface Listen {
  readonly host: string;
  /** 0: the system chooses. */
  readonly port: number;
  readonly token?: string | undefined;
}
export interface StatusOptions {
  readonly listen: Listen;
  readonly state: StatusState;
  readonly metrics: Metrics;
  readonly report: () => Promise<SpoolReport>;
}
export interface StatusServer {
  /** `http://HOST:PORT`. */
  readonly url: string;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Serves the page, /api/status, /metrics, /healthz and /readyz.
 * @throws where the address cannot be had, and where other than loopback is asked for without a token
 */
export async function startStatus(options: StatusOptions): Promise<StatusServer> {
  const { host, port, token } = options.listen;
  if (!isLoopback(host) && !token) {
    throw new Error(`status.listen is ${host}, which others can reach: it needs status.token, or listen on 127.0.0.1`);
  }
  const answer = createRoutes(options);
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) => {
    void answer(request).then((reply) => send(response, reply));
  });
  server.maxConnections = 200;
  await listen(server, host, port);
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const hint = error.code === 'EADDRINUSE' ? ': something else listens there; choose another status.listen' : '';
      reject(new Error(`the status page cannot listen on ${host}:${port}: ${error.code ?? error.message}${hint}`));
    });
    server.listen(port, host, resolve);
  });
}

function createRoutes(options: StatusOptions): (request: IncomingMessage) => Promise<Answer> {
  const page = createPage();
  const snapshot = async (): Promise<Status> => options.state.snapshot(await options.report().catch(() => undefined));
  const routes = new Map<string, () => Promise<Answer> | Answer>([
    [
      '/',
      async () => ({
        status: 200,
        type: 'text/html; charset=utf-8',
        body: page.html(await snapshot()),
        headers: { 'content-security-policy': page.policy },
      }),
    ],
    ['/api/status', async () => ({ status: 200, type: 'application/json', body: JSON.stringify(await snapshot()) })],
    ['/metrics', async () => ({ status: 200, type: options.metrics.contentType, body: await options.metrics.text() })],
    ['/healthz', () => text(200, 'ok')],
    ['/readyz', () => readiness(options.state.unready())],
  ]);
  return async (request) => {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    const refused = refuse(request, path, options.listen);
    if (refused) return refused;
    const route = routes.get(path);
    if (!route) return text(404, `there is no ${path.slice(0, 100)}; there is ${[...routes.keys()].join(', ')}`);
    try {
      return await route();
    } catch {
      return text(500, 'the answer could not be made; the log of the forwarder may say why');
    }
  };
}

function readiness(reason: string | undefined): Answer {
  return reason === undefined ? text(200, 'ready') : text(503, reason);
}

const OPEN_TO_ALL = new Set(['/healthz', '/readyz']);

function refuse(request: IncomingMessage, path: string, listenOn: Listen): Answer | undefined {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return text(405, 'only GET and HEAD', { allow: 'GET, HEAD' });
  }
  if (OPEN_TO_ALL.has(path)) return undefined;
  if (listenOn.token && tokens(request).some((given) => equal(given, listenOn.token ?? ''))) return undefined;
  if (!isLoopback(listenOn.host)) {
    return text(401, 'this needs status.token: as the password here, or as "Authorization: Bearer TOKEN"', {
      'www-authenticate': 'Basic realm="mosaic-siem", charset="UTF-8"',
    });
  }
  // A web page whose name was made to point at 127.0.0.1 sends its own name as Host; one that asks across sites, as Origin.
  const own = ownNames(request, listenOn.host);
  const { host = '', origin } = request.headers;
  if (!own.includes(host.toLowerCase())) return text(403, 'the Host header names another host');
  const isOwn = origin === undefined || own.some((name) => origin.toLowerCase() === `http://${name}`);
  return isOwn ? undefined : text(403, 'the Origin header names another site');
}

function ownNames(request: IncomingMessage, host: string): string[] {
  const names = [host.includes(':') ? `[${host}]` : host, 'localhost', '127.0.0.1', '[::1]'].map((name) =>
    name.toLowerCase(),
  );
  const port = request.socket.localPort;
  return names.flatMap((name) => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`]));
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function tokens(request: IncomingMessage): string[] {
  const [scheme = '', value = ''] = (request.headers.authorization ?? '').split(/ +/, 2);
  const cookie = /(?:^|;\s*)mosaic_siem_token=([^;]*)/.exec(request.headers.cookie ?? '')?.[1];
  const found = cookie === undefined ? [] : [cookie];
  if (/^bearer$/i.test(scheme)) found.push(value);
  if (/^basic$/i.test(scheme))
    found.push(
      Buffer.from(value, 'base64')
        .toString()
        .replace(/^[^:]*:/, ''),
    );
  return found;
}

/** In a time that tells nothing about where they differ. */
function equal(given: string, expected: string): boolean {
  const digest = (value: string) => createHash('sha256').update(value).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

function text(status: number, body: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${body}\n`, headers };
}

function send(response: ServerResponse, { status, type, body, headers }: Answer): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, {
    'content-type': type,
    'content-length': bytes.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    ...headers,
  });
  // Node leaves the body out of the answer to HEAD.
  response.end(bytes);
}
