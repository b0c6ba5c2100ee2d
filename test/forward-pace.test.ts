import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace, type PaceLimits } from '../src/forward/pace.ts';
import { Unavailable } from '../src/sink.ts';

const down = new Unavailable('503');

/** A pace whose clock the test moves. `fails` and `passes` are deliveries of the largest batch that it allows. */
function paceOf(limits: Partial<PaceLimits> = {}) {
  const clock = { now: 1_000 };
  const pace = new Pace({ concurrency: 8, maxEvents: 500, ...limits }, () => clock.now);
  const fails = (times = 1) => {
    for (let time = 0; time < times; time += 1) {
      clock.now += 60_000;
      pace.trouble(down, pace.maxEvents);
    }
    clock.now += 60_000;
  };
  const passes = (times = 1) => {
    for (let time = 0; time < times; time += 1) pace.accepted(pace.maxEvents);
  };
  return { clock, pace, fails, passes };
}

test('one delivery goes alone after trouble, and each that is accepted allows one more', () => {
  const { pace, fails, passes } = paceOf();
  assert.equal(pace.abreast, 8);
  fails();
  assert.equal(pace.abreast, 1);
  const seen: number[] = [];
  for (let time = 0; time < 9; time += 1) {
    passes();
    seen.push(pace.abreast);
  }
  assert.deepEqual(seen, [2, 3, 4, 5, 6, 7, 8, 8, 8]);
  fails();
  assert.equal(pace.abreast, 1);
});

test('what was sent before the trouble and is accepted during the wait allows nothing more', () => {
  const { clock, pace, fails } = paceOf();
  fails(4);
  pace.trouble(new Unavailable('429', { retryAfterMs: 10_000 }), 100);
  const before = [pace.abreast, pace.maxEvents];
  pace.accepted(500);
  assert.deepEqual([pace.abreast, pace.maxEvents], before);
  assert.equal(pace.pausedMs, 10_000);
  clock.now += 10_001;
  pace.accepted(500);
  assert.deepEqual([pace.abreast, pace.maxEvents], [2, 500]);
});

test('many deliveries that fail together are one trouble', () => {
  const { clock, pace } = paceOf();
  for (let time = 0; time < 50; time += 1) pace.trouble(new Unavailable('503', { retryAfterMs: 1_000 }), 500);
  assert.equal(pace.maxEvents, 500);
  assert.equal(pace.pausedMs, 1_000);
  clock.now += 1_000;
  assert.equal(pace.pausedMs, 0);
});

test('batches get smaller from the third failure in a row on, down to one event, and larger with each that passes', () => {
  const { pace, fails, passes } = paceOf();
  const sizes: number[] = [];
  for (let time = 0; time < 12; time += 1) {
    fails();
    sizes.push(pace.maxEvents);
  }
  assert.deepEqual(sizes, [500, 500, 250, 125, 62, 31, 15, 7, 3, 1, 1, 1]);
  passes(5);
  assert.equal(pace.maxEvents, 32);
  passes(9);
  assert.equal(pace.maxEvents, 500);
});

test('a size that is too much for the sink is left at once for the one that passed', () => {
  const { pace, fails, passes } = paceOf();
  fails(8);
  assert.equal(pace.maxEvents, 7);
  for (let time = 0; time < 5; time += 1) {
    passes();
    assert.equal(pace.maxEvents, 14);
    fails();
    assert.equal(pace.maxEvents, 7);
  }
});

test('half of what failed is tried, also where bytes had made it smaller; trouble without a delivery tells nothing of sizes', () => {
  const { clock, pace } = paceOf();
  for (let time = 0; time < 5; time += 1) {
    clock.now += 60_000;
    pace.trouble(down, 0);
  }
  assert.equal(pace.maxEvents, 500);
  clock.now += 60_000;
  pace.trouble(down, 40);
  assert.equal(pace.maxEvents, 20);
});

test('a sink that fails every second time keeps its batches', () => {
  const { pace, fails, passes } = paceOf();
  for (let time = 0; time < 20; time += 1) {
    fails(time % 2 === 0 ? 2 : 1);
    passes();
    assert.equal(pace.maxEvents, 500);
  }
});
