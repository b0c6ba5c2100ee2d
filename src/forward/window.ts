import type { Cursor, NewDeadLetter, RawActivity, SecurityEvent, Settled } from '../types.ts';
import { bytesOf, Queue, type Room, sizeOf } from './queue.ts';

/** What has become of one place in the log. It outlives the event, which is dropped once it is delivered. */
interface Slot {
  state: 'open' | 'delivered' | 'filtered' | 'dead';
  dead?: NewDeadLetter;
}

/** One event on its way to one sink. */
export interface Entry {
  event: SecurityEvent;
  readonly slot: Slot;
  /** Grows in the order of the log. */
  place: number;
  /** Why the sink refused it or put it off, the last time. */
  reason: string;
  /** How often it was put off for a reason of its own, how often at all, and when first (ms of the clock). */
  tries: number;
  waits: number;
  firstAt: number;
  dueAt: number;
  /** It came back unsent before. */
  unsent: boolean;
  /**
   * ms of the clock: when it was refused alone, when others were accepted after that, and when it was decided to ask again: then its
   * next refusal is believed.
   */
  refusedAt: number;
  contradictedAt: number;
  againAt: number;
  /** For an event of an order, which is no part of the live log: called once it is delivered, or refused with a reason. */
  readonly settled?: (refused?: string) => void;
}

interface Run {
  readonly page: number;
  readonly damaged: number;
  readonly offset: number;
  /** The page ends with it. */
  readonly last: boolean;
  readonly slots: readonly Slot[];
  /** Slots before this one are settled. */
  next: number;
}

/** One for all: millions of them may lie behind an event that is held. */
const FILTERED: Slot = { state: 'filtered' };

export function newEntry(event: SecurityEvent, selected: boolean, settled?: Entry['settled']): Entry {
  const slot: Slot = selected ? { state: 'open' } : FILTERED;
  return {
    event,
    slot,
    place: 0,
    reason: '',
    tries: 0,
    waits: 0,
    firstAt: 0,
    dueAt: 0,
    unsent: false,
    refusedAt: 0,
    contradictedAt: Number.NEGATIVE_INFINITY,
    againAt: Number.NEGATIVE_INFINITY,
    ...(settled && { settled }),
  };
}

/**
 * What lies between a sink's cursor and the end of what was read, in the order of the log, and what of it is to be sent next.
 * The cursor moves over the finished head only: after a crash whatever is behind it is sent again.
 */
export class Window {
  readonly #runs: Run[] = [];
  /** Of the live log and of orders, each in the order in which it was entered, whatever came back in between. */
  readonly #live = new Queue();
  readonly #orders = new Queue();
  /** Put off; and refused alone, to be asked again. */
  readonly #later = new Queue();
  readonly #again = new Queue();
  #entered = 0;
  #open = 0;
  #openBytes = 0;
  #length = 0;
  #newest = '';

  /** Events read and not yet settled, their size, and all that is held behind the cursor. */
  get open(): number {
    return this.#open;
  }
  get openBytes(): number {
    return this.#openBytes;
  }
  get length(): number {
    return this.#length;
  }
  /** Events of the live log that can be sent now. */
  get toSend(): number {
    return this.#live.length;
  }
  /** `@timestamp` of the newest event that was delivered; empty before the first. */
  get newest(): string {
    return this.#newest;
  }

  /** A page of the live log, or a part of one; `offset` events of it came before. */
  addPage(page: number, offset: number, entries: readonly Entry[], { damaged = 0, last = true } = {}): void {
    this.#runs.push({ page, offset, damaged, last, slots: entries.map(({ slot }) => slot), next: 0 });
    this.#length += entries.length;
    this.#enter(entries, this.#live);
  }

  /** Events of an order: sent when the live log has nothing to send. */
  addOrder(entries: readonly Entry[]): void {
    this.#enter(entries, this.#orders);
  }

  #enter(entries: readonly Entry[], queue: Queue): void {
    for (const entry of entries) {
      if (entry.slot.state !== 'open') continue;
      entry.place = this.#entered++;
      queue.push(entry);
      this.#open += 1;
      this.#openBytes += sizeOf(entry);
    }
  }

  /**
   * The next batch: what was put off and is due again, then the live log from its head, then what is asked again, which takes half
   * of it where there is more; or else of orders. Empty: nothing to send now. What is asked again comes last: a sink that looks
   * no further than to the first bad event has accepted others by then.
   */
  take(room: Room, now: number): Entry[] {
    const share = this.#live.length > 0 || this.#later.nextDueAt <= now ? 2 : 1;
    const again = this.#again.take({ events: Math.ceil(room.events / share), bytes: room.bytes / share }, now);
    const late = this.#later.take(roomBeside(again, room), now, again.length === 0);
    const before = [...late, ...again];
    const live = this.#live.take(roomBeside(before, room), now, before.length === 0);
    const batch = [...late, ...live, ...again];
    return batch.length > 0 ? batch : this.#orders.take(room, now);
  }

  /** One event from anywhere in what was read of the live log: to test a sink with that refused others. */
  takeOne(): Entry[] {
    return this.#live.takeOne();
  }

  /** Back to their places: the oldest is sent first, in whatever order deliveries fail. */
  giveBack(entries: readonly Entry[]): void {
    for (const entry of entries) entry.dueAt = 0;
    const wasAskedAgain = ({ againAt }: Entry) => againAt > Number.NEGATIVE_INFINITY;
    this.#orders.putBack(entries.filter(({ settled }) => settled));
    this.#live.putBack(entries.filter((entry) => !entry.settled && !wasAskedAgain(entry)));
    for (const entry of entries) if (wasAskedAgain(entry)) this.#again.push(entry);
  }

  /** The bytes of an activity are a part of its page, and one that is kept for long must not keep all of the page. */
  detach(entry: Entry): void {
    const { raw } = entry.event.source;
    if (raw.length < raw.buffer.byteLength) entry.event = { ...entry.event, source: withoutPage(entry.event.source) };
  }

  putOff(entry: Entry, dueAt: number): void {
    this.#waitIn(this.#later, entry, dueAt);
  }

  askAgain(entry: Entry, dueAt: number): void {
    this.#waitIn(this.#again, entry, dueAt);
  }

  #waitIn(queue: Queue, entry: Entry, dueAt: number): void {
    this.detach(entry);
    entry.dueAt = dueAt;
    queue.push(entry);
  }

  /** When the next event that was put off, or is asked again, may be sent again. */
  get nextDueAt(): number {
    return Math.min(this.#later.nextDueAt, this.#again.nextDueAt);
  }

  deliver(entry: Entry): void {
    this.#leave(entry);
    const time = entry.event.document['@timestamp'];
    if (time > this.#newest) this.#newest = time;
    entry.slot.state = 'delivered';
    entry.settled?.();
  }

  /** Settled as a dead letter. In an order it stays the dead letter that it is, with its new reason. */
  bury(entry: Entry, reason: string): void {
    this.#leave(entry);
    this.detach(entry);
    const { id, code, source } = entry.event;
    entry.slot.state = 'dead';
    entry.slot.dead = { eventId: id, code, reason, activity: source };
    entry.settled?.(reason);
  }

  #leave(entry: Entry): void {
    this.#open -= 1;
    this.#openBytes -= sizeOf(entry);
  }

  /** Takes the finished head off: where the cursor stands then, and what became of each page. Undefined: it has not moved. */
  advance(): { cursor: Cursor; settled: Settled[] } | undefined {
    const settled: Settled[] = [];
    let cursor: Cursor | undefined;
    for (let run = this.#runs[0]; run; run = this.#runs[0]) {
      const from = run.next;
      while (run.next < run.slots.length && run.slots[run.next]?.state !== 'open') run.next += 1;
      const whole = run.next === run.slots.length;
      if (run.next === from && !whole) break;
      settled.push(bookOf(run, from));
      this.#length -= run.next - from;
      cursor = whole && run.last ? { page: run.page + 1, index: 0 } : { page: run.page, index: run.offset + run.next };
      if (!whole) break;
      this.#runs.shift();
    }
    return cursor && { cursor, settled };
  }
}

function roomBeside(batch: readonly Entry[], { events, bytes }: Room): Room {
  return { events: events - batch.length, bytes: bytes - bytesOf(batch) };
}

/** A copy. */
function withoutPage({ stream, receivedAt, position, ordinal, raw }: RawActivity): RawActivity {
  return { stream, receivedAt, position, ordinal, raw: new Uint8Array(raw) };
}

function bookOf(run: Run, from: number): Settled {
  const slots = run.slots.slice(from, run.next);
  const count = (state: Slot['state']) => slots.filter((slot) => slot.state === state).length;
  const dead = slots.flatMap((slot) => slot.dead ?? []);
  return { page: run.page, delivered: count('delivered'), filtered: count('filtered'), dead, damaged: run.damaged };
}
