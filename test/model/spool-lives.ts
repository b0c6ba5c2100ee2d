import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import type { Spool } from '../../src/types.ts';
import { newPlace } from './runs.ts';
import type { Trouble } from './spool-operations.ts';
import { atStatement, diskFull } from './statements.ts';

/** What was tried: `met` is false where the work ended before its trouble came. */
export interface Attempt<T> {
  readonly met: boolean;
  readonly died: boolean;
  readonly result?: T;
}

/** Processes that own one spool, one after the other. Each leaves its files to the next: as they lie there, where it was killed. */
export class Lives {
  readonly #place = newPlace();
  readonly #open: (path: string) => Spool;
  #life = 0;
  #spool: Spool;

  constructor(open: (path: string) => Spool) {
    this.#open = open;
    this.#spool = open(this.path);
  }

  get path(): string {
    return this.#place.folder(String(this.#life));
  }
  get spool(): Spool {
    return this.#spool;
  }

  async kill(): Promise<void> {
    this.#copy();
    await this.#goOn();
  }

  async stop(clean: boolean): Promise<void> {
    await this.#spool.close(clean);
    this.#spool = this.#open(this.path);
  }

  async end(): Promise<void> {
    await this.#spool.close(false);
    this.#place.remove();
  }

  /** The work, with or without trouble in the midst of it. Where the process dies in it, the next one is there afterwards. */
  async attempt<T>(trouble: Trouble | undefined, work: () => Promise<T>): Promise<Attempt<T>> {
    if (!trouble) return { met: false, died: false, result: await work() };
    const dies = trouble.how === 'dies';
    const act = () => {
      if (!dies) throw diskFull();
      this.#copy();
    };
    const { met, result, error } = await atStatement(trouble.at, act, work);
    if (met && !dies) assert.match(String(error), /database or disk is full/, 'what could not be written is told');
    else if (error !== undefined) throw error;
    if (met && dies) await this.#goOn();
    return { met, died: met && dies, ...(result !== undefined && { result }) };
  }

  #copy(): void {
    const next = this.#place.folder(String(this.#life + 1));
    rmSync(next, { recursive: true, force: true });
    mkdirSync(next);
    for (const name of ['spool.db', 'spool.db-wal']) {
      if (existsSync(`${this.path}/${name}`)) copyFileSync(`${this.path}/${name}`, `${next}/${name}`);
    }
  }

  async #goOn(): Promise<void> {
    await this.#spool.close(false);
    rmSync(this.path, { recursive: true });
    this.#life += 1;
    this.#spool = this.#open(this.path);
  }
}
