import { backoffMs, wait } from '../backoff.ts';
import type { ForwardOptions, ForwardTools } from '../forward.ts';
import type { DeadLetter, Order, Revived } from '../types.ts';
import { newBell } from './bell.ts';
import { record } from './record.ts';
import { replay } from './replay.ts';
import { type Entry, newEntry } from './window.ts';

export interface Ordering {
  /** Hands events to the loop, which sends them when the live log has nothing to send. */
  submit(entries: readonly Entry[]): void;
  readonly stop: AbortSignal;
  /** Resolves after `stop`, once no delivery is in flight: what those settled is still recorded. */
  readonly landed: Promise<void>;
}

const LOOK_EVERY_MS = 500;
const RECORD_EVERY_MS = 1_000;

/** Does what operators have ordered for one sink, one order after the other, until `stop`. Never rejects. */
export async function runOrders(tools: ForwardTools, options: ForwardOptions, on: Ordering): Promise<void> {
  const { name } = options;
  for (let attempt = 0; !on.stop.aborted; ) {
    try {
      const [order] = await tools.spool.orders(name);
      if (order?.kind === 'discard') await discard(tools, order);
      else if (order?.kind === 'replay') await replay(tools, options, order, on);
      else if (order) await revive(tools, options, order, on);
      else await wait(LOOK_EVERY_MS, on.stop);
      attempt = 0;
    } catch (error) {
      tools.tell({ what: 'spool_error', doing: `carrying out an order for ${name}`, error: (error as Error).message });
      await wait(backoffMs(attempt++), on.stop);
    }
  }
}

async function discard({ spool, tell }: ForwardTools, order: Order): Promise<void> {
  const discarded = await spool.discard(order.id);
  tell({ what: 'order', sink: order.sink, order: { ...order, discarded } });
}

/** Delivers dead letters, mapped anew. Each is recorded as it is settled, so a crash repeats only what was not. */
async function revive(tools: ForwardTools, options: ForwardOptions, order: Order, on: Ordering): Promise<void> {
  let { after, delivered, refused } = order;
  for (;;) {
    const letters = await some(tools, { ...order, after }, options.maxEvents);
    const last = letters.at(-1)?.id;
    for await (const part of settle(tools, options, letters, on)) {
      delivered += part.delivered.length;
      refused += part.refused.length;
      const revived = { ...part, after, finished: false };
      await record(tools.tell, order.sink, on.stop, () => tools.spool.revive(order.id, revived));
    }
    if (on.stop.aborted && last !== undefined) return;
    after = last ?? order.upTo;
    await tools.spool.revive(order.id, { after, delivered: [], refused: [], finished: last === undefined });
    if (last === undefined)
      return tools.tell({ what: 'order', sink: order.sink, order: { ...order, delivered, refused } });
  }
}

/** The next dead letters that an order is about. */
async function some({ spool }: ForwardTools, order: Order, count: number): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  for await (const letter of spool.deadLetters({ ...order.filter, sink: order.sink, after: order.after })) {
    if (letter.id > order.upTo || letters.length === count) break;
    letters.push(letter);
  }
  return letters;
}

type Part = Pick<Revived, 'delivered' | 'refused'>;

/** Yields what the sink has made of them, about once a second, until all are settled or the loop has ended. */
async function* settle(
  tools: ForwardTools,
  options: ForwardOptions,
  letters: readonly DeadLetter[],
  { submit, stop, landed }: Ordering,
): AsyncGenerator<Part> {
  const bell = newBell();
  let open = letters.length;
  let [delivered, refused]: [number[], { id: number; reason: string }[]] = [[], []];
  const entries = letters.flatMap(({ id, activity, damaged }) => {
    const settled = (reason?: string) => {
      if (reason === undefined) delivered.push(id);
      else refused.push({ id, reason });
      open -= 1;
      if (open === 0) bell.ring();
    };
    if (damaged !== undefined) {
      settled(damaged);
      return [];
    }
    const event = tools.normalize.one(activity);
    const selected = options.selects(event);
    if (!selected) settled('left out by only or except of this sink');
    return [newEntry(event, selected, settled)];
  });
  submit(entries);
  while (open > 0 && !stop.aborted) {
    await bell.heard(RECORD_EVERY_MS, stop);
    if (stop.aborted) await landed;
    if (delivered.length + refused.length > 0) yield { delivered, refused };
    [delivered, refused] = [[], []];
  }
  if (delivered.length + refused.length > 0) yield { delivered, refused };
}
