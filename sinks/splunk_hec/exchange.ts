import { setTimeout as sleep } from 'node:timers/promises';
import { type HttpClient, type HttpRequest, type HttpResponse, NoAnswer, Unavailable } from '../../src/sink.ts';
import type { Unusable } from './answer.ts';

const PATH = '/services/collector';

type Call = 'event' | 'ack' | 'health';

/** One call of one HEC. It is never repeated here. */
export type Exchange = (
  call: Call,
  request: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string | Uint8Array },
  signal: AbortSignal,
) => Promise<HttpResponse | Unusable>;

/** `url` as in the config: an origin, with or without a path before `/services/collector`. */
export function exchanger(client: HttpClient, url: string, token: string, timeoutMs: number): Exchange {
  let answered = false;
  const base = url.replace(/\/+$/, '').replace(/\/services\/collector(\/event)?$/, '') + PATH;
  return async (call, { headers, body }, signal) => {
    const request: HttpRequest = {
      method: call === 'health' ? 'GET' : 'POST',
      url: `${base}/${call}`,
      headers: { authorization: `Splunk ${token}`, 'content-type': 'application/json', ...headers },
      ...(body !== undefined && { body }),
      timeoutMs,
    };
    try {
      const response = await client.request(request, signal);
      answered = true;
      if (response.incomplete) signal.throwIfAborted();
      return response;
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      return { kind: 'unavailable', error: unreachable(error, base, answered), elsewhere: true, ackFull: false };
    }
  };
}

const TLS_TROUBLE = /^(ERR_(TLS|SSL)_|CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_)/;

/** Certificate files are read when the sink is opened, so trouble with TLS opens it anew. */
function unreachable(error: NoAnswer, base: string, answered: boolean): Unavailable {
  const { code = '' } = (error.cause ?? {}) as { readonly code?: string };
  // A TLS 1.3 server refuses a client after the handshake, and all that shows of it is the end.
  const refused = code === 'UND_ERR_SOCKET' && base.startsWith('https:') && !answered;
  const hint = refused
    ? ' (if always: it may refuse our client certificate, or miss one: see tls.cert and tls.key)'
    : '';
  return new Unavailable(`${error.message}${hint}`, { reopen: refused || TLS_TROUBLE.test(code) });
}

export function isUnusable(answer: object): answer is Unusable {
  return 'kind' in answer && answer.kind === 'unavailable';
}

/** Resolves after `ms` or when the signal fires; never rejects. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

/** What the promise gives, or the signal's reason as soon as it fires. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    if (signal.aborted) abort();
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
