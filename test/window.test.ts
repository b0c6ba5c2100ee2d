import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Entry, newEntry, Window } from '../src/forward/window.ts';
import type { SecurityEvent, Settled } from '../src/types.ts';
import { someEvent } from './fixtures/plain.ts';

function events(page: number, count: number): SecurityEvent[] {
  return Array.from({ length: count }, (_, index) => someEvent(`event-${page}-${index}`));
}

/** A small linear congruential generator: the same seed gives the same run. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

for (let seed = 1; seed <= 20; seed += 1) {
  test(`whatever happens to the events, the books of each page add up and the cursor only grows (seed ${seed})`, () => {
    const random = chance(seed);
    const window = new Window();
    const sizes = Array.from({ length: 30 }, () => Math.floor(random() * 40));
    sizes.forEach((size, page) => {
      const entries = events(page, size).map((event) => newEntry(event, random() < 0.8));
      // Some pages come in two parts.
      const cut = page % 3 === 0 ? Math.floor(random() * (size + 1)) : 0;
      if (cut > 0) window.addPage(page, 0, entries.slice(0, cut), { last: false });
      window.addPage(page, cut, entries.slice(cut));
    });
    const books: Settled[] = [];
    let [now, last] = [0, -1];
    for (let step = 0; window.length > 0 || window.open > 0 || step === 0; step += 1) {
      assert.ok(step < 5_000, 'it comes to an end');
      now += 10;
      for (const entry of window.take({ events: 1 + Math.floor(random() * 20), bytes: 1e9 }, now))
        happen(window, entry, random(), now);
      const moved = window.advance();
      if (!moved) continue;
      const at = moved.cursor.page * 1_000 + moved.cursor.index;
      assert.ok(at > last, `${at} after ${last}`);
      last = at;
      books.push(...moved.settled);
    }
    sizes.forEach((size, page) => {
      const sums = books.filter((book) => book.page === page);
      const total = sums.reduce((sum, { delivered, filtered, dead }) => sum + delivered + filtered + dead.length, 0);
      assert.equal(total, size, `page ${page}`);
    });
    assert.deepEqual([window.open, window.openBytes, window.length, last], [0, 0, 0, 30_000]);
  });
}

function happen(window: Window, entry: Entry, dice: number, now: number): void {
  if (dice < 0.5) window.deliver(entry);
  else if (dice < 0.6) window.bury(entry, 'no');
  else if (dice < 0.8) window.putOff(entry, now + dice * 100);
  else window.giveBack([entry]);
}

test('a batch keeps both bounds, but one event alone may be larger than a batch', () => {
  const window = new Window();
  window.addPage(
    1,
    0,
    events(1, 10).map((event) => newEntry(event, true)),
  );
  const size = someEvent('event-1-0').json.length;
  assert.equal(window.take({ events: 4, bytes: 1e9 }, 0).length, 4);
  assert.equal(window.take({ events: 4, bytes: 2 * size }, 0).length, 2);
  assert.equal(window.take({ events: 4, bytes: 1 }, 0).length, 1);
});

test('events of an order are sent when the live log has none, and are no part of its books', () => {
  const window = new Window();
  const settled: (string | undefined)[] = [];
  const [first, second] = events(9, 2).map((event) => newEntry(event, true, (refused) => settled.push(refused)));
  window.addOrder([first as Entry, second as Entry]);
  window.addPage(
    1,
    0,
    events(1, 1).map((event) => newEntry(event, true)),
  );
  const live = window.take({ events: 10, bytes: 1e9 }, 0);
  assert.equal(live.length, 1);
  assert.deepEqual(window.take({ events: 10, bytes: 1e9 }, 0), [first, second]);
  window.deliver(first as Entry);
  window.bury(second as Entry, 'still no');
  window.deliver(live[0] as Entry);
  assert.deepEqual(settled, [undefined, 'still no']);
  assert.deepEqual(window.advance()?.settled, [{ page: 1, delivered: 1, filtered: 0, dead: [], damaged: 0 }]);
});

test('100,000 events behind an open one, of which 3 % are put off, cost little', () => {
  const window = new Window();
  for (let page = 1; page <= 100; page += 1) {
    window.addPage(
      page,
      0,
      events(page, 1_000).map((event) => newEntry(event, true)),
    );
  }
  const [head] = window.take({ events: 1, bytes: 1e9 }, 0);
  const from = performance.now();
  for (
    let batch = window.take({ events: 500, bytes: 1e9 }, 0);
    batch.length > 0;
    batch = window.take({ events: 500, bytes: 1e9 }, 0)
  ) {
    for (const [index, entry] of batch.entries()) {
      if (index % 33 === 0) window.putOff(entry, 1e6);
      else window.deliver(entry);
    }
    window.advance();
  }
  assert.ok(performance.now() - from < 3_000, `${performance.now() - from} ms for 100,000 events`);
  window.deliver(head as Entry);
  assert.equal(window.advance()?.cursor.page, 1);
});

test('an event that is put off or buried keeps its own bytes, and not those of its page', () => {
  const body = Buffer.alloc(1_000_000, ' ');
  const some = someEvent('some');
  const bytes = Buffer.from(some.source.raw);
  body.set(bytes, 500_000);
  const raw = body.subarray(500_000, 500_000 + bytes.length);
  const window = new Window();
  window.addPage(
    1,
    0,
    [1, 2].map(() => newEntry({ ...some, source: { ...some.source, raw } }, true)),
  );
  const [late, refused] = window.take({ events: 2, bytes: 1e9 }, 0) as [Entry, Entry];
  window.putOff(late, 10);
  window.bury(refused, 'no');
  for (const source of [late.event.source, refused.slot.dead?.activity]) {
    assert.deepEqual(source && Buffer.from(source.raw), bytes);
    assert.equal(source?.raw.buffer.byteLength, bytes.length);
    assert.deepEqual({ ...source, raw }, { ...some.source, raw });
  }
});

/** A window of `count` events in pages of 10, and which of them are in the next batches. */
function numbered(count: number) {
  const window = new Window();
  for (let page = 0; page * 10 < count; page += 1) {
    window.addPage(
      page,
      0,
      events(page, 10).map((event, index) => newEntry({ ...event, id: `${page * 10 + index}` }, true)),
    );
  }
  const take = (most: number, now = 0) => window.take({ events: most, bytes: 1e9 }, now);
  return { window, take };
}
const numbersOf = (batch: readonly Entry[]) => batch.map(({ event }) => Number(event.id));
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

test('batches that come back are sent again in the order of the log, in whatever order they come back', () => {
  const { window, take } = numbered(60);
  const [first, second, third, fourth] = [take(10), take(10), take(10), take(10)];
  for (const batch of [third, first, fourth, second]) window.giveBack(batch);
  assert.deepEqual(numbersOf(take(100)), upTo(60));
});

test('what comes back in pieces, or after it was put off or held, takes its place in the log again', () => {
  const { window, take } = numbered(40);
  const [first, second, third] = [take(10), take(10), take(10)] as [Entry[], Entry[], Entry[]];
  for (const entry of first.slice(3, 6)) window.putOff(entry, 5);
  window.giveBack(third);
  window.giveBack(second.filter((_, index) => index % 2 === 1));
  const again = take(3, 10);
  assert.deepEqual(numbersOf(again), [3, 4, 5], 'what is due again goes first');
  window.giveBack([again[2] as Entry, ...second.filter((_, index) => index % 2 === 0), again[0] as Entry]);
  window.giveBack([again[1] as Entry, ...first.slice(6), ...first.slice(0, 3)]);
  assert.deepEqual(numbersOf(take(100)), upTo(40));
});

test('what is asked again goes last, and takes half of a batch where there is more', () => {
  const { window, take } = numbered(40);
  const first = take(10);
  for (const entry of first) {
    entry.againAt = 0;
    window.askAgain(entry, 5);
  }
  assert.deepEqual([window.nextDueAt, numbersOf(take(2, 4))], [5, [10, 11]]);
  const batch = take(8, 5);
  assert.deepEqual(numbersOf(batch), [12, 13, 14, 15, 0, 1, 2, 3]);
  window.giveBack(batch);
  assert.deepEqual(numbersOf(take(40, 5)), [...upTo(40).slice(12), 4, 5, 6, 7, 8, 9, 0, 1, 2, 3]);
});

test('one event is taken from anywhere in the log', () => {
  const { window, take } = numbered(40);
  const picked = Array.from({ length: 20 }, () => numbersOf(window.takeOne())[0] as number);
  assert.notDeepEqual(picked, upTo(20));
  assert.deepEqual(
    [...picked, ...numbersOf(take(100))].sort((a, b) => a - b),
    upTo(40),
  );
  assert.deepEqual(window.takeOne(), []);
});

test('events of an order that come back keep their order too, behind the live ones', () => {
  const { window, take } = numbered(10);
  const letters = events(9, 6).map((event, index) => newEntry({ ...event, id: `${100 + index}` }, true, () => {}));
  window.addOrder(letters);
  const [live, some, others] = [take(10), take(3), take(3)];
  window.giveBack(others);
  window.giveBack([...some, ...live]);
  assert.deepEqual(numbersOf(take(100)), upTo(10));
  assert.deepEqual(numbersOf(take(100)), [100, 101, 102, 103, 104, 105]);
});

test('200 batches of 500 that come back one after the other cost little', () => {
  const { window, take } = numbered(100_000);
  const batches = Array.from({ length: 200 }, () => take(500));
  const from = performance.now();
  for (const batch of batches) window.giveBack(batch);
  assert.ok(performance.now() - from < 3_000, `${performance.now() - from} ms for 100,000 events`);
  assert.ok(numbersOf(take(100_000)).every((number, index) => number === index));
});
