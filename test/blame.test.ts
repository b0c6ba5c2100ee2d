import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from '../src/forward/answer.ts';
import { Blame } from '../src/forward/blame.ts';
import { type Entry, newEntry, Window } from '../src/forward/window.ts';
import { BatchRefused, Unavailable } from '../src/sink.ts';
import type { Outcome } from '../src/types.ts';
import { someEvent } from './fixtures/plain.ts';

const MINUTE_MS = 60_000;
const delivered: Outcome = { status: 'delivered' };
const no: Outcome = { status: 'rejected', reason: 'no' };

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
  const take = (most = 1_000) => window.take({ events: most, bytes: blame.maxBytes }, clock.now);
  /** What came of a delivery that took no time, or that began at `from`. */
  const judge = (batch: readonly Entry[], answer: Answer, { wasHeld = false, from = clock.now } = {}) =>
    blame.judge({ batch, answer, from }, wasHeld);
  const refuseAll = (batch: readonly Entry[]) =>
    judge(
      batch,
      batch.map(() => no),
    );
  return { clock, window, blame, page, take, judge, refuseAll };
}

/** Puts the first event off, and lets one other pass, `tries` times over `minutes`. */
function putOffAgainAndAgain(tries: number, minutes: number, outcome: Outcome) {
  const it = bench(1);
  for (let attempt = 0; attempt < tries; attempt += 1) {
    it.page(2 + attempt, 1);
    const batch = it.take();
    assert.equal(batch.length, 2, `try ${attempt}`);
    it.judge(
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
    it.judge(
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
  it.judge(it.take(), refused);
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
  for (const entry of it.take()) it.judge([entry], [{ status: 'rejected', reason: 'no' }]);
  assert.ok(it.blame.suspected);
  const held = it.blame.takeHeld(20);
  assert.equal(held.length, 20);
  it.judge(held, new BatchRefused('400'), { wasHeld: true });
  assert.ok(it.blame.suspected);
  assert.equal(it.blame.takeHeld(20).length, 1);
  assert.equal(it.window.advance(), undefined, 'nobody is buried');
});

test('one event of what is held is accepted: the others are sent anew, and nobody is buried', () => {
  const it = bench(12);
  for (const entry of it.take()) it.judge([entry], [{ status: 'rejected', reason: 'no' }]);
  it.judge(it.blame.takeHeld(1), [delivered], { wasHeld: true });
  assert.ok(!it.blame.suspected);
  const again = it.take();
  assert.equal(again.length, 11);
  it.judge(
    again,
    again.map(() => delivered),
  );
  assert.deepEqual(it.window.advance()?.settled, [{ page: 1, delivered: 12, filtered: 0, dead: [], damaged: 0 }]);
});

const reasons = (it: ReturnType<typeof bench>) => it.window.advance()?.settled.flatMap(({ dead }) => dead) ?? [];

test('what is refused alone is asked again a second after the sink has accepted another, and buried when it is refused again', () => {
  const it = bench(2);
  const [bad, good] = it.take() as [Entry, Entry];
  it.judge([bad], [no]);
  it.judge([good], [delivered]);
  assert.deepEqual([reasons(it), it.take()], [[], []]);
  it.clock.now += 1_000;
  assert.deepEqual(it.take(), [bad]);
  it.judge([bad], new BatchRefused('400 again'));
  assert.deepEqual(
    reasons(it).map(({ reason }) => reason),
    ['400 again'],
  );
});

test('what is refused alone for a moment only is delivered', () => {
  const it = bench(2);
  const [maligned, good] = it.take() as [Entry, Entry];
  it.judge([maligned], [no]);
  it.judge([good], [delivered]);
  it.clock.now += 1_000;
  it.judge(it.take(), [delivered]);
  assert.deepEqual(it.window.advance()?.settled, [{ page: 1, delivered: 2, filtered: 0, dead: [], damaged: 0 }]);
});

test('a delivery that began before a refusal does not contradict it', () => {
  const it = bench(3);
  const [bad, early, late] = it.take() as [Entry, Entry, Entry];
  it.clock.now += 50;
  it.judge([bad], [no]);
  it.judge([early], [delivered], { from: it.clock.now - 40 });
  it.clock.now += 1_000;
  assert.deepEqual(it.take(), []);
  it.judge([late], [delivered]);
  it.clock.now += 1_000;
  assert.deepEqual(it.take(), [bad]);
});

test('an outage between two refusals makes the second one the first', () => {
  const it = bench(3);
  const [bad, good, other] = it.take() as [Entry, Entry, Entry];
  it.judge([bad], [no]);
  it.judge([good], [delivered]);
  it.clock.now += 1_000;
  it.judge(it.take(), new Unavailable('down'));
  it.clock.now += 500;
  it.judge(it.take(), [no]);
  assert.deepEqual(reasons(it), []);
  it.judge([other], [delivered]);
  it.clock.now += 1_000;
  it.judge(it.take(), [no]);
  assert.equal(reasons(it).length, 1);
});

test('a refusal that nothing contradicts is asked again after 5 s, and believed then', () => {
  const it = bench(1);
  it.judge(it.take(), [no]);
  it.clock.now += 4_999;
  it.blame.whenQuiet();
  it.clock.now += 1;
  assert.deepEqual(it.take(), []);
  it.blame.whenQuiet();
  it.clock.now += 1_000;
  it.judge(it.take(), [no]);
  assert.equal(reasons(it).length, 1);
});

test('of those that it was asked again, a sink that breaks down altogether buries few: nine more than it has accepted', () => {
  const it = bench(1_000);
  const [good, ...held] = it.take() as [Entry, ...Entry[]];
  it.refuseAll(held);
  it.judge([good], [delivered]);
  it.clock.now += 1_000;
  assert.ok(!it.blame.suspected);
  it.refuseAll(it.take());
  assert.ok(it.blame.suspected);
  assert.equal(reasons(it).length, 10);
});

/** Nineteen were refused, asked again since one was accepted, and refused; another one waits. */
function askedAgain() {
  const it = bench(21);
  const [good, late, ...bad] = it.take() as [Entry, Entry, ...Entry[]];
  it.refuseAll(bad);
  it.judge([good], [delivered]);
  it.clock.now += 1_000;
  it.refuseAll(it.take());
  return { it, late };
}

test('those that were asked again and wait for others are believed once none has come for half a minute', () => {
  const { it, late } = askedAgain();
  it.clock.now += 28_000;
  it.blame.whenQuiet();
  assert.ok(it.blame.suspected);
  assert.equal(reasons(it).length, 0, 'the second event of the log is still open');
  it.clock.now += 1_000;
  it.blame.whenQuiet();
  it.judge([late], [delivered]);
  assert.equal(reasons(it).length, 19);
});

test('those that were asked again are not believed as long as one that came later is refused too', () => {
  const { it, late } = askedAgain();
  it.refuseAll([late]);
  it.clock.now += 3_600_000;
  it.blame.whenQuiet();
  assert.ok(it.blame.suspected);
  it.judge(it.blame.takeHeld(100), [...Array.from({ length: 10 }, () => delivered)], { wasHeld: true });
  assert.deepEqual([it.window.advance()?.settled[0]?.dead.length, it.blame.suspected], [10, false]);
});

test('a delivery that began before ten refusals clears no suspicion', () => {
  const it = bench(20);
  const [early, ...bad] = it.take() as [Entry, ...Entry[]];
  it.clock.now += 50;
  it.refuseAll(bad);
  it.judge([early], [delivered], { from: it.clock.now - 40 });
  assert.ok(it.blame.suspected);
});

test('refused beside one that is accepted: a dead letter at once', () => {
  const it = bench(2);
  it.judge(it.take(), [no, delivered]);
  assert.equal(reasons(it).length, 1);
});
