import { backoffMs, wait } from './backoff.ts';
import { newBell } from './bell.ts';
import { type Answer, asUnavailable, Blame, wrongNumber } from './blame.ts';
import type { Tell } from './news.ts';
import { runOrders } from './orders.ts';
import { readAhead } from './read-ahead.ts';
import { type BatchRefused, Unavailable } from './sink.ts';
import type { Cursor, Normalize, SecurityEvent, Settled, Sink, Spool } from './types.ts';
import { type Entry, Window } from './window.ts';

export interface ForwardOptions {
  readonly name: string;
  readonly concurrency: number;
  /** The bounds of a batch; bytes of ECS JSON. */
  readonly maxEvents: number;
  readonly maxBytes: number;
  /** Events per second. */
  readonly limit?: number | undefined;
  selects(event: SecurityEvent): boolean;
  /** Resolves the secrets anew for each call. */
  open(signal: AbortSignal): Promise<Sink>;
}
export interface ForwardTools {
  readonly spool: Pick<Spool, 'read' | 'cursor' | 'commit' | 'orders' | 'deadLetters' | 'revive' | 'discard'>;
  readonly normalize: Normalize;
  readonly tell: Tell;
  /** ms; monotonic. */
  readonly clock: () => number;
}
/** stop: start nothing new, let what is in flight end. abort: end at once; what is not committed is sent again after the next start. */
export interface Signals {
  readonly stop: AbortSignal;
  readonly abort: AbortSignal;
}
export interface Forwarder {
  /** Resolves when the sink is closed; never rejects. */
  readonly ended: Promise<void>;
  /** SIGUSR2 */
  reopen(): Promise<void>;
}

const MAX_RETRY_AFTER_MS = 300_000;
const IDLE_MS = 1_000;

/** The loop of one sink: reads the spool, delivers, lets `Blame` decide what each answer means, moves the cursor. */
export function forward(tools: ForwardTools, options: ForwardOptions, signals: Signals): Forwarder {
  const loop = new Loop(tools, options, signals);
  return { ended: loop.run(), reopen: () => loop.reopen() };
}

class Loop {
  readonly #tools: ForwardTools;
  readonly #options: ForwardOptions;
  readonly #signals: Signals;
  readonly #window = new Window();
  readonly #blame: Blame;
  readonly #bell = newBell();
  readonly #room = newBell();
  #sink: Sink | undefined;
  #openFailed = false;
  #reopenWanted = false;
  #flying = 0;
  #attempt = 0;
  #pausedUntil = 0;
  #paceAt = 0;
  #testing = false;
  #committing = false;

  constructor(tools: ForwardTools, options: ForwardOptions, signals: Signals) {
    this.#tools = tools;
    this.#options = options;
    this.#signals = signals;
    this.#blame = new Blame(this.#window, options.maxBytes, tools.clock);
  }

  async run(): Promise<void> {
    const { stop, abort } = this.#signals;
    const reading = readAhead(this.#tools, this.#options, this.#window, {
      arrived: () => this.#bell.ring(),
      room: this.#room,
      always: () => this.#blame.suspected,
      stop,
    });
    const { promise: landed, resolve: land } = Promise.withResolvers<void>();
    const submit = (entries: readonly Entry[]) => this.#submit(entries);
    const ordering = runOrders(this.#tools, this.#options, { submit, stop, landed });
    while (!stop.aborted) await this.#bell.heard(await this.#step(), stop);
    while ((this.#flying > 0 || this.#committing) && !abort.aborted) await this.#bell.heard(IDLE_MS, abort);
    land();
    await Promise.all([reading, ordering, this.#close()]);
  }

  async reopen(): Promise<void> {
    await this.#sink?.reopen?.();
  }

  #submit(entries: readonly Entry[]): void {
    this.#window.addLow(entries);
    this.#bell.ring();
  }

  /** Does what can be done now; how long (ms) until something may be due. */
  async #step(): Promise<number> {
    const now = this.#tools.clock();
    if (this.#reopenWanted && this.#flying === 0) await this.#close();
    if (now < this.#pausedUntil) return this.#pausedUntil - now;
    if (this.#blame.suspected) {
      if (this.#flying === 0 && !this.#testing && (await this.#opened())) void this.#tryHeld();
      return IDLE_MS;
    }
    this.#blame.believe();
    void this.#commit();
    while (this.#flying < this.#options.concurrency && !this.#reopenWanted) {
      if (now < this.#paceAt) return this.#paceAt - now;
      if (!(await this.#opened())) return Math.max(0, this.#pausedUntil - now);
      const batch = this.#next(now);
      if (batch.length === 0) break;
      void this.#send(batch);
    }
    return Math.min(IDLE_MS, Math.max(1, this.#window.nextDueAt - now));
  }

  #next(now: number): Entry[] {
    const batch = this.#blame.half() ?? this.#window.take(this.#options.maxEvents, this.#blame.maxBytes, now);
    if (this.#options.limit) this.#paceAt = Math.max(this.#paceAt, now) + (batch.length / this.#options.limit) * 1000;
    return batch;
  }

  async #send(batch: readonly Entry[]): Promise<void> {
    const answer = await this.#try(batch);
    if (this.#signals.abort.aborted) return;
    this.#judge(batch, answer);
    await this.#commit();
  }

  #judge(batch: readonly Entry[], answer: Answer, again = false): void {
    if (batch.length === 0) return;
    const { accepted, pause } = this.#blame.judge(batch, answer, again);
    if (accepted) this.#attempt = 0;
    if (accepted) this.#tools.tell({ what: 'sink_up', sink: this.#options.name });
    if (pause) this.#pause(pause);
    this.#room.ring();
    this.#bell.ring();
  }

  /** While the sink is suspected: what it refused once more, and a batch from behind. One accepted event clears it. */
  async #tryHeld(): Promise<void> {
    this.#testing = true;
    const half = this.#blame.half();
    const held = half ?? this.#blame.takeHeld(this.#options.maxEvents);
    const behind = this.#next(this.#tools.clock());
    const answers = await Promise.all([this.#try(held), this.#try(behind)]);
    if (this.#signals.abort.aborted) return;
    // In this order: what is accepted from behind condemns what was refused once more.
    this.#judge(held, answers[0], !half);
    this.#judge(behind, answers[1]);
    this.#testing = false;
    await this.#commit();
    if (!this.#blame.suspected) return;
    const { reason, count } = this.#blame.suspicion;
    this.#tools.tell({ what: 'sink_suspected', sink: this.#options.name, held: count, reason });
    this.#pause(new Unavailable(reason));
  }

  async #try(batch: readonly Entry[]): Promise<Answer> {
    if (batch.length === 0) return [];
    const { tell, clock } = this.#tools;
    const from = clock();
    let result: 'ok' | 'partial' | 'refused' | 'unavailable' = 'unavailable';
    this.#flying += 1;
    try {
      const events = batch.map(({ event }) => event);
      const outcomes = await (this.#sink as Sink).deliver(events, this.#signals.abort);
      if (!Array.isArray(outcomes) || outcomes.length !== batch.length) throw wrongNumber(batch.length, outcomes);
      result = outcomes.every(({ status }) => status === 'delivered') ? 'ok' : 'partial';
      return outcomes;
    } catch (error) {
      if ((error as Error)?.name !== 'BatchRefused') return asUnavailable(error);
      result = 'refused';
      return error as BatchRefused;
    } finally {
      this.#flying -= 1;
      const seconds = (clock() - from) / 1000;
      tell({ what: 'delivery', sink: this.#options.name, result, events: batch.length, seconds });
    }
  }

  async #opened(): Promise<boolean> {
    if (this.#sink) return true;
    try {
      this.#sink = await this.#options.open(this.#signals.abort);
      if (this.#openFailed) this.#tools.tell({ what: 'sink_up', sink: this.#options.name });
      this.#openFailed = false;
    } catch (error) {
      this.#openFailed = true;
      this.#pause(asUnavailable(error));
    }
    return !this.#openFailed;
  }

  async #close(): Promise<void> {
    const sink = this.#sink;
    this.#sink = undefined;
    this.#reopenWanted = false;
    await sink?.close().catch(() => undefined);
  }

  /** Nothing new is started for a while; deliveries in flight that fail meanwhile do not make it longer. */
  #pause(cause: Unavailable): void {
    const now = this.#tools.clock();
    if (cause.reopen) this.#reopenWanted = true;
    if (now >= this.#pausedUntil) this.#attempt += 1;
    const waitMs = Math.max(backoffMs(this.#attempt - 1), Math.min(cause.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS));
    this.#pausedUntil = Math.max(this.#pausedUntil, now + waitMs);
    if (this.#signals.abort.aborted) return;
    this.#tools.tell({ what: 'sink_down', sink: this.#options.name, reason: cause.message, waitMs });
  }

  /** Saves how far the sink has come. A commit that fails is repeated; the events are not sent again. */
  async #commit(): Promise<void> {
    if (this.#committing) return;
    let step = this.#window.advance();
    if (!step) return;
    this.#committing = true;
    for (; step; step = this.#window.advance()) await this.#save(step.cursor, step.settled);
    this.#committing = false;
    this.#bell.ring();
  }

  async #save(cursor: Cursor, settled: Settled[]): Promise<void> {
    const { spool, tell } = this.#tools;
    const sink = this.#options.name;
    for (let attempt = 0; ; attempt += 1) {
      try {
        await spool.commit(sink, cursor, settled);
        const sum = (key: 'delivered' | 'filtered') => settled.reduce((total, book) => total + book[key], 0);
        const dead = settled.flatMap((book) => book.dead);
        return tell({ what: 'settled', sink, delivered: sum('delivered'), filtered: sum('filtered'), dead });
      } catch (error) {
        tell({ what: 'spool_error', doing: `saving how far ${sink} has come`, error: (error as Error).message });
        if (this.#signals.abort.aborted) return;
        await wait(backoffMs(attempt), this.#signals.abort);
      }
    }
  }
}
