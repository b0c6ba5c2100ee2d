import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Blame } from '../src/forward/blame.ts';
import { newEntry, Window } from '../src/forward/window.ts';
import { BatchRefused } from '../src/sink.ts';
import type { Outcome } from '../src/types.ts';
import { someEvent } from './fixtures/plain.ts';

const MINUTE_MS = 60_000;
const delivered: Outcome = { status: 'delivered' };

/** A window of one page whose events are taken and judged by hand, with a clock that the test moves. */
function bench(count: number, maxBytes = 1e6) {
  const clock = { now: 1_000 };
  const window = new Window();
  const blame = new Blame(window, maxBytes, () => clock.now);
  const page = (number: number, size: number) =>
    window.addPage(
      number,
      0,
      Array.from({ length: size }, (_, index) => newEntry(someEvent(`event-${number}-${index}`), true)),
    );
  page(1, count);
  const take = (most = 1_000) => window.take(most, blame.maxBytes, clock.now);
  return { clock, window, blame, page, take };
}

/** Puts the first event off, and lets one other pass, `tries` times over `minutes`. */
function putOffAgainAndAgain(tries: number, minutes: number, outcome: Outcome) {
  const it = bench(1);
  for (let attempt = 0; attempt < tries; attempt += 1) {
    it.page(2 + attempt, 1);
    const batch = it.take();
    assert.equal(batch.length, 2, `try ${attempt}`);
    it.blame.judge(
      batch,
      batch.map(({ event }) => (event.id === 'event-1-0' ? outcome : delivered)),
    );
    it.clock.now += Math.max(31_000, (minutes * MINUTE_MS) / (tries - 1));
  }
  return it.window.advance()?.settled[0]?.dead ?? [];
}

test('an event that is put off for 10 minutes and 20 tries while others pass is a dead letter, and not before', () => {
  const retry: Outcome = { status: 'retry', reason: '429 too many' };
  assert.deepEqual(
    putOffAgainAndAgain(20, 11, retry).map(({ reason }) => reason),
    ['stuck: 429 too many'],
  );
  assert.equal(putOffAgainAndAgain(18, 30, retry).length, 0, '18 tries in half an hour');
});

test('20 tries within 10 minutes do not make an event stuck', () => {
  const it = bench(1);
  for (let attempt = 0; attempt < 40; attempt += 1) {
    it.page(2 + attempt, 1);
    const batch = [...it.take()];
    it.blame.judge(
      batch,
      batch.map(({ event }) => (event.id === 'event-1-0' ? ({ status: 'retry', reason: 'busy' } as const) : delivered)),
    );
    it.clock.now += 14_000;
  }
  assert.equal(it.window.advance(), undefined);
});

test('what is held for a reason that is not its own is never stuck', () => {
  assert.equal(putOffAgainAndAgain(100, 100, { status: 'retry', reason: '403', held: true }).length, 0);
});

test('a batch that is too large halves the bound, which comes back after a while', () => {
  const size = someEvent('event-1-0').json.length;
  const it = bench(64, 64 * size);
  const refused = new BatchRefused('413', { tooLarge: true });
  it.blame.judge(it.take(), refused);
  const half = it.blame.maxBytes;
  assert.ok(half < 40 * size, `${half}`);
  it.clock.now += 9 * MINUTE_MS;
  assert.equal(it.blame.maxBytes, half);
  it.clock.now += 2 * MINUTE_MS;
  assert.ok(it.blame.maxBytes > half);
  it.clock.now += 60 * MINUTE_MS;
  assert.equal(it.blame.maxBytes, 64 * size);
});

test('what is held is tried within the bounds of a batch, and one by one once it was refused as a whole', () => {
  const it = bench(30);
  for (const entry of it.take()) it.blame.judge([entry], [{ status: 'rejected', reason: 'no' }]);
  assert.ok(it.blame.suspected);
  const held = it.blame.takeHeld(20);
  assert.equal(held.length, 20);
  it.blame.judge(held, new BatchRefused('400'), 'sink in doubt');
  assert.ok(it.blame.suspected);
  assert.equal(it.blame.takeHeld(20).length, 1);
  assert.equal(it.window.advance(), undefined, 'nobody is buried');
});

test('one event of what is held is accepted: the others are sent anew, and nobody is buried', () => {
  const it = bench(12);
  for (const entry of it.take()) it.blame.judge([entry], [{ status: 'rejected', reason: 'no' }]);
  it.blame.judge(it.blame.takeHeld(1), [delivered], 'sink in doubt');
  assert.ok(!it.blame.suspected);
  const again = it.take();
  assert.equal(again.length, 11);
  it.blame.judge(
    again,
    again.map(() => delivered),
  );
  assert.deepEqual(it.window.advance()?.settled, [{ page: 1, delivered: 12, filtered: 0, dead: [], damaged: 0 }]);
});

test('what is held and refused as a whole by a sink that works is halved, and each refusal is believed at once', () => {
  const it = bench(16);
  const all = it.take();
  for (const entry of all) it.blame.judge([entry], [{ status: 'rejected', reason: 'no' }]);
  it.blame.judge(it.blame.takeHeld(100), new BatchRefused('400'), 'sink works');
  for (let half = it.blame.half(); half; half = it.blame.half()) {
    const bad = half.some(({ event }) => event.id !== 'event-1-7');
    it.blame.judge(half, bad ? new BatchRefused('400 bad') : half.map(() => delivered));
  }
  const book = it.window.advance()?.settled[0];
  assert.deepEqual([book?.delivered, book?.dead.length], [1, 15]);
});
