import type { Tell } from './news.ts';
import type { Spool } from './types.ts';

const DOING = 'dropping pages that are settled';

/** Drops what may go. That it fails is told each time, and once when it works again; it never rejects. */
export function trimmer(spool: Pick<Spool, 'trim'>, tell: Tell): () => Promise<void> {
  let failed = false;
  return async () => {
    try {
      await spool.trim();
      if (failed) tell({ what: 'spool_works', doing: DOING });
      failed = false;
    } catch (error) {
      failed = true;
      tell({ what: 'spool_error', doing: DOING, error: (error as Error).message });
    }
  };
}
