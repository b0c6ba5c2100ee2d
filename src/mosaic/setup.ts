import type { HttpRequest, HttpResponse } from '../http.ts';
import type { StreamCall } from './link.ts';
import { type Refused, refusalOf } from './refusal.ts';

export interface SetupStep {
  /** As in `PUT /activities/stream verify/siem`. */
  readonly step: string;
  readonly result: 'created' | 'exists' | 'maximum' | 'failed';
  readonly detail: string;
}

/** A request that still lacks its token. */
export type Unauthorized = Pick<HttpRequest, 'method' | 'url' | 'body'>;
/** Sends it with a token; after a 401, which has consumed nothing, once more with a new one. */
export type Send = (request: Unauthorized, signal: AbortSignal) => Promise<HttpResponse | Refused>;

interface SetupOptions {
  readonly baseUrl: string;
  readonly enrichment: boolean;
}

/** Creates what is missing. A stream given as a link was made in the Admin Portal: it is left alone. */
export async function* setupSteps(
  options: SetupOptions,
  streams: readonly StreamCall[],
  send: Send,
  secrets: () => readonly string[],
  signal: AbortSignal,
): AsyncGenerator<SetupStep> {
  const started = new Set<string>();
  for (const stream of streams) {
    if (stream.link !== undefined) {
      yield { step: `stream ${stream.name}`, result: 'exists', detail: 'made in the Admin Portal: nothing to do' };
      continue;
    }
    const call = async (request: Unauthorized, step: string) =>
      stepOf(step, request, await send(request, signal), secrets());
    if (!started.has(stream.type)) {
      started.add(stream.type);
      yield await call(startCollect(options, stream), `PUT /activities/start-collect ${stream.type}`);
    }
    const step = `PUT /activities/stream ${stream.name}`;
    const made = await call(createStream(options, stream, 'query'), step);
    // The vendor's documents disagree on where `enrichment` goes: the older one says in the body.
    const again = options.enrichment && made.http === 400;
    yield again ? await call(createStream(options, stream, 'body'), step) : made;
  }
}

function startCollect(options: SetupOptions, stream: StreamCall): Unauthorized {
  return { method: 'PUT', url: urlOf(options, 'start-collect', { type: stream.type }) };
}

function createStream(options: SetupOptions, stream: StreamCall, enrichment: 'query' | 'body'): Unauthorized {
  const query = { type: stream.type, stream_id: stream.id };
  if (!options.enrichment) return { method: 'PUT', url: urlOf(options, 'stream', query) };
  return enrichment === 'query'
    ? { method: 'PUT', url: urlOf(options, 'stream', { ...query, enrichment: 'true' }) }
    : { method: 'PUT', url: urlOf(options, 'stream', query), body: '{"enrichment":true}' };
}

function urlOf(options: SetupOptions, operation: string, query: Record<string, string>): string {
  return `${options.baseUrl.replace(/\/+$/, '')}/activities/${operation}?${new URLSearchParams(query)}`;
}

function stepOf(
  step: string,
  request: Unauthorized,
  response: HttpResponse | Refused,
  secrets: readonly string[],
): Step {
  if (!('headers' in response)) return { step, result: 'failed', detail: detailOf(response) };
  const http = response.status;
  if (http >= 200 && http <= 299) return { step, http, result: 'created', detail: '' };
  if (http === 409) return { step, http, result: 'exists', detail: 'was there already' };
  const refusal = refusalOf(response, request.url, secrets);
  if (isMaximum(request, response)) {
    const detail = `the tenant has its maximum number of streams: delete one in the Admin Portal (${refusal.error})`;
    return { step, http, result: 'maximum', detail };
  }
  return { step, http, result: 'failed', detail: detailOf(refusal) };
}

type Step = SetupStep & { readonly http?: number };

/** On `PUT stream` 429 means the maximum of streams; only where it says when to come back it is the rate limit. */
function isMaximum(request: Unauthorized, response: HttpResponse): boolean {
  return response.status === 429 && request.url.includes('/activities/stream?') && !response.headers['retry-after'];
}

function detailOf(refusal: Refused): string {
  const advice = refusal.http ? (ADVICE[refusal.http] ?? refusal.advice) : refusal.advice;
  return advice ? `${refusal.error}; ${advice}` : refusal.error;
}

/** Here the general advice, to run setup, would lead in a circle. */
const ADVICE: Readonly<Record<number, string>> = {
  403: 'this client may not manage streams: make the stream in the Admin Portal and use its link',
  404: 'check mosaic.base_url',
};
