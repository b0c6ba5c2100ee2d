import type { SpoolOptions } from '../spool.ts';
import type { Cursor } from '../types.ts';
import { transact } from './database.ts';
import { openParts, type Parts } from './parts.ts';
import { finishSalvage, salvage } from './salvage.ts';
import { demandSoundFile, isDamage } from './sound.ts';

/** A disk that damages one file after the other must not be filled with them. */
const SALVAGE_AT_MOST_EVERY_MS = 600_000;
/** Where that failed, and no file could be opened. */
const AGAIN_AFTER_MS = 30_000;

/** The file of a spool, for its owner. Where it is damaged, or found to be while it is used, what can be read goes into a new one. */
export class SpoolFile {
  readonly #options: SpoolOptions;
  #parts: Parts;
  /** The next page gets this number at least, even if no trace is left of the newest ones. */
  #end = 1;
  readonly #cursors = new Map<string, Cursor>();
  #triedAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  /** Throws with nothing changed where the file can be neither read nor salvaged. */
  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#parts = this.#open();
  }

  get parts(): Parts {
    return this.#parts;
  }

  /** A page was stored. */
  grew(page: number): void {
    this.#end = page + 1;
  }

  /** What a sink has in flight lies behind this place: no salvage may put its cursor further on. */
  stands(sink: string, cursor: Cursor): void {
    this.#cursors.set(sink, cursor);
  }

  /** The call that meets the damage fails all the same: whoever made it repeats it, with the new file. */
  guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.mend(error);
      throw error;
    }
  }

  async *guarded<T>(rows: AsyncIterable<T>): AsyncGenerator<T> {
    try {
      yield* rows;
    } catch (error) {
      this.mend(error);
      throw error;
    }
  }

  mend(error: unknown): void {
    const { db } = this.#parts;
    const after = db.isOpen ? SALVAGE_AT_MOST_EVERY_MS : AGAIN_AFTER_MS;
    if (this.#closed || (db.isOpen && !isDamage(error)) || performance.now() - this.#triedAt < after) return;
    this.#triedAt = performance.now();
    if (db.isOpen) this.#replace(db, error as Error);
    else this.#parts = this.#open();
    const { pages } = this.#parts;
    transact(this.#parts.db, 'count activities', () => pages.countMissing(this.#options.count));
  }

  close(): void {
    this.#closed = true;
    if (this.#parts.db.isOpen) this.#parts.db.close();
  }

  #open(): Parts {
    try {
      return this.#openFinished();
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#salvage(error as Error);
      return openParts(this.#options);
    }
  }

  #replace(db: Parts['db'], error: Error): void {
    db.close();
    try {
      this.#salvage(error);
    } finally {
      // Where there was no room for a new file the old one must do: some of it still works.
      this.#parts = this.#openFinished();
    }
  }

  /** Never before a salvaged file is in its place: where the old one has gone already, a new empty spool would begin. */
  #openFinished(): Parts {
    finishSalvage(this.#options.path);
    demandSoundFile(this.#options.path);
    return openParts(this.#options);
  }

  #salvage(error: Error): void {
    const { path, sinks = [], now = () => new Date(), alarm } = this.#options;
    this.#triedAt = performance.now();
    alarm?.({ what: 'spool_damaged', reason: error.message });
    const result = salvage(path, { sinks, cursors: this.#cursors, end: this.#end, now });
    alarm?.({ what: 'spool_salvaged', salvage: result });
  }
}
