import type { ForwardOptions, ForwardTools } from '../forward.ts';
import type { Order, Replayed, ReplayPage, SecurityEvent } from '../types.ts';
import { newBell } from './bell.ts';
import type { Ordering } from './orders.ts';
import { record } from './record.ts';
import { type Entry, newEntry } from './window.ts';

const LOOK_EVERY_MS = 1_000;
/** Also pages of which nothing is to be sent are done with. */
const RECORD_EVERY_MS = 1_000;
/** Different reasons of refusals that are told with the end of a replay. */
const TOLD_REASONS = 3;

/**
 * Delivers pages that were delivered before, mapped anew. How far it has come is stored once a page, or as many small ones as fit
 * into one batch, are settled; after a crash those that were under way are sent again, and no others. What is refused was
 * settled before: it is counted and told, and becomes no dead letter.
 */
export async function replay(tools: ForwardTools, options: ForwardOptions, order: Order, on: Ordering): Promise<void> {
  const sending = new Sending(options, on);
  const store = (done: Replayed) => record(tools.tell, order.sink, on.stop, () => tools.spool.replayed(order.id, done));
  const total = { delivered: order.delivered, refused: order.refused, filtered: order.filtered };
  let [upTo, recorded, recordedAt] = [order.after, order.after, tools.clock()];
  for (;;) {
    const found = await tools.spool.replayPage(order.id, upTo);
    const fits = found && sending.size + found.most <= options.maxEvents;
    if (upTo > recorded && (!fits || tools.clock() - recordedAt > RECORD_EVERY_MS)) {
      if (!(await sending.flush())) return;
      const counts = sending.take();
      await store({ ...counts, after: upTo, finished: false });
      for (const key of ['delivered', 'refused', 'filtered'] as const) total[key] += counts[key];
      [recorded, recordedAt] = [upTo, tools.clock()];
    }
    if (on.stop.aborted) return;
    if (!found) break;
    if (!(await enter(tools, options, found, sending))) return;
    upTo = found.page.number;
  }
  // A full spool may have taken pages from it meanwhile.
  const { pagesGone } = (await tools.spool.orders(order.sink)).find(({ id }) => id === order.id) ?? order;
  await store({ ...NOTHING, after: order.upTo, finished: true });
  const done = { ...order, ...total, pagesGone };
  tools.tell({ what: 'order', sink: order.sink, order: done, reasons: [...sending.reasons] });
}

type Counts = Pick<Replayed, 'delivered' | 'refused' | 'filtered'>;
const NOTHING: Counts = { delivered: 0, refused: 0, filtered: 0 };

/** False where the loop ended first. */
async function enter(
  { normalize, tell }: ForwardTools,
  { name }: ForwardOptions,
  { page, wants }: ReplayPage,
  sending: Sending,
): Promise<boolean> {
  if (page.damaged) {
    tell({ what: 'damaged', sink: name, page: page.number, reason: page.damaged });
    return true;
  }
  for await (const { events } of normalize.parts(page)) {
    for (const event of events) {
      if (wants(event.source.position.index) && !(await sending.add(event))) return false;
    }
  }
  return true;
}

/** Hands events of a replay to the loop, a batch at a time, so that it never holds more of them than it sends at once. */
class Sending {
  readonly reasons = new Set<string>();
  readonly #options: Pick<ForwardOptions, 'selects' | 'maxEvents' | 'maxBytes'>;
  readonly #on: Ordering;
  readonly #bell = newBell();
  #batch: Entry[] = [];
  #bytes = 0;
  #open = 0;
  #counts: { -readonly [key in keyof Counts]: number } = { ...NOTHING };

  constructor(options: Pick<ForwardOptions, 'selects' | 'maxEvents' | 'maxBytes'>, on: Ordering) {
    this.#options = options;
    this.#on = on;
  }

  /** Events that are not handed over yet. */
  get size(): number {
    return this.#batch.length;
  }

  /** False where the loop ended first. */
  async add(event: SecurityEvent): Promise<boolean> {
    const { selects, maxEvents, maxBytes } = this.#options;
    if (!selects(event)) {
      this.#counts.filtered += 1;
      return true;
    }
    const bytes = event.json.length;
    const full = this.#batch.length >= maxEvents || (this.#batch.length > 0 && this.#bytes + bytes > maxBytes);
    if (full && !(await this.flush())) return false;
    this.#batch.push(newEntry(event, true, (reason) => this.#settled(reason)));
    this.#bytes += bytes;
    return true;
  }

  /** Resolves once all that was added is settled; with false where the loop ended first. */
  async flush(): Promise<boolean> {
    const { submit, stop, landed } = this.#on;
    if (stop.aborted) return this.#batch.length === 0;
    this.#open = this.#batch.length;
    if (this.#open > 0) submit(this.#batch);
    [this.#batch, this.#bytes] = [[], 0];
    while (this.#open > 0 && !stop.aborted) await this.#bell.heard(LOOK_EVERY_MS, stop);
    if (this.#open > 0) await landed;
    return this.#open === 0;
  }

  /** What became of all since the last time. */
  take(): Counts {
    const counts = this.#counts;
    this.#counts = { ...NOTHING };
    return counts;
  }

  #settled(reason: string | undefined): void {
    this.#counts[reason === undefined ? 'delivered' : 'refused'] += 1;
    if (reason !== undefined && this.reasons.size < TOLD_REASONS) this.reasons.add(reason);
    this.#open -= 1;
    if (this.#open === 0) this.#bell.ring();
  }
}
