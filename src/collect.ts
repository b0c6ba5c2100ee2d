import { backoffMs, wait } from './backoff.ts';
import type { CollectAnswer, StreamCall } from './mosaic.ts';
import type { Tell } from './news.ts';
import type { GapReason, NewPage, Reservation, Spool, StreamName } from './types.ts';

export interface CollectOptions extends StreamCall {
  /** After an empty answer, with jitter. */
  readonly pollIntervalMs: number;
  /** Room that is reserved before each call, in bytes. */
  readonly maxAnswerSize: number;
}
export interface CollectTools {
  readonly spool: Pick<Spool, 'reserve' | 'append' | 'counted' | 'gap'>;
  collect(stream: StreamCall, signal: AbortSignal): Promise<CollectAnswer>;
  /** How many activities a body holds, and whether it says that there is nothing; neither parses nor throws. */
  count(body: Uint8Array): number;
  isEmpty(body: Uint8Array): boolean;
  readonly tell: Tell;
}
/** stop: the call in flight is finished and stored. abort: it is given up, and the next start counts a possible gap. */
export interface CollectSignals {
  readonly stop: AbortSignal;
  readonly abort: AbortSignal;
}

const AFTER_SHORT_ANSWER_MS = 1_000;
const MAX_RETRY_AFTER_MS = 300_000;

/** The loop of one stream: one call at a time, each answer on disk before it is looked into and before the next call. Never rejects. */
export async function collect(tools: CollectTools, stream: CollectOptions, signals: CollectSignals): Promise<void> {
  let failures = 0;
  while (!signals.stop.aborted) {
    const reservation = await roomFor(tools, stream, signals.stop);
    if (!reservation) return;
    const answer = await ask(tools, stream, signals.abort);
    if (signals.abort.aborted && answer.status === 'refused') return;
    failures = answer.status === 'answer' ? 0 : failures + 1;
    const waitMs =
      answer.status === 'answer'
        ? await keep(tools, stream, answer, reservation, signals.abort)
        : backOff(answer, failures);
    reservation.release();
    if (answer.status === 'refused') await fail(tools, stream.name, answer, waitMs, signals.abort);
    await wait(waitMs, signals.stop);
  }
}

type Answer = Extract<CollectAnswer, { status: 'answer' }>;
type Refusal = Extract<CollectAnswer, { status: 'refused' }>;

/** Mosaic hands each batch out once: it is not asked while there is nowhere to put the answer. Undefined: stopped. */
async function roomFor(
  tools: CollectTools,
  stream: CollectOptions,
  stop: AbortSignal,
): Promise<Reservation | undefined> {
  for (let told = false; !stop.aborted; await wait(1_000, stop)) {
    let reason = 'the spool is full: nothing more can be removed from it';
    try {
      const reservation = await tools.spool.reserve(stream.maxAnswerSize);
      if (reservation && told) tools.tell({ what: 'collecting', on: true, reason: 'the spool has room again' });
      if (reservation) return reservation;
    } catch (error) {
      reason = `the spool cannot be written: ${(error as Error).message}`;
    }
    if (!told) tools.tell({ what: 'collecting', on: false, reason });
    told = true;
  }
  return undefined;
}

async function ask(tools: CollectTools, stream: CollectOptions, abort: AbortSignal): Promise<CollectAnswer> {
  try {
    return await tools.collect(stream, abort);
  } catch (error) {
    // Whatever went wrong, the call may have reached Mosaic.
    return { status: 'refused', result: 'no_answer', error: (error as Error).message, gap: 'no_answer' };
  }
}

function backOff(refusal: Refusal, failures: number): number {
  return Math.max(backoffMs(failures - 1), Math.min(refusal.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS));
}

async function fail(
  tools: CollectTools,
  name: StreamName,
  refusal: Refusal,
  waitMs: number,
  abort: AbortSignal,
): Promise<void> {
  const error = [refusal.error, refusal.advice].filter(Boolean).join('. ');
  tools.tell({ what: 'collect_failed', stream: name, result: refusal.result, error, waitMs });
  if (refusal.gap) await noteGap(tools, name, refusal.gap, error, abort);
}

/** Stores an answer; how long to wait before the next call, in ms. */
async function keep(
  tools: CollectTools,
  stream: CollectOptions,
  answer: Answer,
  reservation: Reservation,
  abort: AbortSignal,
): Promise<number> {
  const { body, partial, receivedAt } = answer;
  const empty = tools.isEmpty(body);
  let activities = 0;
  if (!empty) {
    const page: NewPage = { stream: stream.name, receivedAt, partial: partial !== undefined, body };
    const number = await persist(tools, `storing an answer of ${stream.name}`, abort, () =>
      tools.spool.append(page, reservation),
    );
    if (number === undefined) return 0;
    activities = tools.count(body);
    await persist(tools, `counting page ${number}`, abort, () => tools.spool.counted(number, activities));
  }
  tools.tell({ what: 'collected', stream: stream.name, activities, bytes: body.length });
  if (partial)
    await noteGap(tools, stream.name, partial, `${body.length} bytes of the answer arrived and are kept`, abort);
  if (activities >= stream.batchSize) return 0;
  return empty && !partial ? stream.pollIntervalMs * (0.8 + 0.4 * Math.random()) : AFTER_SHORT_ANSWER_MS;
}

async function noteGap(
  tools: CollectTools,
  stream: StreamName,
  reason: GapReason,
  detail: string,
  abort: AbortSignal,
): Promise<void> {
  tools.tell({ what: 'possible_gap', stream, reason, detail });
  await persist(tools, `counting a possible gap of ${stream}`, abort, () => tools.spool.gap(stream, reason));
}

/** What Mosaic has handed out exists only here until it is on disk: it is written again until that succeeds or `abort` fires. */
async function persist<T>(
  tools: CollectTools,
  doing: string,
  abort: AbortSignal,
  write: () => Promise<T>,
): Promise<T | undefined> {
  for (let attempt = 0; attempt === 0 || !abort.aborted; await wait(backoffMs(attempt++), abort)) {
    try {
      return await write();
    } catch (error) {
      tools.tell({ what: 'spool_error', doing, error: (error as Error).message });
    }
  }
  return undefined;
}
