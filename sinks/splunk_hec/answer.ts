import { BatchRefused, type HttpResponse, retryAfterMs, Unavailable } from '../../src/sink.ts';

/** What an answer says about the batch that was sent. */
export type Verdict =
  | { readonly kind: 'accepted'; readonly ackId?: number; readonly slowDown: boolean; readonly ackFull: boolean }
  /** Objects before `at` are indexed, the one at `at` is refused, none behind it was looked at. */
  | { readonly kind: 'partly'; readonly at: number; readonly reason: string; readonly ackId?: number }
  /** Nothing was taken: the request needs another channel. */
  | { readonly kind: 'channel'; readonly error: Unavailable }
  | { readonly kind: 'refused'; readonly error: BatchRefused }
  | Unusable;

/** Nothing is wrong with the events. */
export interface Unusable {
  readonly kind: 'unavailable';
  readonly error: Unavailable;
  /** Another url may well take them. */
  readonly elsewhere: boolean;
  /** The channel holds more acknowledgements than Splunk keeps. */
  readonly ackFull: boolean;
}

/** A HEC body. `text` is Splunk's own and is never repeated in a message: ours says it, and cannot hold an echo. */
export interface Reply {
  readonly code: number;
  readonly ackId?: number;
  readonly invalidEvent?: number;
}

export interface Sent {
  /** Names the server in messages: without path, query or credentials. */
  readonly origin: string;
  readonly events: number;
  /** Before compression. */
  readonly bytes: number;
}

type Means = 'accepted' | 'slow' | 'token' | 'setting' | 'event' | 'channel' | 'busy';

/** The reply codes of the HTTP Event Collector, as help.splunk.com lists them. */
const CODES: Readonly<Record<number, readonly [means: Means, text: string]>> = {
  0: ['accepted', 'Success'],
  1: ['token', 'Token disabled'],
  2: ['token', 'Token is required'],
  3: ['token', 'Invalid authorization'],
  4: ['token', 'Invalid token'],
  5: ['busy', 'No data'],
  6: ['event', 'Invalid data format'],
  7: ['setting', 'Incorrect index: it does not exist, or the token may not write to it'],
  8: ['busy', 'Internal server error'],
  9: ['busy', 'Server is busy'],
  10: ['channel', 'Data channel is missing'],
  11: ['channel', 'Invalid data channel'],
  12: ['event', 'Event field is required'],
  13: ['event', 'Event field cannot be blank'],
  14: ['setting', 'ACK is disabled: switch it on for this token in Splunk, or set acknowledgement: false'],
  15: ['event', 'Error in handling indexed fields'],
  16: ['setting', 'Query string authorization is not enabled'],
  18: ['busy', 'HEC is unhealthy, queues are full'],
  19: ['busy', 'HEC is unhealthy, ack service unavailable'],
  20: ['busy', 'HEC is unhealthy, queues are full, ack service unavailable'],
  21: ['token', 'Invalid token'],
  22: ['token', 'Token disabled'],
  23: ['busy', 'Server is shutting down'],
  24: ['slow', 'HEC queue is approaching capacity'],
  25: ['slow', 'ACK channel is approaching capacity'],
  26: ['busy', 'HEC queue is at capacity'],
  27: ['busy', 'ACK channel is at capacity'],
  28: ['channel', 'Data channel is missing'],
};

/** From here on a Splunk Cloud refuses the whole request, with code 6 and the number 0, as if the first event were bad. */
const CLOUD_CAP = 5_000_000;

/** Only an answer about an event may condemn one; everything in doubt is `unavailable`, which holds them all. */
export function judge(response: HttpResponse, sent: Sent): Verdict {
  const { status } = response;
  if (status === 413) return tooLarge(sent, 'answered 413, the request is too large');
  if (response.incomplete) return unavailable(response, sent, 'and the answer was cut off');
  const reply = readReply(response.body);
  if (!reply) return unavailable(response, sent, notHec(status));
  const [means, text] = CODES[reply.code] ?? ['setting', 'unknown to this program'];
  const said = `code ${reply.code}: ${text}`;
  if (status === 200 && (means === 'accepted' || means === 'slow')) {
    return { kind: 'accepted', ...ackOf(reply), slowDown: means === 'slow', ackFull: reply.code === 25 };
  }
  if (status === 400 && means === 'channel') return { kind: 'channel', error: unavailable(response, sent, said).error };
  if (status === 400 && means === 'event') return blame(reply, sent, said);
  return unavailable(response, sent, said, means, reply.code);
}

function blame(reply: Reply, sent: Sent, said: string): Verdict {
  const at = reply.invalidEvent;
  if (reply.code === 6 && sent.events > 1 && sent.bytes > CLOUD_CAP && !at) return tooLarge(sent, `answered ${said}`);
  if (at === undefined || at >= sent.events) {
    const error = new BatchRefused(
      `Splunk at ${sent.origin} refused a batch of ${sent.events} with ${said}, for none in particular`,
    );
    return { kind: 'refused', error };
  }
  return { kind: 'partly', at, reason: `refused by Splunk with ${said}`, ...ackOf(reply) };
}

function tooLarge(sent: Sent, said: string): Verdict {
  const message = `Splunk at ${sent.origin} ${said} (${sent.events} events, ${sent.bytes} bytes before compression)`;
  return { kind: 'refused', error: new BatchRefused(message, { tooLarge: true }) };
}

function unavailable(
  response: HttpResponse,
  sent: Pick<Sent, 'origin'>,
  said: string,
  means: Means = 'busy',
  code?: number,
): Unusable {
  const reopen = means === 'token' || response.status === 401 || response.status === 403;
  const hint = reopen ? '; check the token' : '';
  const error = new Unavailable(`Splunk at ${sent.origin} answered ${response.status}, ${said}${hint}`, {
    retryAfterMs: retryAfterMs(response.headers['retry-after']),
    reopen,
  });
  return { kind: 'unavailable', error, elsewhere: means === 'busy' && !reopen, ackFull: code === 27 };
}

function notHec(status: number): string {
  if (status >= 300 && status < 400) return 'a redirect, which is not followed: name the address it leads to';
  if (status === 404 || status === 405) return 'not as a HEC does: is the url right, and is HEC switched on?';
  if (status === 407) return 'so the proxy wants credentials';
  return 'not as a HEC does: a proxy or a maintenance page may have answered';
}

function ackOf(reply: Reply): { ackId?: number } {
  return reply.ackId === undefined ? {} : { ackId: reply.ackId };
}

/** undefined where the body is not a HEC's own. */
export function readReply(body: Buffer): Reply | undefined {
  const parsed = parseObject(body);
  const code = wholeNumber(parsed?.['code']);
  if (typeof parsed?.['text'] !== 'string' || code === undefined) return undefined;
  const ackId = wholeNumber(parsed['ackId']);
  const invalidEvent = wholeNumber(parsed['invalid-event-number']);
  return { code, ...(ackId !== undefined && { ackId }), ...(invalidEvent !== undefined && { invalidEvent }) };
}

/** The ids that are stored, of an answer `{"acks":{"0":true,"1":false}}`; undefined where it is not one. */
export function readAcks(body: Buffer): ReadonlySet<number> | undefined {
  const acks = parseObject(body)?.['acks'];
  if (typeof acks !== 'object' || acks === null) return undefined;
  return new Set(Object.entries(acks).flatMap(([id, stored]) => (stored === true ? [Number(id)] : [])));
}

function parseObject(body: Buffer): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(body.toString());
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function wholeNumber(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : undefined;
}
