import { backoffMs, wait } from '../backoff.ts';
import type { Tell } from '../news.ts';

/**
 * What a sink has taken for an order is not sent again for a disk that could not be written: storing how far the order has come is
 * repeated until it succeeds, or until `stop`.
 */
export async function record(tell: Tell, sink: string, stop: AbortSignal, store: () => Promise<void>): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await store();
    } catch (error) {
      tell({ what: 'spool_error', doing: `recording an order for ${sink}`, error: (error as Error).message });
      if (stop.aborted) return;
      await wait(backoffMs(attempt), stop);
    }
  }
}
