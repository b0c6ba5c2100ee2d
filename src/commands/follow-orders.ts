import { setTimeout as sleep } from 'node:timers/promises';
import type { SpoolReader } from '../spool.ts';
import type { Order } from '../types.ts';
import { decimal, replayWords } from '../words.ts';
import { jsonLine, print, remark } from './print.ts';
import { newProgress } from './progress.ts';

const LOOK_EVERY_MS = 250;
/** A running process looks for orders every half second. */
const GRACE_MS = 3_000;
/** Whoever waits this long for nothing is told why that may be. */
const REMIND_AFTER_MS = 10_000;
const NOT_BEGUN =
  'not begun yet: live events go first, and a sink that is down takes nothing (`mosaic-siem status`); the order stays in the spool if you end this';

interface Following {
  readonly running: 'yes' | 'no' | 'unknown';
  readonly json: boolean;
  /** What the orders are about, all together. */
  readonly total: number;
  readonly remindAfterMs?: number;
}

/**
 * Prints what became of each order. While a process runs it waits until all are done; while none does it waits for nothing;
 * while that is unknown it gives a process 3 s to take them up.
 */
export async function followOrders(
  reader: Pick<SpoolReader, 'orders'>,
  ids: readonly number[],
  { running, json, total, remindAfterMs = REMIND_AFTER_MS }: Following,
): Promise<void> {
  const from = performance.now();
  let orders = await pick(reader, ids);
  const progress = newProgress();
  const taken = () => orders.some((order) => order.finishedAt || handled(order) > 0);
  const goOn = () => running === 'yes' || (running === 'unknown' && (taken() || performance.now() - from < GRACE_MS));
  let told = false;
  while (orders.some(({ finishedAt }) => !finishedAt) && goOn()) {
    await sleep(LOOK_EVERY_MS);
    orders = await pick(reader, ids);
    if (!told && !taken() && performance.now() - from > remindAfterMs) {
      told = true;
      progress.clear();
      remark(NOT_BEGUN);
    }
    progress.show(sum(orders, handled), total, 'events');
  }
  progress.clear();
  for (const order of orders) print(json ? jsonLine(rowOf(order)) : sentence(order));
}

async function pick(reader: Pick<SpoolReader, 'orders'>, ids: readonly number[]): Promise<Order[]> {
  return (await reader.orders()).filter(({ id }) => ids.includes(id));
}

function sum(orders: readonly Order[], of: (order: Order) => number): number {
  return orders.reduce((total, order) => total + of(order), 0);
}

function handled({ delivered, refused, filtered, discarded }: Order): number {
  return delivered + refused + filtered + discarded;
}

function rowOf(order: Order) {
  const { id, kind, sink, createdAt, finishedAt, delivered, refused, filtered, discarded, total, pagesGone } = order;
  const times = { created_at: createdAt.toISOString(), finished_at: finishedAt?.toISOString() ?? null };
  const row = { order: id, kind: kind === 'revive' ? 'replay' : kind, sink, ...times, delivered, refused };
  return kind === 'replay' ? { ...row, filtered, total, pages_gone: pagesGone } : { ...row, discarded };
}

function sentence(order: Order): string {
  const { id, kind, sink, delivered, refused, discarded, finishedAt } = order;
  const name = `order ${id} for sink ${sink}`;
  if (!finishedAt && kind === 'replay') return `${name}: the running process does it, or the next one`;
  if (!finishedAt)
    return `${name}: the running process does it, or the next one; \`mosaic-siem status\` shows the dead letters left`;
  if (kind === 'replay') return `${name} is done: ${replayWords(order)}`;
  if (kind === 'discard') return `${name} is done: ${decimal(discarded)} discarded`;
  const why = refused > 0 ? `; why: mosaic-siem dead-letters list --sink ${sink}` : '';
  return `${name} is done: ${decimal(delivered)} delivered, ${decimal(refused)} refused again${why}`;
}
