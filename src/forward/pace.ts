import { backoffMs } from '../backoff.ts';
import type { Unavailable } from '../sink.ts';

export interface PaceLimits {
  readonly concurrency: number;
  readonly maxEvents: number;
  /** Events per second. */
  readonly limit?: number | undefined;
}

const MAX_RETRY_AFTER_MS = 300_000;
/** So many times in a row with nothing accepted between is no chance: from then on smaller batches are tried. */
const SMALLER_FROM = 3;

/**
 * When a sink is given something, how many deliveries at once, and how many events in each. All that the config allows;
 * after trouble one delivery alone, and another one for each that is accepted: 1, 2, 4 … in flight. Where the trouble is a
 * flood, more of it would get nothing through.
 */
export class Pace {
  readonly #limits: PaceLimits;
  readonly #clock: () => number;
  #pausedUntil = 0;
  #limitedUntil = 0;
  /** Waits in a row with nothing accepted between. */
  #attempt = 0;
  #abreast: number;
  #maxEvents: number;
  /** The largest batch that was accepted, as far as it is known. */
  #passed: number;

  constructor(limits: PaceLimits, clock: () => number) {
    this.#limits = limits;
    this.#clock = clock;
    this.#abreast = limits.concurrency;
    this.#maxEvents = this.#passed = limits.maxEvents;
  }

  get pausedMs(): number {
    return Math.max(0, this.#pausedUntil - this.#clock());
  }
  /** How long `limit` lets nothing more go. */
  get limitedMs(): number {
    return Math.max(0, this.#limitedUntil - this.#clock());
  }
  /** How many deliveries may be in flight. */
  get abreast(): number {
    return this.#abreast;
  }
  /** How many events the next batch may have. */
  get maxEvents(): number {
    const { limit } = this.#limits;
    return limit ? Math.min(this.#maxEvents, Math.ceil(limit)) : this.#maxEvents;
  }

  sent(events: number): void {
    const { limit } = this.#limits;
    if (limit) this.#limitedUntil = Math.max(this.#limitedUntil, this.#clock()) + (events / limit) * 1000;
  }

  /** The sink took something of a delivery of so many events. */
  accepted(events: number): void {
    this.#attempt = 0;
    // It was sent before the trouble came, and says little about what can be sent after it.
    if (this.pausedMs > 0) return;
    this.#abreast = Math.min(this.#limits.concurrency, this.#abreast + 1);
    this.#passed = Math.max(this.#passed, events);
    this.#maxEvents = Math.min(this.#limits.maxEvents, Math.max(this.#maxEvents, 2 * events));
  }

  /**
   * Nothing new is started for a while; how long, in ms. Deliveries in flight that fail meanwhile do not make it longer.
   * @param events of the delivery that came back; 0: the trouble is not one of a delivery
   */
  trouble({ retryAfterMs = 0 }: Unavailable, events: number): number {
    const first = this.pausedMs === 0;
    if (first) this.#attempt += 1;
    if (first && events > 0) this.#makeSmaller(events);
    this.#abreast = 1;
    const waitMs = Math.max(backoffMs(this.#attempt - 1), Math.min(retryAfterMs, MAX_RETRY_AFTER_MS));
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#clock() + waitMs);
    return waitMs;
  }

  /** Back to what passed, and to half of it where even that comes back: a receiver may end each connection after a few events. */
  #makeSmaller(events: number): void {
    const half = Math.max(1, Math.floor(Math.min(this.#maxEvents, events) / 2));
    this.#maxEvents = this.#attempt >= SMALLER_FROM ? half : Math.min(this.#maxEvents, this.#passed);
    this.#passed = Math.min(this.#passed, this.#maxEvents);
  }
}
