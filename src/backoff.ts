import { setTimeout as sleep } from 'node:timers/promises';

/** Full jitter: anything between 0 and the ceiling, which starts at 0.5 s and doubles to 30 s. In ms. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  return random() * Math.min(30_000, 500 * 2 ** Math.min(attempt, 10));
}

/** Resolves after `ms`, or at once when the signal fires; never rejects. */
export async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
