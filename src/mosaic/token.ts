import { type HttpClient, type HttpResponse, NoAnswer, retryAfterMs } from '../http.ts';
import { describe, line, TokenRefused } from './refusal.ts';

export interface TokenOptions {
  readonly tokenUrl: string;
  readonly clientId: string;
  /** Called for each new token, so that a rotated secret is taken up. */
  readonly clientSecret: () => string;
  /** Asks for a token that targets this resource. None is documented for the activities API. */
  readonly resource?: string | undefined;
  readonly timeoutMs: number;
}

/** One cached token for all streams. */
export interface Tokens {
  /** Rejects with TokenRefused, or with the signal's reason. One request at a time, whoever asks. */
  get(signal: AbortSignal): Promise<string>;
  /** Forgets this token, if it still is the cached one. */
  discard(token: string): void;
  /** What must not be shown: the secret and the latest tokens. */
  secrets(): readonly string[];
  close(): void;
}

/** Times are of the monotonic clock, in ms: a jump of the wall clock neither kills a good token nor keeps a dead one. */
interface Token {
  readonly value: string;
  readonly renewAt: number;
  readonly expiresAt: number;
}

export function tokenSource(options: TokenOptions, http: HttpClient): Tokens {
  const closing = new AbortController();
  let current: Token | undefined;
  let asking: Promise<string> | undefined;
  let secrets: readonly string[] = [];

  async function renew(): Promise<string> {
    try {
      const secret = readSecret(options);
      secrets = [secret, ...secrets.slice(1)];
      current = await ask(options, secret, http, closing.signal, secrets);
      secrets = [secret, current.value, ...secrets.slice(1, 2)];
      return current.value;
    } catch (error) {
      // It is renewed ahead of its end: until then the old one serves, and is renewed again after half of what is left.
      const now = performance.now();
      if (!current || now >= current.expiresAt) throw error;
      current = { ...current, renewAt: (now + current.expiresAt) / 2 };
      return current.value;
    }
  }

  return {
    async get(signal) {
      signal.throwIfAborted();
      if (current && performance.now() < current.renewAt) return current.value;
      asking ??= renew().finally(() => {
        asking = undefined;
      });
      return await untilAborted(asking, signal);
    },
    discard(token) {
      if (current?.value === token) current = undefined;
    },
    secrets: () => secrets,
    close: () => closing.abort(new Error('the Mosaic client is closed')),
  };
}

function readSecret(options: TokenOptions): string {
  try {
    return options.clientSecret();
  } catch (error) {
    throw new TokenRefused(`the client secret cannot be read: ${(error as Error).message}`);
  }
}

async function ask(
  options: TokenOptions,
  secret: string,
  http: HttpClient,
  signal: AbortSignal,
  secrets: readonly string[],
): Promise<Token> {
  const asked = performance.now();
  const form = { grant_type: 'client_credentials', client_id: options.clientId, client_secret: secret };
  const body = new URLSearchParams({ ...form, ...(options.resource && { resource: options.resource }) }).toString();
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    accept: 'application/json',
    'accept-encoding': 'identity',
  };
  const request = { method: 'POST', url: options.tokenUrl, headers, body, timeoutMs: options.timeoutMs } as const;
  const response = await http.request(request, signal).catch((error: unknown) => {
    if (error instanceof NoAnswer) throw new TokenRefused(line(error.message, secrets));
    throw error;
  });
  if (response.status < 200 || response.status > 299) {
    const after = retryAfterMs(response.headers['retry-after']);
    throw new TokenRefused(describe(response, options.tokenUrl, secrets), response.status, after);
  }
  return read(response, options.tokenUrl, asked);
}

/** Says nothing of the body when it refuses one: it may hold a token. */
function read(response: HttpResponse, tokenUrl: string, asked: number): Token {
  const { access_token: value, expires_in: life } = fieldsOf(response.body.toString());
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) {
    const why = response.incomplete ? 'an answer that was cut off' : 'no usable access_token';
    throw new TokenRefused(`${new URL(tokenUrl).origin} answered ${response.status} with ${why}`, response.status);
  }
  const ms = lifeMs(value, life);
  return { value, expiresAt: asked + ms, renewAt: asked + ms - Math.min(60_000, ms / 5) };
}

const DAY = 86_400;

function lifeMs(token: string, expiresIn: unknown): number {
  const seconds = numberOf(expiresIn) ?? jwtLife(token) ?? 300;
  return Math.min(Math.max(seconds, 0), DAY) * 1000;
}

/** Issuer's clock against issuer's clock where the token says when it was made. In seconds. */
function jwtLife(token: string): number | undefined {
  const { exp, iat } = fieldsOf(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  const end = numberOf(exp);
  return end === undefined ? undefined : end - (numberOf(iat) ?? Date.now() / 1000);
}

function numberOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

function fieldsOf(json: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(json);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    void promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
