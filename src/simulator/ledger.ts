import type { StreamName } from '../types.ts';
import type { SimulatedActivity } from './sessions.ts';

/** One answer that held activities. They are gone from the stream whether it arrived or not. */
export interface Batch {
  readonly stream: StreamName;
  readonly at: Date;
  readonly count: number;
  /** Empty where the ledger does not keep keys. */
  readonly keys: readonly string[];
  /** The whole answer was given to the network. Not that somebody received it. */
  completed: boolean;
}

export interface StreamBooks {
  readonly enqueued: number;
  readonly handedOut: number;
  /** Too old before anybody asked. */
  readonly expired: number;
  readonly waiting: number;
}

/** What went in, what was handed out and what still waits, stream by stream. */
export interface Ledger {
  readonly batches: readonly Batch[];
  books(stream: StreamName): StreamBooks;
  /** Keys of all that was handed out in whole answers, in answers that were spoilt, and of what still waits. */
  keys(stream?: StreamName): { readonly completed: string[]; readonly spoilt: string[]; readonly waiting: string[] };
}

interface Waiting {
  readonly activity: SimulatedActivity;
  readonly since: number;
}

interface Queue {
  waiting: Waiting[];
  head: number;
  enqueued: number;
  handedOut: number;
  expired: number;
}

export class Queues implements Ledger {
  readonly batches: Batch[] = [];
  readonly #queues = new Map<StreamName, Queue>();
  readonly #keep: boolean;

  constructor(keep: boolean) {
    this.#keep = keep;
  }

  enqueue(stream: StreamName, activities: readonly SimulatedActivity[]): void {
    const queue = this.#queue(stream);
    const since = Date.now();
    for (const activity of activities) queue.waiting.push({ activity, since });
    queue.enqueued += activities.length;
  }

  /** Takes up to `limit` away for good; undefined where nothing waits. */
  take(stream: StreamName, limit: number, retentionMs: number): { batch: Batch; json: string[] } | undefined {
    const queue = this.#queue(stream);
    this.#expire(queue, Date.now() - retentionMs);
    const taken = queue.waiting.slice(queue.head, queue.head + limit).map(({ activity }) => activity);
    if (taken.length === 0) return undefined;
    queue.head += taken.length;
    queue.handedOut += taken.length;
    this.#forget(queue);
    const keys = this.#keep ? taken.map(({ key }) => key) : [];
    const batch = { stream, at: new Date(), count: taken.length, keys, completed: false };
    if (this.#keep) this.batches.push(batch);
    return { batch, json: taken.map(({ json }) => json) };
  }

  books(stream: StreamName): StreamBooks {
    const { enqueued, handedOut, expired, waiting, head } = this.#queue(stream);
    return { enqueued, handedOut, expired, waiting: waiting.length - head };
  }

  keys(stream?: StreamName): { completed: string[]; spoilt: string[]; waiting: string[] } {
    const batches = this.batches.filter((batch) => stream === undefined || batch.stream === stream);
    const queues = [...this.#queues].filter(([name]) => stream === undefined || name === stream);
    return {
      completed: batches.filter(({ completed }) => completed).flatMap(({ keys }) => keys),
      spoilt: batches.filter(({ completed }) => !completed).flatMap(({ keys }) => keys),
      waiting: queues.flatMap(([, { waiting, head }]) => waiting.slice(head).map(({ activity }) => activity.key)),
    };
  }

  #queue(stream: StreamName): Queue {
    const queue = this.#queues.get(stream) ?? { waiting: [], head: 0, enqueued: 0, handedOut: 0, expired: 0 };
    this.#queues.set(stream, queue);
    return queue;
  }

  #expire(queue: Queue, before: number): void {
    while ((queue.waiting[queue.head]?.since ?? before) < before) {
      queue.head += 1;
      queue.expired += 1;
    }
  }

  #forget(queue: Queue): void {
    if (queue.head < 20_000 && queue.head < queue.waiting.length) return;
    queue.waiting = queue.waiting.slice(queue.head);
    queue.head = 0;
  }
}
