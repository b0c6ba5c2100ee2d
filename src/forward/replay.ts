import { backoffMs, wait } from '../backoff.ts';
import type { ForwardOptions, ForwardTools } from '../forward.ts';
import type { Order, Replayed, SecurityEvent } from '../types.ts';
import { newBell } from './bell.ts';
import type { Ordering } from './orders.ts';
import { type Entry, newEntry } from './window.ts';

const LOOK_EVERY_MS = 1_000;
/** Different reasons of refusals that are told with the end of a replay. */
const TOLD_REASONS = 3;

/** Some pages of a replay, one batch long or one page: what of them is to be sent, and up to which page they reach. */
interface Hand {
  readonly upTo: number;
  readonly events: readonly SecurityEvent[];
}
type Counts = Pick<Replayed, 'delivered' | 'refused' | 'filtered'>;

/**
 * Delivers pages that were delivered before, mapped anew. How far it has come is stored hand by hand, so a crash repeats the
 * hand that was under way and no more. What is refused was settled before: it is counted and told, and becomes no dead letter.
 */
export async function replay(tools: ForwardTools, options: ForwardOptions, order: Order, on: Ordering): Promise<void> {
  const reasons = new Set<string>();
  let { after, delivered, refused, filtered } = order;
  for (
    let hand = await nextHand(tools, options, order, after);
    hand;
    hand = await nextHand(tools, options, order, after)
  ) {
    const counts = await send(options, hand.events, on, reasons);
    if (!counts) return;
    after = hand.upTo;
    await record(tools, order, { ...counts, after, finished: false }, on.stop);
    delivered += counts.delivered;
    refused += counts.refused;
    filtered += counts.filtered;
    if (on.stop.aborted) return;
  }
  // A full spool may have taken pages from it meanwhile.
  const { pagesGone } = (await tools.spool.orders(order.sink)).find(({ id }) => id === order.id) ?? order;
  await record(tools, order, { ...NOTHING, after: order.upTo, finished: true }, on.stop);
  const done = { ...order, delivered, refused, filtered, pagesGone };
  tools.tell({ what: 'order', sink: order.sink, order: done, reasons: [...reasons] });
}

const NOTHING: Counts = { delivered: 0, refused: 0, filtered: 0 };

async function nextHand(
  { spool, normalize, tell }: ForwardTools,
  { name, maxEvents, maxBytes }: ForwardOptions,
  order: Order,
  after: number,
): Promise<Hand | undefined> {
  const events: SecurityEvent[] = [];
  let [upTo, bytes] = [after, 0];
  while (events.length < maxEvents && bytes < maxBytes) {
    const found = await spool.replayPage(order.id, upTo);
    if (!found) break;
    const { page, most, wants } = found;
    // The first page is taken whole; another one only where it fits into the same batch.
    if (events.length > 0 && events.length + most > maxEvents) break;
    upTo = page.number;
    if (page.damaged) tell({ what: 'damaged', sink: name, page: page.number, reason: page.damaged });
    const mapped = page.damaged ? [] : await normalize.page(page);
    const wanted = mapped.filter((_, index) => wants(index));
    for (const event of wanted) bytes += event.json.length;
    events.push(...wanted);
  }
  return upTo === after ? undefined : { upTo, events };
}

/** Undefined where the loop ended first. */
async function send(
  { selects, maxEvents, maxBytes }: ForwardOptions,
  events: readonly SecurityEvent[],
  { submit, stop, landed }: Ordering,
  reasons: Set<string>,
): Promise<Counts | undefined> {
  const bell = newBell();
  let [open, delivered, refused] = [0, 0, 0];
  const settled = (reason?: string) => {
    if (reason === undefined) delivered += 1;
    else refused += 1;
    if (reason !== undefined && reasons.size < TOLD_REASONS) reasons.add(reason);
    open -= 1;
    if (open === 0) bell.ring();
  };
  const selected = events.filter(selects);
  const entries = selected.map((event) => newEntry(event, true, settled));
  // Batch by batch, so that the loop never holds more of a replay than it sends at once.
  for (const part of batches(entries, maxEvents, maxBytes)) {
    if (stop.aborted) return undefined;
    open = part.length;
    submit(part);
    while (open > 0 && !stop.aborted) await bell.heard(LOOK_EVERY_MS, stop);
    if (open > 0) await landed;
    if (open > 0) return undefined;
  }
  return { delivered, refused, filtered: events.length - selected.length };
}

function* batches(entries: readonly Entry[], maxEvents: number, maxBytes: number): Generator<readonly Entry[]> {
  let [batch, bytes]: [Entry[], number] = [[], 0];
  for (const entry of entries) {
    const size = entry.event.json.length;
    if (batch.length === maxEvents || (batch.length > 0 && bytes + size > maxBytes)) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(entry);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** What a sink has taken is not sent again for a disk that could not be written: recording is repeated until it succeeds. */
async function record(tools: ForwardTools, { id, sink }: Order, done: Replayed, stop: AbortSignal): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await tools.spool.replayed(id, done);
    } catch (error) {
      tools.tell({ what: 'spool_error', doing: `recording an order for ${sink}`, error: (error as Error).message });
      if (stop.aborted) return;
      await wait(backoffMs(attempt), stop);
    }
  }
}
