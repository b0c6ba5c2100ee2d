import { backoffMs } from '../backoff.ts';
import { type BatchRefused, Unavailable } from '../sink.ts';
import type { Outcome } from '../types.ts';
import { acceptsAny, type Tried } from './answer.ts';
import { bytesOf, sizeOf } from './queue.ts';
import type { Entry, Window } from './window.ts';

/** From this many events on that were refused alone, with none accepted since, the sink is suspected and not the events. */
const SUSPICIOUS = 10;
/** Fewer than that are asked again once nothing has contradicted them for this long. */
const UNCONTRADICTED_MS = 5_000;
/** Any number that was asked again, since others were accepted, is believed once for so long nothing else came to ask about. */
const NOTHING_ELSE_MS = 30_000;
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
  /** Refused alone and not yet believed; when those came that were believed, and the last one; none of them was contradicted since. */
  #held: Entry[] = [];
  #believedAt: number[] = [];
  #refusedAt = 0;
  /** When the sink was in trouble last: what it refused before and after may have been refused for that; and when in doubt at all. */
  #troubleAt = Number.NEGATIVE_INFINITY;
  #doubtedAt = Number.NEGATIVE_INFINITY;
  /** Events that it has accepted since: so many refusals are believed. */
  #credit = 0;
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
    return this.#refusedAlone >= SUSPICIOUS;
  }
  get #refusedAlone(): number {
    return this.#believedAt.length + this.#held.length;
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

  /** The next part of a batch that was halved; of a sink that is suspected the one that is most likely to be accepted, a large one. */
  half(): Entry[] | undefined {
    return this.suspected ? this.#halves.pop() : this.#halves.shift();
  }

  /** The sink is in trouble that says nothing of an event. */
  trouble(): void {
    this.#troubleAt = this.#clock();
    this.#doubt();
  }

  /** Takes out some of what is held, to be tried once more. */
  takeHeld(maxEvents: number): Entry[] {
    let [count, bytes] = [0, 0];
    for (const entry of this.#held.slice(0, Math.min(maxEvents, this.#probe))) {
      bytes += sizeOf(entry);
      if (count > 0 && bytes > this.#maxBytes) break;
      count += 1;
    }
    return this.#held.splice(0, count);
  }

  /** A while has passed, and may say as much as an answer. */
  whenQuiet(): void {
    const now = this.#clock();
    const isOver = ({ contradictedAt: at }: Entry) => at > this.#troubleAt && now - at >= NOTHING_ELSE_MS;
    if (!this.suspected && now - this.#refusedAt >= UNCONTRADICTED_MS) this.#askAgain(this.#takeAllHeld());
    else if (this.#held.every(isOver)) for (const entry of this.#takeAllHeld()) this.#window.bury(entry, entry.reason);
  }

  /**
   * accepted: the SIEM took an event. pause: wait before anything is sent again, and why.
   * @param wasHeld where the sink takes some of this batch now, all that is held is sent anew
   */
  judge(tried: Tried, wasHeld = false): { accepted: boolean; pause?: Unavailable } {
    const verdict = this.#judge(tried, wasHeld);
    if (verdict.pause) this.trouble();
    return verdict;
  }

  #judge({ batch, answer, from }: Tried, wasHeld: boolean): { accepted: boolean; pause?: Unavailable } {
    if (answer instanceof Unavailable) {
      if (wasHeld) this.#held.unshift(...batch);
      else this.#window.giveBack(batch);
      return { accepted: false, pause: answer };
    }
    if (wasHeld && acceptsAny(answer)) this.#window.giveBack(this.#takeAllHeld());
    if (!('message' in answer)) return this.#settle(batch, answer, { from, wasHeld });
    const refused: Outcome = { status: 'rejected', reason: answer.message };
    if (batch.length === 1) return this.#settle(batch, [refused], { from, wasHeld });
    return wasHeld ? this.#holdAgain(batch) : this.#halve(batch, answer);
  }

  #settle(
    batch: readonly Entry[],
    outcomes: readonly Outcome[],
    { from, wasHeld }: { from: number; wasHeld: boolean },
  ): { accepted: boolean; pause?: Unavailable } {
    const of = (status: Outcome['status']) => batch.filter((_, index) => outcomes[index]?.status === status);
    const [delivered, unsent, putOff] = [of('delivered'), of('unsent'), of('retry')];
    const untried = putOff.some(({ firstAt }) => firstAt === 0);
    this.#noteFlow(delivered, putOff);
    batch.forEach((entry, index) => {
      const outcome = outcomes[index] as Outcome;
      if (outcome.status === 'delivered') this.#window.deliver(entry);
      if (outcome.status === 'rejected') this.#refuse(entry, outcome.reason, delivered.length > 0);
      if (outcome.status === 'retry') this.#putOff(entry, outcome);
    });
    if (delivered.length > 0) this.#contradict(from, delivered.length);
    // Held ones behind a refused one stay held: they would be refused one by one.
    if (wasHeld && delivered.length === 0) this.#held.push(...unsent);
    else this.#window.giveBack(unsent);
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
      this.#maxBytes = Math.min(this.#maxBytes, Math.ceil(bytesOf(batch) / 2));
      this.#tooLargeAt = this.#clock();
    }
    this.#halves.unshift(batch.slice(0, middle), batch.slice(middle));
    return { accepted: false };
  }

  #refuse(entry: Entry, reason: string, othersPassed: boolean): void {
    entry.reason = reason;
    // In an order it is a dead letter already.
    if (othersPassed || entry.settled) return void this.#window.bury(entry, reason);
    const now = this.#clock();
    entry.refusedAt = this.#refusedAt = now;
    if (entry.againAt > this.#troubleAt && (this.#credit > 0 || this.#refusedAlone < SUSPICIOUS - 1)) {
      if (this.#credit > 0) this.#credit -= 1;
      else this.#believedAt.push(now);
      this.#window.bury(entry, reason);
    } else {
      this.#window.detach(entry);
      this.#held.push(entry);
      if (this.suspected) this.#doubt();
    }
  }

  #doubt(): void {
    this.#doubtedAt = this.#clock();
    this.#credit = 0;
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

  /** The sink has accepted others in a delivery that began at `from`: what it had refused alone by then is asked once more. */
  #contradict(from: number, accepted: number): void {
    if (from >= this.#doubtedAt) this.#credit += accepted;
    this.#believedAt = this.#believedAt.filter((at) => at > from);
    const all = this.#takeAllHeld();
    this.#held = all.filter(({ refusedAt }) => refusedAt > from);
    const contradicted = all.filter(({ refusedAt }) => refusedAt <= from);
    for (const entry of contradicted) entry.contradictedAt = this.#clock();
    this.#askAgain(contradicted);
  }

  #askAgain(entries: readonly Entry[]): void {
    for (const entry of entries) {
      entry.againAt = this.#clock();
      this.#window.askAgain(entry, entry.againAt + ASKED_AGAIN_AFTER_MS);
    }
  }
}
