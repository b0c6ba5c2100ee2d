import assert from 'node:assert/strict';
import type { Page, SinkReport, Spool } from '../../src/types.ts';
import { booksOf, difference } from '../fixtures/spool.ts';
import { orderOf, type SpoolReference } from './spool-reference.ts';

/** All that a spool shows, against the reference. */
export async function compare(spool: Spool, reference: SpoolReference): Promise<void> {
  const report = await spool.report();
  reference.flush();
  const pages = await readAll(spool);
  const numbers = reference.kept.map(({ number }) => number);
  assert.deepEqual(
    pages.map(({ number }) => number),
    numbers,
    'the pages that are kept',
  );
  for (const page of pages) comparePage(page, reference);
  await compareBooks(spool, reference);
  compareSinks(report.sinks, reference);
  const gaps = report.gaps.map(({ stream, reason, count }) => [`${stream} ${reason}`, count] as const);
  assert.deepEqual(new Map(gaps), reference.gaps, 'possible gaps');
  assert.deepEqual(report.orders.map(orderOf), reference.orders, 'orders');
  await compareLetters(spool, reference);
}

export function comparePage(page: Page, reference: SpoolReference): void {
  const expected = reference.page(page.number);
  assert.ok(expected.kept, `page ${page.number} was dropped`);
  assert.equal(page.damaged !== undefined, expected.damaged, `damage of page ${page.number}`);
  assert.equal(page.stream, expected.stream);
  assert.equal(page.partial, expected.partial);
  assert.equal(page.receivedAt.getTime(), expected.receivedAt);
  assert.equal(page.collected, expected.collected, `what collect counted in page ${page.number}`);
  assert.ok(expected.damaged || Buffer.from(page.body).equals(expected.body), `bytes of page ${page.number}`);
}

export async function readAll(spool: Spool): Promise<Page[]> {
  const { pages } = await spool.report();
  const found: Page[] = [];
  for (let number = 1; found.length < pages; number = (found.at(-1)?.number ?? 0) + 1) {
    found.push(await spool.read({ page: number, index: 0 }, AbortSignal.timeout(5_000)));
  }
  return found;
}

async function compareBooks(spool: Spool, reference: SpoolReference): Promise<void> {
  const rows = await booksOf(spool);
  const plain = rows.map((row) => ({ ...row, hour: row.hour.getTime() }));
  assert.deepEqual(plain, reference.books(), 'books');
  if (reference.kept.some(({ stored }) => !stored)) return;
  for (const row of rows) assert.equal(difference(row), 0, `does not add up: ${JSON.stringify(row)}`);
}

function compareSinks(sinks: readonly SinkReport[], reference: SpoolReference): void {
  const rows = reference.books();
  const sorted = [...reference.sinks].sort(([one], [other]) => (one < other ? -1 : 1));
  const expected = sorted.map(([sink, { configured, cursor, delivered, filtered }]) => {
    const sum = (key: 'collected' | 'discarded' | 'damaged' | 'waiting') =>
      rows.filter((row) => row.sink === sink).reduce((total, row) => total + row[key], 0);
    const [collected, discarded, damaged, waiting] = [
      sum('collected'),
      sum('discarded'),
      sum('damaged'),
      sum('waiting'),
    ];
    const deadLetters = reference.letters.filter((one) => one.sink === sink).length;
    return { sink, configured, cursor, collected, waiting, delivered, filtered, deadLetters, discarded, damaged };
  });
  const shown = sinks.map(({ waitingSince: _, ...sink }) => sink);
  assert.deepEqual(shown, expected, 'sinks');
}

async function compareLetters(spool: Spool, reference: SpoolReference): Promise<void> {
  const letters = await Array.fromAsync(spool.deadLetters({}));
  const shown = letters.map(({ id, sink, eventId, reason, activity }) => {
    const { page, index } = activity.position;
    return { id, sink, eventId, reason, page, index, raw: Buffer.from(activity.raw).toString() };
  });
  assert.deepEqual(shown, reference.letters, 'dead letters, with their activities');
}
