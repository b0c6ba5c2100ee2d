import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { readObjects, type StoredEvent } from './hec-objects.ts';

/** Changeable at any time. What is set as an answer applies to requests for events; `everyNth` thins all faults out. */
export interface HecDials {
  /** Connections are reset, old and new. */
  down?: boolean | undefined;
  /** Answers with these and stores nothing. */
  status?: number | undefined;
  code?: number | undefined;
  /** The invalid-event-number beside `code`. */
  number?: number | undefined;
  /** Seconds, or a date: the header beside `status`. */
  retryAfter?: string | undefined;
  /** 200 with a page for people, as a proxy does. Stores nothing. */
  html?: boolean | undefined;
  /** Stores, then destroys the connection in place of an answer. */
  loseAnswer?: boolean | undefined;
  /** Stores, then ends the connection in the middle of the answer's body. */
  cutAnswer?: boolean | undefined;
  /** Only each so-manieth request meets the faults above. */
  everyNth?: number | undefined;
  /** Each so-manieth request is answered 503, code 9. */
  busyEvery?: number | undefined;
  /** The so-manieth acknowledgement of this server, from 0, is never given. */
  withholdAck?: ((count: number) => boolean) | undefined;
  /** The acknowledgement is true this long after the request. */
  ackDelayMs?: number | undefined;
  /** Answers to the question for acknowledgements, in place of true and false. */
  ackStatus?: number | undefined;
  /** Refused with code 6 and its number. */
  refuse?: ((event: unknown) => boolean) | undefined;
  delayMs?: number | undefined;
  /** Between storing and answering. */
  eventAnswerDelayMs?: number | undefined;
  /** The answer comes byte by byte, this many ms apart. */
  drip?: number | undefined;
  /** Set-Cookie of every answer. */
  cookie?: (() => string) | undefined;
}

export interface HecOptions {
  readonly token?: string;
  /** The token has acknowledgement on: a channel is then required. */
  readonly acknowledgement?: boolean;
  /** The indexes that the token may write to. Default: any. */
  readonly indexes?: readonly string[];
  /** false: `stored` stays empty, only `ledger` and `count` are kept. */
  readonly keep?: boolean;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly port?: number;
  readonly dials?: HecDials;
}

export interface HecCall {
  readonly path: string;
  readonly channel: string | undefined;
  readonly cookie: string | undefined;
}

interface Channel {
  next: number;
  /** By id: when it is true. */
  readonly pending: Map<number, number>;
}

export interface State {
  readonly options: HecOptions;
  readonly token: string;
  readonly dials: HecDials;
  readonly stored: StoredEvent[];
  readonly ledger: Map<string, number>;
  readonly calls: HecCall[];
  readonly channels: Map<string, Channel>;
  count: number;
  requests: number;
  acks: number;
}

const inflate = promisify(gunzip);
const MAX_BYTES = 5 * 2 ** 20;
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export function channelOf(request: IncomingMessage): string | undefined {
  const header = request.headers['x-splunk-request-channel'];
  const query = new URL(request.url ?? '/', 'http://hec').searchParams.get('channel');
  return (Array.isArray(header) ? header[0] : header) ?? query ?? undefined;
}

/** undefined: the connection is destroyed. */
export async function answerTo(
  state: State,
  path: string,
  request: IncomingMessage,
  body: Buffer,
): Promise<Answer | undefined> {
  if (path === '/services/collector/health') return said(200, 17);
  const known =
    path === '/services/collector/event' || path === '/services/collector' || path === '/services/collector/ack';
  if (!known) return { status: 404, body: '<html><h1>Not Found</h1></html>' };
  if (request.method !== 'POST') return { status: 405, body: '<html><h1>Method Not Allowed</h1></html>' };
  const authorization = request.headers.authorization;
  if (!authorization) return said(401, 2);
  if (!authorization.startsWith('Splunk ')) return said(401, 3);
  if (authorization !== `Splunk ${state.token}`) return said(403, 4);
  return path.endsWith('/ack') ? answerAcks(state, request, body) : answerEvents(state, request, body);
}

async function answerEvents(state: State, request: IncomingMessage, body: Buffer): Promise<Answer | undefined> {
  const { dials, options } = state;
  state.requests += 1;
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'gzip') return said(415, 6);
  if (dials.busyEvery && state.requests % dials.busyEvery === 0) return said(503, 9, retryAfter(dials));
  const faulty = !dials.everyNth || state.requests % dials.everyNth === 0;
  if (faulty && dials.html) return { status: dials.status ?? 200, body: '<html><body>Welcome</body></html>' };
  if (faulty && (dials.status !== undefined || dials.code !== undefined)) return ordered(dials);
  const channel = channelOf(request);
  if (options.acknowledgement && !channel) return said(400, 10);
  if (options.acknowledgement && !GUID.test(channel ?? '')) return said(400, 11);
  if (body.length === 0) return said(400, 5);
  const plain = encoding === 'gzip' ? await inflate(body).catch(() => undefined) : body;
  if (!plain || plain.length > MAX_BYTES) return said(400, 6, {}, { 'invalid-event-number': 0 });
  const { accepted, refusal } = readObjects(plain.toString(), options.indexes, dials.refuse);
  store(state, accepted);
  if (faulty && dials.loseAnswer) return undefined;
  const ack = options.acknowledgement && channel && accepted.length > 0 ? { ackId: nextAck(state, channel) } : {};
  if (dials.eventAnswerDelayMs) await sleep(dials.eventAnswerDelayMs, undefined, { ref: false });
  if (refusal) return said(400, refusal.code, {}, { 'invalid-event-number': refusal.number, ...ack });
  return said(200, 0, {}, ack);
}

function store(state: State, accepted: readonly StoredEvent[]): void {
  for (const event of accepted) {
    const id = String(event.fields?.['idv_event_id']);
    state.ledger.set(id, (state.ledger.get(id) ?? 0) + 1);
    if (state.options.keep !== false) state.stored.push(event);
  }
  state.count += accepted.length;
}

/** What the dials ask for. A status alone comes with the page of a proxy. */
function ordered(dials: HecDials): Answer {
  const headers = retryAfter(dials);
  if (dials.code === undefined) return { status: dials.status ?? 200, body: '<html><h1>Sorry</h1></html>', headers };
  return said(dials.status ?? 400, dials.code, headers, {
    ...(dials.number !== undefined && { 'invalid-event-number': dials.number }),
  });
}

function retryAfter(dials: HecDials): Record<string, string> {
  return dials.retryAfter === undefined ? {} : { 'retry-after': dials.retryAfter };
}

function nextAck(state: State, guid: string): number {
  const channel = state.channels.get(guid) ?? { next: 0, pending: new Map() };
  state.channels.set(guid, channel);
  const id = channel.next;
  channel.next += 1;
  if (!state.dials.withholdAck?.(state.acks)) channel.pending.set(id, Date.now() + (state.dials.ackDelayMs ?? 0));
  state.acks += 1;
  return id;
}

/** True is said once; then, and of what is not known, false. */
function answerAcks(state: State, request: IncomingMessage, body: Buffer): Answer {
  if (state.dials.ackStatus) return { status: state.dials.ackStatus, body: '<html><h1>Sorry</h1></html>' };
  if (!state.options.acknowledgement) return said(400, 14);
  const guid = channelOf(request);
  if (!guid) return said(400, 10);
  const ids = askedFor(body);
  if (!ids) return said(400, 6);
  const pending = state.channels.get(guid)?.pending;
  const acks = ids.map((id) => {
    const stored = (pending?.get(id) ?? Number.POSITIVE_INFINITY) <= Date.now();
    if (stored) pending?.delete(id);
    return [String(id), stored] as const;
  });
  return { status: 200, body: { acks: Object.fromEntries(acks) } };
}

function askedFor(body: Buffer): readonly number[] | undefined {
  try {
    const { acks } = JSON.parse(body.toString()) as { acks?: unknown };
    const good = Array.isArray(acks) && acks.length > 0 && acks.every((id) => Number.isInteger(id));
    return good ? (acks as number[]) : undefined;
  } catch {
    return undefined;
  }
}

const TEXTS: Readonly<Record<number, string>> = {
  0: 'Success',
  2: 'Token is required',
  3: 'Invalid authorization',
  4: 'Invalid token',
  5: 'No data',
  6: 'Invalid data format',
  7: 'Incorrect index',
  9: 'Server is busy',
  10: 'Data channel is missing',
  11: 'Invalid data channel',
  12: 'Event field is required',
  13: 'Event field cannot be blank',
  14: 'ACK is disabled',
  15: 'Error in handling indexed fields',
  17: 'HEC is healthy',
};

function said(status: number, code: number, headers: Record<string, string> = {}, more: object = {}): Answer {
  return { status, body: { text: TEXTS[code] ?? `Code ${code}`, code, ...more }, headers };
}
