import { wait } from './backoff.ts';
import { type Answer, ask, asUnavailable, type Tried } from './forward/answer.ts';
import { newBell, unlessAborted } from './forward/bell.ts';
import { Blame } from './forward/blame.ts';
import { runOrders } from './forward/orders.ts';
import { Pace } from './forward/pace.ts';
import { Progress } from './forward/progress.ts';
import { readAhead } from './forward/read-ahead.ts';
import { type Entry, Window } from './forward/window.ts';
import type { Tell } from './news.ts';
import { Unavailable } from './sink.ts';
import type { Normalize, Orders, SecurityEvent, Sink, Spool } from './types.ts';

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
  readonly spool: Pick<Spool, 'read' | 'cursor' | 'commit' | 'deadLetters'> & Omit<Orders, 'order'>;
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

const IDLE_MS = 1_000;
/** Longer than a sink that works takes for a delivery; some wait for minutes, as for an acknowledgement that died with its server. */
const HANGS_MS = 30_000;
const CLOSE_WITHIN_MS = 3_000;

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
  readonly #pace: Pace;
  readonly #progress: Progress;
  readonly #bell = newBell();
  readonly #room = newBell();
  #sink: Sink | undefined;
  #openFailed = false;
  #reopenWanted = false;
  /** Batches in flight, and since when (ms of the clock). */
  readonly #flying = new Map<readonly Entry[], number>();
  #testing = false;

  constructor(tools: ForwardTools, options: ForwardOptions, signals: Signals) {
    this.#tools = tools;
    this.#options = options;
    this.#signals = signals;
    this.#blame = new Blame(this.#window, options.maxBytes, tools.clock);
    this.#pace = new Pace(options, tools.clock);
    this.#progress = new Progress(tools, options.name, this.#window, signals.abort);
  }

  async run(): Promise<void> {
    const { stop, abort } = this.#signals;
    const reading = readAhead(this.#tools, this.#options, this.#window, {
      arrived: () => this.#bell.ring(),
      room: this.#room,
      further: () => this.#blame.suspected,
      stop,
    });
    const { promise: landed, resolve: land } = Promise.withResolvers<void>();
    const submit = (entries: readonly Entry[]) => this.#submit(entries);
    const ordering = runOrders(this.#tools, this.#options, { submit, stop, landed });
    while (!stop.aborted) await this.#bell.heard(await this.#step(), stop);
    while ((this.#flying.size > 0 || this.#progress.saving) && !abort.aborted) await this.#bell.heard(IDLE_MS, abort);
    land();
    await Promise.all([reading, ordering, this.#close()]);
  }

  async reopen(): Promise<void> {
    await this.#sink?.reopen?.();
  }

  #submit(entries: readonly Entry[]): void {
    this.#window.addOrder(entries);
    this.#bell.ring();
  }

  /** Does what can be done now; how long (ms) until something may be due. */
  async #step(): Promise<number> {
    if (this.#testing) return IDLE_MS;
    if (this.#reopenWanted && this.#flying.size === 0) await this.#close();
    if (this.#pace.pausedMs === 0) this.#blame.whenQuiet();
    if (this.#pace.pausedMs === 0 && this.#blame.suspected) {
      if (this.#pace.limitedMs > 0) return this.#pace.limitedMs;
      if (this.#flying.size === 0 && (await this.#opened())) void this.#tryHeld();
      return IDLE_MS;
    }
    void this.#save();
    while (this.#maySend()) {
      if (this.#pace.limitedMs > 0) return this.#pace.limitedMs;
      if (!(await this.#opened())) break;
      const batch = this.#next();
      const now = this.#tools.clock();
      if (batch.length === 0) return Math.min(IDLE_MS, Math.max(1, this.#window.nextDueAt - now));
      void this.#send(batch);
    }
    return this.#pace.pausedMs || IDLE_MS;
  }

  #maySend(): boolean {
    if (this.#signals.stop.aborted || this.#reopenWanted || this.#blame.suspected) return false;
    const recently = this.#tools.clock() - HANGS_MS;
    const young = [...this.#flying.values()].filter((from) => from > recently);
    const room = this.#flying.size < this.#options.concurrency && young.length < this.#pace.abreast;
    return this.#pace.pausedMs === 0 && room;
  }

  #next(): Entry[] {
    const room = { events: this.#pace.maxEvents, bytes: this.#blame.maxBytes };
    // Bad events often come in rows, and one spoils a batch at many a SIEM.
    const one = this.#blame.suspected ? this.#window.takeOne() : [];
    const batch = one.length > 0 ? one : (this.#blame.half() ?? this.#window.take(room, this.#tools.clock()));
    this.#pace.sent(batch.length);
    this.#room.ring();
    return batch;
  }

  async #send(batch: readonly Entry[]): Promise<void> {
    const tried = await this.#try(batch);
    if (this.#signals.abort.aborted) return;
    this.#judge(tried);
    await this.#save();
  }

  #judge(tried: Tried, wasHeld = false): void {
    const { batch } = tried;
    if (batch.length === 0) return;
    this.#flying.delete(batch);
    const { accepted, pause } = this.#blame.judge(tried, wasHeld);
    if (accepted) this.#pace.accepted(batch.length);
    if (accepted) this.#tools.tell({ what: 'sink_up', sink: this.#options.name });
    if (pause) this.#pause(pause, batch.length);
    this.#room.ring();
    this.#bell.ring();
  }

  /** While the sink is suspected: an event from behind, and if that is not accepted, what was refused. One accepted clears it. */
  async #tryHeld(): Promise<void> {
    this.#testing = true;
    const behind = await this.#try(this.#next());
    if (this.#signals.abort.aborted) return;
    this.#judge(behind);
    const goOn = this.#blame.suspected && !(behind.answer instanceof Unavailable) && !this.#signals.stop.aborted;
    const held = await this.#try(goOn ? this.#blame.takeHeld(this.#pace.maxEvents) : []);
    if (this.#signals.abort.aborted) return;
    this.#pace.sent(held.batch.length);
    this.#judge(held, true);
    if (this.#blame.suspected) this.#suspect();
    this.#testing = false;
    await this.#save();
  }

  #suspect(): void {
    const { reason, count } = this.#blame.suspicion;
    this.#tools.tell({ what: 'sink_suspected', sink: this.#options.name, held: count, reason });
    this.#pause(new Unavailable(reason));
  }

  /** In flight until it is judged. */
  async #try(batch: readonly Entry[]): Promise<Tried> {
    const { tell, clock } = this.#tools;
    const from = clock();
    if (batch.length === 0) return { batch, answer: [], from };
    this.#flying.set(batch, from);
    const events = batch.map(({ event }) => event);
    const answer = await ask(this.#sink as Sink, events, this.#signals.abort);
    const seconds = (clock() - from) / 1000;
    tell({ what: 'delivery', sink: this.#options.name, result: resultOf(answer), events: batch.length, seconds });
    return { batch, answer, from };
  }

  async #opened(): Promise<boolean> {
    if (this.#sink) return true;
    const { stop, abort } = this.#signals;
    const opening = Promise.resolve().then(() => this.#options.open(abort));
    try {
      this.#sink = await unlessAborted(opening, stop);
      if (this.#openFailed) this.#tools.tell({ what: 'sink_up', sink: this.#options.name });
      this.#openFailed = false;
    } catch (error) {
      if (stop.aborted) void opening.then((sink) => sink.close()).catch(() => undefined);
      this.#openFailed = true;
      this.#blame.trouble();
      if (!stop.aborted) this.#pause(asUnavailable(error));
    }
    return !this.#openFailed;
  }

  async #close(): Promise<void> {
    const sink = this.#sink;
    this.#sink = undefined;
    this.#reopenWanted = false;
    const closed = new AbortController();
    const closing = Promise.resolve(sink).then((open) => open?.close());
    await Promise.race([closing.catch(() => undefined), wait(CLOSE_WITHIN_MS, closed.signal)]);
    closed.abort();
  }

  #pause(cause: Unavailable, events = 0): void {
    if (cause.reopen) this.#reopenWanted = true;
    const waitMs = this.#pace.trouble(cause, events);
    if (this.#signals.abort.aborted) return;
    this.#tools.tell({ what: 'sink_down', sink: this.#options.name, reason: cause.message, waitMs });
  }

  async #save(): Promise<void> {
    if (!(await this.#progress.save())) return;
    this.#room.ring();
    this.#bell.ring();
  }
}

function resultOf(answer: Answer): 'ok' | 'partial' | 'refused' | 'unavailable' {
  if (answer instanceof Unavailable) return 'unavailable';
  if (!Array.isArray(answer)) return 'refused';
  return answer.every(({ status }) => status === 'delivered') ? 'ok' : 'partial';
}
