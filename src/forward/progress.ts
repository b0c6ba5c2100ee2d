import { backoffMs, wait } from '../backoff.ts';
import type { ForwardTools } from '../forward.ts';
import type { Cursor, Settled } from '../types.ts';
import type { Window } from './window.ts';

/** Saves how far one sink has come. A commit that fails is repeated until `abort`; the events are not sent again. */
export class Progress {
  readonly #tools: Pick<ForwardTools, 'spool' | 'tell'>;
  readonly #sink: string;
  readonly #window: Window;
  readonly #abort: AbortSignal;
  #saving = false;

  constructor(tools: Pick<ForwardTools, 'spool' | 'tell'>, sink: string, window: Window, abort: AbortSignal) {
    this.#tools = tools;
    this.#sink = sink;
    this.#window = window;
    this.#abort = abort;
  }

  get saving(): boolean {
    return this.#saving;
  }

  /** True once something was saved; false where there was nothing, or where it is being saved already. */
  async save(): Promise<boolean> {
    if (this.#saving || this.#abort.aborted) return false;
    let step = this.#window.advance();
    if (!step) return false;
    this.#saving = true;
    for (; step && !this.#abort.aborted; step = this.#window.advance()) await this.#commit(step.cursor, step.settled);
    this.#saving = false;
    return true;
  }

  async #commit(cursor: Cursor, settled: readonly Settled[]): Promise<void> {
    const { spool, tell } = this.#tools;
    const sink = this.#sink;
    for (let attempt = 0; !this.#abort.aborted; await wait(backoffMs(attempt++), this.#abort)) {
      try {
        await spool.commit(sink, cursor, settled);
        const sum = (key: 'delivered' | 'filtered') => settled.reduce((total, book) => total + book[key], 0);
        const dead = settled.flatMap((book) => book.dead);
        const newest = this.#window.newest;
        const counts = { delivered: sum('delivered'), filtered: sum('filtered'), dead };
        return tell({ what: 'settled', sink, ...counts, ...(newest && { newest: new Date(newest) }) });
      } catch (error) {
        tell({ what: 'spool_error', doing: `saving how far ${sink} has come`, error: (error as Error).message });
      }
    }
  }
}
