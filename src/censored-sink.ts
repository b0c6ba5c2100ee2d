import { BatchRefused, type Sink, Unavailable } from './sink.ts';

type Censor = (text: string) => string;

/**
 * A sink whose reasons and errors hold no secret: a reason is stored with its dead letter. What it opens, delivers and
 * answers is otherwise as it was, right or wrong.
 */
export async function censoredSink(open: () => Promise<Sink>, censor: Censor): Promise<Sink> {
  const censored = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw safeError(error, censor);
    }
  };
  const sink = await censored(open);
  return {
    deliver: async (batch, signal) => {
      const outcomes = await censored(async () => sink.deliver(batch, signal));
      return Array.isArray(outcomes) ? outcomes.map((outcome) => safeOutcome(outcome, censor)) : outcomes;
    },
    close: async () => sink.close(),
    ...(sink.reopen && { reopen: async () => sink.reopen?.() }),
  };
}

function safeOutcome<Outcome>(outcome: Outcome, censor: Censor): Outcome {
  const { reason } = (outcome ?? {}) as { reason?: unknown };
  return typeof reason === 'string' ? { ...outcome, reason: censor(reason) } : outcome;
}

/** By name and shape: a sink from elsewhere may bring its own copies of the classes. */
function safeError(error: unknown, censor: Censor): unknown {
  const { name = 'Error', message } = (error ?? {}) as Partial<Error>;
  if (typeof message !== 'string') return error;
  const safe = censor(message);
  if (safe === message) return error;
  const { retryAfterMs, reopen, tooLarge } = error as Partial<Unavailable & BatchRefused>;
  if (name === 'BatchRefused') return new BatchRefused(safe, { tooLarge: tooLarge === true });
  if (name === 'Unavailable') return new Unavailable(safe, { retryAfterMs, reopen: reopen === true });
  return Object.assign(new Error(safe), { name });
}
