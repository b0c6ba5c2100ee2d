import { type HttpOptions, type HttpResponse, httpClient } from './http.ts';
import { collectUrl, type StreamCall } from './mosaic/link.ts';
import { type Refused, refusalOf, withoutAnswer } from './mosaic/refusal.ts';
import { type Send, type SetupStep, setupSteps, type Unauthorized } from './mosaic/setup.ts';
import { type TokenOptions, tokenSource } from './mosaic/token.ts';

export { parseLink, regionBaseUrl, type StreamCall } from './mosaic/link.ts';
export type { Refused } from './mosaic/refusal.ts';
export type { SetupStep } from './mosaic/setup.ts';

export interface MosaicOptions extends TokenOptions {
  /** As in `https://HOST/activities/v1`; `/activities/collect` goes behind it. */
  readonly baseUrl: string;
  /** Streams that `setup` makes carry private data too. */
  readonly enrichment: boolean;
  /** Bound of one call, in ms. */
  readonly timeoutMs: number;
  /** Of one collect answer, in bytes. */
  readonly maxAnswerSize: number;
  readonly http: HttpOptions;
}

/** A 2xx. The stream has moved on: this body exists nowhere else any more. */
export interface Answer {
  readonly status: 'answer';
  readonly body: Uint8Array;
  readonly partial?: 'cut_off' | 'too_large';
  readonly receivedAt: Date;
}

export type CollectAnswer = Answer | Refused;

export interface MosaicClient {
  /** One call, which consumes: never call it again for an answer that did not come. Rejects only with the signal's reason. */
  collect(stream: StreamCall, signal: AbortSignal): Promise<CollectAnswer>;
  /** Makes what is missing; safe to repeat. Creates only: nothing is ever stopped or deleted. */
  setup(streams: readonly StreamCall[], signal: AbortSignal): AsyncIterable<SetupStep>;
  /** Whether a token can be had; calls nothing else. Undefined: it can. */
  authenticate(signal: AbortSignal): Promise<Refused | undefined>;
  close(): Promise<void>;
}

export function mosaicClient(options: MosaicOptions): MosaicClient {
  const http = httpClient(options.http);
  const tokens = tokenSource({ ...options, timeoutMs: Math.min(options.timeoutMs, 30_000) }, http);
  const { timeoutMs, maxAnswerSize: maxBytes } = options;

  const sendWith = (token: string, request: Unauthorized, signal: AbortSignal) =>
    http.request({ ...request, headers: headersFor(token, request), timeoutMs, maxBytes }, signal);

  const send: Send = async (request, signal) => {
    try {
      const token = await tokens.get(signal);
      const response = await sendWith(token, request, signal);
      if (response.status !== 401) return response;
      tokens.discard(token);
      return await sendWith(await tokens.get(signal), request, signal);
    } catch (error) {
      if (signal.aborted && error === signal.reason) throw error;
      return withoutAnswer(error, tokens.secrets());
    }
  };

  return {
    async collect(stream, signal) {
      const url = collectUrl(options.baseUrl, stream);
      const response = await send({ method: 'POST', url }, signal);
      if (!('headers' in response)) return response;
      return isSuccess(response) ? answerOf(response) : refusalOf(response, url, tokens.secrets());
    },
    setup: (streams, signal) => setupSteps(options, streams, send, tokens.secrets, signal),
    async authenticate(signal) {
      try {
        await tokens.get(signal);
        return undefined;
      } catch (error) {
        if (signal.aborted && error === signal.reason) throw error;
        return withoutAnswer(error, tokens.secrets());
      }
    },
    async close() {
      tokens.close();
      await http.close();
    },
  };
}

/** Without `accept-encoding: identity` any coding would be allowed, and the spool holds what was said, not its compressed form. */
function headersFor(token: string, request: Unauthorized): Record<string, string> {
  const headers = { authorization: `Bearer ${token}`, accept: 'application/json', 'accept-encoding': 'identity' };
  return request.body === undefined ? headers : { ...headers, 'content-type': 'application/json' };
}

function isSuccess(response: HttpResponse): boolean {
  return response.status >= 200 && response.status <= 299;
}

/** Whatever a 2xx brings is stored, also what cannot be read: it is the only evidence. */
function answerOf(response: HttpResponse): Answer {
  const partial = response.incomplete ?? (isCutUnseen(response) ? 'cut_off' : undefined);
  return { status: 'answer', body: response.body, ...(partial && { partial }), receivedAt: new Date() };
}

/** An answer that only the end of the connection delimits, or that a proxy cut, can look whole on the wire. */
function isCutUnseen({ status, headers, body }: HttpResponse): boolean {
  if (body.length === 0) return status !== 204 && !('content-length' in headers) && !('transfer-encoding' in headers);
  const [first, last] = [body.find(isInk), body.findLast(isInk)];
  return (first === OPEN_ARRAY && last !== CLOSE_ARRAY) || (first === OPEN_OBJECT && last !== CLOSE_OBJECT);
}

const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

function isInk(byte: number): boolean {
  return byte > 0x20;
}
