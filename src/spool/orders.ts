import type { DatabaseSync } from 'node:sqlite';
import type { DeadLetterFilter, NewOrder, Order, Revived } from '../types.ts';
import { statements, transact } from './database.ts';
import type { openDeadLetters } from './dead-letters.ts';
import type { openReplays } from './replays.ts';

/** What operators have ordered. `revive` and `discardSome` run in the transactions of their caller. */
export function openOrders(
  db: DatabaseSync,
  letters: ReturnType<typeof openDeadLetters>,
  replays: Pick<ReturnType<typeof openReplays>, 'add'>,
  now: () => Date,
) {
  const sql = statements(db);

  function add(order: NewOrder): number {
    return transact(db, 'take an order', () => (order.kind === 'replay' ? replays.add(order) : ofLetters(order)));
  }

  /** It stands for the dead letters there are now: later ones are not touched. */
  function ofLetters({ kind, sink, filter }: Exclude<NewOrder, { kind: 'replay' }>): number {
    const text = JSON.stringify(filter);
    return sql.run`INSERT INTO orders (kind, sink, filter, created_at, done_to, up_to) VALUES (${kind},
      ${sink}, ${text}, ${now().getTime()}, ${filter.after ?? 0},
      (SELECT ifnull(max(id), 0) FROM dead_letters WHERE sink = ${sink}))`.id;
  }

  /** By id. */
  function find({ id = null, waitingFor = null }: { id?: number | null; waitingFor?: string | null }): Order[] {
    const rows = sql.all<OrderRow>`SELECT id, kind, sink, filter, created_at AS createdAt, finished_at AS finishedAt,
      done_to AS after, up_to AS upTo, total, delivered, refused, filtered, discarded FROM orders
      WHERE (${id} IS NULL OR id = ${id}) AND (${waitingFor} IS NULL OR (sink = ${waitingFor} AND finished_at IS NULL))
      ORDER BY id`;
    return rows.map(toOrder);
  }

  /** Finished ones are the record of what was done. */
  function all(): Order[] {
    return find({});
  }

  /** Asked twice a second by each sink: the record of what is finished is not read for it. */
  function unfinished(sink: string): Order[] {
    return find({ waitingFor: sink });
  }

  function one(id: number): Order {
    const [order] = find({ id });
    if (!order) throw new Error(`the spool has no order ${id}`);
    return order;
  }

  function revive(id: number, { after, delivered, refused, finished }: Revived): void {
    const { sink } = one(id);
    const gone = delivered.filter((letter) => letters.remove(letter, sink, 'delivered')).length;
    for (const { id: letter, reason } of refused) letters.refuse(letter, sink, reason);
    sql.run`UPDATE sinks SET delivered = delivered + ${gone} WHERE sink = ${sink}`;
    sql.run`UPDATE orders SET done_to = max(done_to, ${after}), delivered = delivered + ${gone},
      refused = refused + ${refused.length}, finished_at = ${finished ? now().getTime() : null} WHERE id = ${id}`;
  }

  /** The next 100 at most. Finishes the order when none is left. Which they were is kept as long as their pages are. */
  function discardSome({ id, sink, filter, after, upTo }: Order): void {
    const found = letters.matching({ ...filter, sink, after }, upTo);
    for (const letter of found) {
      letters.remove(letter.id, sink, 'discarded');
      sql.run`INSERT OR IGNORE INTO wanted SELECT ${id}, number, ${letter.position} FROM pages WHERE number = ${letter.page}`;
    }
    sql.run`UPDATE orders SET done_to = ${found.at(-1)?.id ?? upTo}, discarded = discarded + ${found.length},
      finished_at = ${found.length > 0 ? null : now().getTime()} WHERE id = ${id}`;
  }

  return { add, all, unfinished, one, revive, discardSome };
}

/** As stored: times are in ms since 1970, and `discarded` of a replay counts the pages that it did not find. */
type OrderRow = Omit<Order, 'filter' | 'span' | 'createdAt' | 'finishedAt' | 'pagesGone'> & {
  readonly filter: string;
  readonly createdAt: number;
  readonly finishedAt: number | null;
};

function toOrder({ filter, createdAt, finishedAt, discarded, ...row }: OrderRow): Order {
  const times = { createdAt: new Date(createdAt), ...(finishedAt !== null && { finishedAt: new Date(finishedAt) }) };
  if (row.kind !== 'replay')
    return { ...row, ...times, filter: JSON.parse(filter) as DeadLetterFilter, discarded, pagesGone: 0 };
  const { from, to } = JSON.parse(filter) as { readonly from: number; readonly to: number };
  const span = { from: new Date(from), to: new Date(to) };
  return { ...row, ...times, filter: {}, span, discarded: 0, pagesGone: discarded };
}
