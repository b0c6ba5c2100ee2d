import { backoffMs } from './backoff.ts';
import { type BatchRefused, Unavailable } from './sink.ts';
import type { Outcome } from './types.ts';
import type { Entry, Window } from './window.ts';

/** What a sink made of one batch. */
export type Answer = readonly Outcome[] | Unavailable | BatchRefused;

/** From this many refusals in a row on, with none accepted between, the sink is suspected and not the events. */
const SUSPICIOUS_ROW = 10;
/** Fewer refusals than that are believed once nothing has contradicted them for this long. */
const BELIEVED_AFTER_MS = 5_000;
const STUCK = { tries: 20, ms: 600_000 };

/**
 * Decides what an answer means for each event of a batch. Only an answer about an event may condemn an event:
 * what is refused is held until the sink has accepted something else, and becomes a dead letter then.
 */
export class Blame {
  readonly #window: Window;
  readonly #clock: () => number;
  /** Bounds the bytes of a batch; halved when the SIEM calls one too large. */
  maxBytes: number;
  /** Parts of a batch that was refused as a whole. */
  readonly #halves: Entry[][] = [];
  /** Refused, not yet believed; how many in a row; when the last one came. */
  #held: Entry[] = [];
  #row = 0;
  #heldAt = 0;
  /** Streams whose newest events pass: only there does being put off count against the event. */
  readonly #flowing = new Map<string, boolean>();

  constructor(window: Window, maxBytes: number, clock: () => number) {
    this.#window = window;
    this.maxBytes = maxBytes;
    this.#clock = clock;
  }

  get suspected(): boolean {
    return this.#row >= SUSPICIOUS_ROW;
  }
  get suspicion(): { count: number; reason: string } {
    return { count: this.#held.length, reason: this.#held[0]?.reason ?? 'every event is refused' };
  }

  /** The next part of a batch that was halved. */
  half(): Entry[] | undefined {
    return this.#halves.shift();
  }

  /** Takes out some of what is held, to be tried once more. */
  takeHeld(count: number): Entry[] {
    return this.#held.splice(0, count);
  }

  /** A few refusals with nothing else to send: nobody will contradict them. */
  believe(): void {
    if (this.#held.length > 0 && !this.suspected && this.#clock() - this.#heldAt >= BELIEVED_AFTER_MS) this.#buryHeld();
  }

  /**
   * accepted: the SIEM took an event. pause: wait before anything is sent again, and why.
   * @param again the batch was held: where the sink takes some of it now, it has changed its mind, and all that is held is sent anew
   */
  judge(batch: readonly Entry[], answer: Answer, again = false): { accepted: boolean; pause?: Unavailable } {
    if (answer instanceof Unavailable) {
      this.#window.giveBack(batch);
      return { accepted: false, pause: answer };
    }
    if ('message' in answer) return this.#halve(batch, answer);
    if (again && answer.some(({ status }) => status === 'delivered')) this.#window.giveBack(this.#held.splice(0));
    return this.#settle(batch, answer);
  }

  #settle(batch: readonly Entry[], outcomes: readonly Outcome[]): { accepted: boolean; pause?: Unavailable } {
    const of = (status: Outcome['status']) => batch.filter((_, index) => outcomes[index]?.status === status);
    const [delivered, unsent, putOff] = [of('delivered'), of('unsent'), of('retry')];
    const untried = putOff.some(({ firstAt }) => firstAt === 0);
    this.#noteFlow(delivered, putOff);
    if (delivered.length > 0) this.#row = 0;
    batch.forEach((entry, index) => {
      const outcome = outcomes[index] as Outcome;
      if (outcome.status === 'delivered') this.#window.deliver(entry);
      if (outcome.status === 'rejected') this.#refuse(entry, outcome.reason, delivered.length > 0);
      if (outcome.status === 'retry') this.#putOff(entry, outcome);
    });
    if (delivered.length > 0) this.#buryHeld();
    this.#window.giveBack(unsent);
    const repeated = unsent.length === batch.length && unsent.every((entry) => entry.unsent);
    for (const entry of unsent) entry.unsent = true;
    if (repeated) return { accepted: false, pause: new Unavailable('every event came back unsent, twice') };
    const nothing = unsent.length + putOff.length === batch.length;
    // A delivery of nothing but old put-offs says nothing about the others: they must not wait for it.
    if (nothing && untried) return { accepted: false, pause: new Unavailable(putOff[0]?.reason ?? 'put off') };
    return { accepted: delivered.length > 0 };
  }

  #halve(batch: readonly Entry[], refusal: BatchRefused): { accepted: boolean } {
    const middle = Math.ceil(batch.length / 2);
    if (refusal.tooLarge && batch.length > 1) {
      const bytes = batch.reduce((sum, { event }) => sum + event.json.length, 0);
      this.maxBytes = Math.min(this.maxBytes, Math.ceil(bytes / 2));
    }
    if (batch.length > 1) this.#halves.unshift(batch.slice(0, middle), batch.slice(middle));
    else for (const entry of batch) this.#refuse(entry, refusal.message, false);
    return { accepted: false };
  }

  #refuse(entry: Entry, reason: string, othersPassed: boolean): void {
    entry.reason = reason;
    if (entry.settled) return void this.#window.bury(entry, reason);
    this.#held.push(entry);
    if (!othersPassed) this.#row += 1;
    this.#heldAt = this.#clock();
  }

  #putOff(entry: Entry, outcome: Outcome & { status: 'retry' }): void {
    const now = this.#clock();
    entry.reason = outcome.reason;
    entry.firstAt ||= now;
    entry.waits += 1;
    if (!outcome.held && this.#flowing.get(entry.event.source.stream)) entry.tries += 1;
    const stuck = entry.tries >= STUCK.tries && now - entry.firstAt >= STUCK.ms;
    if (stuck) this.#window.bury(entry, `stuck: ${outcome.reason}`);
    else this.#window.putOff(entry, now + backoffMs(entry.waits));
  }

  #noteFlow(delivered: readonly Entry[], putOff: readonly Entry[]): void {
    for (const { event, firstAt } of putOff) if (firstAt === 0) this.#flowing.set(event.source.stream, false);
    for (const { event } of delivered) this.#flowing.set(event.source.stream, true);
  }

  #buryHeld(): void {
    for (const entry of this.#held.splice(0)) this.#window.bury(entry, entry.reason);
  }
}

export function wrongNumber(sent: number, outcomes: unknown): Unavailable {
  const got = Array.isArray(outcomes) ? outcomes.length : typeof outcomes;
  return new Unavailable(`a bug in this sink: ${sent} events were sent, ${got} outcomes came back`, { reopen: true });
}

/** By name and shape: a sink from elsewhere may bring its own copy of the class. */
export function asUnavailable(error: unknown): Unavailable {
  const { name, message, retryAfterMs, reopen } = error as Partial<Unavailable>;
  if (name === 'Unavailable')
    return new Unavailable(message ?? '', { retryAfterMs, reopen: reopen ?? false, cause: error });
  return new Unavailable(`${name ?? 'Error'}: ${message ?? String(error)}`, { cause: error });
}
