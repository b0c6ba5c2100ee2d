import { backoffMs } from '../backoff.ts';
import { type BatchRefused, Unavailable } from '../sink.ts';
import type { Outcome } from '../types.ts';
import { acceptsAny, type Tried } from './answer.ts';
import type { Entry, Window } from './window.ts';

/** From this many refusals in a row on, with none accepted between, the sink is suspected and not the events. */
const SUSPICIOUS_ROW = 10;
/** Fewer refused events than that are asked again once nothing has contradicted them for this long. */
const UNCONTRADICTED_MS = 5_000;
/** A SIEM that is wrong for a moment must not be asked within the same moment. */
const ASKED_AGAIN_AFTER_MS = 1_000;
const STUCK = { tries: 20, ms: 600_000 };
/** A bound that a SIEM has taught is tested again after this long: it may have been a proxy's bad hour. */
const LARGER_AFTER_MS = 600_000;

/**
 * Decides what an answer means for each event of a batch. Only an answer about an event may condemn an event: what is
 * refused beside others that are accepted is a dead letter. What is refused alone is held until a later delivery is accepted,
 * is asked again then, and is a dead letter if it is refused once more.
 */
export class Blame {
  readonly #window: Window;
  readonly #clock: () => number;
  /** Bounds the bytes of a batch: what the config says, and what is left of it since the SIEM called one too large. */
  readonly #mostBytes: number;
  #maxBytes: number;
  #tooLargeAt = 0;
  /** Parts of a batch that was refused as a whole. */
  readonly #halves: Entry[][] = [];
  /** Refused, not yet believed; how many in a row, none of them asked again; when the last one came. */
  #held: Entry[] = [];
  #row = 0;
  #heldAt = 0;
  /** Deliveries in a row of which everything was put off. One is that batch's own affair, two are the sink's. */
  #barren = 0;
  /** How many of the held may be tried at once: one, where the sink has refused several as a whole. */
  #probe = Number.POSITIVE_INFINITY;
  /** Streams whose newest events pass: only there does being put off count against the event. */
  readonly #flowing = new Map<string, boolean>();

  constructor(window: Window, maxBytes: number, clock: () => number) {
    this.#window = window;
    this.#mostBytes = maxBytes;
    this.#maxBytes = maxBytes;
    this.#clock = clock;
  }

  get suspected(): boolean {
    return this.#row >= SUSPICIOUS_ROW;
  }
  get suspicion(): { count: number; reason: string } {
    return { count: this.#held.length, reason: this.#held[0]?.reason ?? 'every event is refused' };
  }

  get maxBytes(): number {
    const now = this.#clock();
    if (this.#maxBytes < this.#mostBytes && now - this.#tooLargeAt >= LARGER_AFTER_MS) {
      this.#maxBytes = Math.min(this.#mostBytes, this.#maxBytes * 2);
      this.#tooLargeAt = now;
    }
    return this.#maxBytes;
  }

  /** The next part of a batch that was halved. */
  half(): Entry[] | undefined {
    return this.#halves.shift();
  }

  /** Takes out some of what is held, to be tried once more. */
  takeHeld(maxEvents: number): Entry[] {
    let [count, bytes] = [0, 0];
    for (const { event } of this.#held.slice(0, Math.min(maxEvents, this.#probe))) {
      bytes += event.json.length;
      if (count > 0 && bytes > this.#maxBytes) break;
      count += 1;
    }
    return this.#held.splice(0, count);
  }

  /** A few refusals with nothing else to send: nobody will contradict them. */
  askAgainWhenQuiet(): void {
    const waited = this.#clock() - this.#heldAt >= UNCONTRADICTED_MS;
    if (waited && !this.suspected) this.#askAgain(this.#takeAllHeld());
  }

  /**
   * accepted: the SIEM took an event. pause: wait before anything is sent again, and why.
   * @param wasHeld where the sink takes some of this batch now, all that is held is sent anew
   */
  judge({ batch, answer, from }: Tried, wasHeld = false): { accepted: boolean; pause?: Unavailable } {
    if (answer instanceof Unavailable) {
      for (const entry of batch) entry.lastTry = false;
      if (wasHeld) this.#held.unshift(...batch);
      else this.#window.giveBack(batch);
      return { accepted: false, pause: answer };
    }
    if (wasHeld && acceptsAny(answer)) this.#window.giveBack(this.#takeAllHeld());
    if (!('message' in answer)) return this.#settle(batch, answer, from);
    if (batch.length === 1) return this.#settle(batch, [{ status: 'rejected', reason: answer.message }], from);
    return wasHeld ? this.#holdAgain(batch) : this.#halve(batch, answer);
  }

  #settle(
    batch: readonly Entry[],
    outcomes: readonly Outcome[],
    from: number,
  ): { accepted: boolean; pause?: Unavailable } {
    const of = (status: Outcome['status']) => batch.filter((_, index) => outcomes[index]?.status === status);
    const [delivered, unsent, putOff] = [of('delivered'), of('unsent'), of('retry')];
    const untried = putOff.some(({ firstAt }) => firstAt === 0);
    this.#noteFlow(delivered, putOff);
    if (delivered.length > 0) this.#row = 0;
    else this.#row += of('rejected').filter(({ lastTry, settled }) => !lastTry && !settled).length;
    batch.forEach((entry, index) => {
      const outcome = outcomes[index] as Outcome;
      if (outcome.status === 'delivered') this.#window.deliver(entry);
      if (outcome.status === 'rejected') this.#refuse(entry, outcome.reason, delivered.length > 0);
      if (outcome.status === 'retry') this.#putOff(entry, outcome);
    });
    if (delivered.length > 0) this.#contradict(from);
    this.#window.giveBack(unsent);
    const repeated = unsent.length === batch.length && unsent.every((entry) => entry.unsent);
    for (const entry of unsent) entry.unsent = true;
    if (repeated) return { accepted: false, pause: new Unavailable('every event came back unsent, twice') };
    // A delivery of nothing but old put-offs says nothing about the others: they must not wait for it.
    if (delivered.length > 0) this.#barren = 0;
    else if (untried && unsent.length + putOff.length === batch.length) this.#barren += 1;
    if (untried && this.#barren > 1) return { accepted: false, pause: new Unavailable(putOff[0]?.reason ?? 'put off') };
    return { accepted: delivered.length > 0 };
  }

  #halve(batch: readonly Entry[], refusal: BatchRefused): { accepted: boolean } {
    const middle = Math.ceil(batch.length / 2);
    if (refusal.tooLarge) {
      const bytes = batch.reduce((sum, { event }) => sum + event.json.length, 0);
      this.#maxBytes = Math.min(this.#maxBytes, Math.ceil(bytes / 2));
      this.#tooLargeAt = this.#clock();
    }
    this.#halves.unshift(batch.slice(0, middle), batch.slice(middle));
    return { accepted: false };
  }

  /** In an order it is a dead letter already. */
  #refuse(entry: Entry, reason: string, othersPassed: boolean): void {
    entry.reason = reason;
    const believed = othersPassed || (entry.lastTry && !this.suspected);
    if (entry.settled || believed) return void this.#window.bury(entry, reason);
    this.#held.push(entry);
    entry.refusedAt = this.#heldAt = this.#clock();
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

  /** Each was refused alone before. Now they were refused together, which condemns none of them: the next try is of one. */
  #holdAgain(batch: readonly Entry[]): { accepted: boolean } {
    this.#held.push(...batch);
    this.#probe = 1;
    return { accepted: false };
  }

  #takeAllHeld(): Entry[] {
    this.#probe = Number.POSITIVE_INFINITY;
    return this.#held.splice(0);
  }

  /** The sink has accepted others in a delivery that began at `from`: what it had refused by then is asked once more. */
  #contradict(from: number): void {
    const all = this.#takeAllHeld();
    this.#held = all.filter(({ refusedAt }) => refusedAt > from);
    this.#askAgain(all.filter(({ refusedAt }) => refusedAt <= from));
  }

  #askAgain(entries: readonly Entry[]): void {
    for (const entry of entries) {
      entry.lastTry = true;
      this.#window.putOff(entry, this.#clock() + ASKED_AGAIN_AFTER_MS);
    }
  }
}
