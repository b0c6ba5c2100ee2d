import type { Entry } from './window.ts';

/** What still fits into a batch; bytes of ECS JSON. */
export interface Room {
  readonly events: number;
  readonly bytes: number;
}

/** Events that wait to be sent, each from its `dueAt` on. */
export class Queue {
  #entries: Entry[] = [];

  get length(): number {
    return this.#entries.length;
  }
  /** When the next one may be sent (ms of the clock); infinite where there is none. */
  get nextDueAt(): number {
    return this.#entries.reduce((earliest, { dueAt }) => Math.min(earliest, dueAt), Number.POSITIVE_INFINITY);
  }

  push(entry: Entry): void {
    this.#entries.push(entry);
  }

  /** To their places in the log. Only the part that they fall into is sorted: there may be 100,000, and a sink fails often. */
  putBack(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    const sorted = entries.toSorted(byPlace);
    const all = this.#entries;
    const [from, to] = [indexOf(all, (sorted[0] as Entry).place), indexOf(all, (sorted.at(-1) as Entry).place)];
    this.#entries = all.slice(0, from).concat(all.slice(from, to).concat(sorted).sort(byPlace), all.slice(to));
  }

  /** What is due and fits, from the head. @param alone the first goes whatever its size: nothing else is in its batch yet */
  take(room: Room, now: number, alone = true): Entry[] {
    const [taken, early]: [Entry[], Entry[]] = [[], []];
    let [at, bytes] = [0, 0];
    for (; at < this.#entries.length && taken.length < room.events; at += 1) {
      const entry = this.#entries[at] as Entry;
      if (entry.dueAt > now) early.push(entry);
      else {
        bytes += sizeOf(entry);
        if (bytes > room.bytes && !(alone && taken.length === 0)) break;
        taken.push(entry);
      }
    }
    if (early.length > 0) this.#entries = early.concat(this.#entries.slice(at));
    else this.#entries.splice(0, at);
    return taken;
  }

  /** One from anywhere. */
  takeOne(): Entry[] {
    return this.#entries.splice(Math.floor(Math.random() * this.#entries.length), 1);
  }
}

export function sizeOf(entry: Entry): number {
  return entry.event.json.length;
}

export function bytesOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, entry) => sum + sizeOf(entry), 0);
}

function byPlace(one: Entry, other: Entry): number {
  return one.place - other.place;
}

/** Where a place belongs in a queue that is in order. */
function indexOf(queue: readonly Entry[], place: number): number {
  let [from, to] = [0, queue.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((queue[middle] as Entry).place < place) from = middle + 1;
    else to = middle;
  }
  return from;
}
