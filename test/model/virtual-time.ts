import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
}
/** Enough for what was just woken to go as far as it can: a page is read, a batch is sent. */
const TURNS = 3;

/**
 * Hours in a second: while it is in place, `setTimeout` (global, and the one of node:timers/promises) waits for this clock, which
 * jumps to the next timer once everybody waits, and Math.random gives the same numbers each time.
 */
export class VirtualTime {
  now = 0;
  #order = 0;
  #seed: number;
  readonly #timers = new Set<Timer>();
  readonly #real = { setTimeout, clearTimeout, sleep: timers.setTimeout, random: Math.random };

  constructor(seed: number) {
    this.#seed = seed;
    const fake = {
      setTimeout: (work: () => void, ms = 0) => this.#add(ms, work),
      clearTimeout: (timer: Timer) => this.#timers.delete(timer),
    };
    Object.assign(globalThis, fake);
    Object.assign(timers, { setTimeout: this.sleep });
    syncBuiltinESMExports();
    Math.random = () => this.#random();
  }

  remove(): void {
    const { sleep, random, ...globals } = this.#real;
    Object.assign(globalThis, globals);
    Object.assign(timers, { setTimeout: sleep });
    syncBuiltinESMExports();
    Math.random = random;
  }

  readonly sleep = <T>(ms: number, value?: T, options: { signal?: AbortSignal } = {}): Promise<T | undefined> => {
    const { signal } = options;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = this.#add(ms, () => {
        signal?.removeEventListener('abort', stop);
        resolve(value);
      });
      const stop = () => {
        this.#timers.delete(timer);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', stop, { once: true });
    });
  };

  /** True once it holds; false where it does not within so many ms. */
  async until(holds: () => boolean | Promise<boolean>, withinMs: number): Promise<boolean> {
    const end = this.now + withinMs;
    for (;;) {
      for (let turn = 0; turn < TURNS; turn++) await timers.setImmediate();
      if (await holds()) return true;
      const next = this.#next();
      if (!next || next.at > end) break;
      this.now = next.at;
      this.#timers.delete(next);
      next.fire();
    }
    this.now = end;
    return false;
  }

  async pass(ms: number): Promise<void> {
    await this.until(() => false, ms);
  }

  #add(ms: number, fire: () => void): Timer {
    const timer = { at: this.now + Math.max(1, ms), order: this.#order++, fire };
    this.#timers.add(timer);
    return timer;
  }

  #next(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) first = timer;
    }
    return first;
  }

  /** Mulberry32. */
  #random(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}
