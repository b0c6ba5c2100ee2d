import { type BatchRefused, Unavailable } from '../sink.ts';
import type { Outcome, SecurityEvent, Sink } from '../types.ts';
import type { Entry } from './window.ts';

/** What a sink made of one batch. */
export type Answer = readonly Outcome[] | Unavailable | BatchRefused;

/** A delivery that has come back, and when it began (ms of the clock). */
export interface Tried {
  readonly batch: readonly Entry[];
  readonly answer: Answer;
  readonly from: number;
}

/** Delivers, and trusts nothing that comes back: whatever is no proper answer means that the sink cannot be used. Never rejects. */
export async function ask(sink: Sink, events: readonly SecurityEvent[], signal: AbortSignal): Promise<Answer> {
  try {
    const outcomes: unknown = await sink.deliver(events, signal);
    const mistake = mistakeIn(outcomes, events.length);
    if (mistake) return new Unavailable(`a bug in this sink: ${mistake}`, { reopen: true });
    return outcomes as readonly Outcome[];
  } catch (error) {
    return (error as Error | undefined)?.name === 'BatchRefused' ? (error as BatchRefused) : asUnavailable(error);
  }
}

export function acceptsAny(answer: Answer): boolean {
  return Array.isArray(answer) && answer.some(({ status }) => status === 'delivered');
}

/** By name and shape: a sink from elsewhere may bring its own copy of the class. */
export function asUnavailable(error: unknown): Unavailable {
  const { name = 'Error', message = String(error), retryAfterMs, reopen } = (error ?? {}) as Partial<Unavailable>;
  if (name !== 'Unavailable') return new Unavailable(`${name}: ${message}`, { cause: error });
  const afterMs = Number.isFinite(retryAfterMs) ? retryAfterMs : undefined;
  return new Unavailable(message, { retryAfterMs: afterMs, reopen: reopen === true, cause: error });
}

function mistakeIn(outcomes: unknown, sent: number): string | undefined {
  const got = Array.isArray(outcomes) ? `${outcomes.length} outcomes` : typeof outcomes;
  if (!Array.isArray(outcomes) || outcomes.length !== sent) return `${sent} events were sent, ${got} came back`;
  const wrong = outcomes.findIndex((outcome) => !isOutcome(outcome));
  return wrong < 0
    ? undefined
    : `outcome ${wrong} of ${sent} is none: ${JSON.stringify(outcomes[wrong])}`.slice(0, 200);
}

function isOutcome(outcome: unknown): boolean {
  const { status, reason } = (outcome ?? {}) as { status?: unknown; reason?: unknown };
  if (status === 'retry' || status === 'rejected') return typeof reason === 'string';
  return status === 'delivered' || status === 'unsent';
}
