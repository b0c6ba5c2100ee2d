import type { DatabaseSync } from 'node:sqlite';
import type { DeadLetterFilter, NewOrder, Order, Revived } from '../types.ts';
import { statements, transact } from './database.ts';
import type { openDeadLetters } from './dead-letters.ts';

/** What operators have ordered. `revive` and `discardSome` run in the transactions of their caller. */
export function openOrders(db: DatabaseSync, letters: ReturnType<typeof openDeadLetters>, now: () => Date) {
  const sql = statements(db);

  /** It stands for the dead letters there are now: later ones are not touched. */
  function add({ kind, sink, filter }: NewOrder): number {
    const text = JSON.stringify(filter);
    return transact(
      db,
      'take an order',
      () =>
        sql.run`INSERT INTO orders (kind, sink, filter, created_at, done_to, up_to) VALUES (${kind},
        ${sink}, ${text}, ${now().getTime()}, ${filter.after ?? 0},
        (SELECT ifnull(max(id), 0) FROM dead_letters WHERE sink = ${sink}))`.id,
    );
  }

  /** By id. */
  function find({ id = null, waitingFor = null }: { id?: number | null; waitingFor?: string | null }): Order[] {
    const rows = sql.all<OrderRow>`SELECT id, kind, sink, filter, created_at AS createdAt, finished_at AS finishedAt,
      done_to AS after, up_to AS upTo, delivered, refused, discarded FROM orders
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

  /** The next 100 at most. Finishes the order when none is left. */
  function discardSome({ id, sink, filter, after, upTo }: Order): void {
    const found = letters.matching({ ...filter, sink, after }, upTo);
    for (const letter of found) letters.remove(letter.id, sink, 'discarded');
    sql.run`UPDATE orders SET done_to = ${found.at(-1)?.id ?? upTo}, discarded = discarded + ${found.length},
      finished_at = ${found.length > 0 ? null : now().getTime()} WHERE id = ${id}`;
  }

  return { add, all, unfinished, one, revive, discardSome };
}

/** As stored: times are in ms since 1970. */
type OrderRow = Omit<Order, 'filter' | 'createdAt' | 'finishedAt'> & {
  readonly filter: string;
  readonly createdAt: number;
  readonly finishedAt: number | null;
};

function toOrder({ filter, createdAt, finishedAt, ...row }: OrderRow): Order {
  return {
    ...row,
    filter: JSON.parse(filter) as DeadLetterFilter,
    createdAt: new Date(createdAt),
    ...(finishedAt !== null && { finishedAt: new Date(finishedAt) }),
  };
}
